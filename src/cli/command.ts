// What every command shares: reading the configuration, printing for people or machines, and ending with one of
// 0 done, 1 refused or failed, 2 wrong usage, 75 temporary (database away).
import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { isOvertaken } from '../database/errors.ts';
import { exitCodeFor, messageOf } from '../database/exit.ts';
import { type Database, openDatabase } from '../database/open.ts';

/** What a command's action gets beside its own arguments. */
export interface CommandContext {
  /** Read when it is first asked for: `init` runs where there is none yet, or a bad one of somebody else. */
  readonly loaded: LoadedConfig;
  /** true when --json was given. */
  readonly json: boolean;
  /** Opens the database (started when it is embedded and nobody runs it); closed when the action ends. */
  database(): Promise<Database>;
  /** Prints `value` as JSON under --json, else `text`. Call it once, at the end. */
  print(value: unknown, text: string): void;
}

/** Adds the options that every command has, and an example to its --help. */
export function withCommonOptions(command: Command, example: string): Command {
  return command
    .option(
      '--config <file>',
      'configuration file (default: $SEALPOST_CONFIG, ./sealpost.toml, /etc/sealpost/sealpost.toml)',
    )
    .option('--json', 'print JSON for machines')
    .addHelpText('after', `\nExample:\n  $ ${example}`);
}

/**
 * Runs a command's action with a context made from its common options, closes what it opened, and turns what it threw
 * into a message on standard error and an exit code. Never prints a stack trace.
 */
export async function run(
  options: { config?: string; json?: boolean },
  action: (context: CommandContext) => Promise<void>,
): Promise<void> {
  let loaded: LoadedConfig | undefined;
  const load = (): LoadedConfig => {
    loaded ??= loadConfig(options.config === undefined ? {} : { path: options.config });
    return loaded;
  };
  let database: Promise<Database> | undefined;
  try {
    await action({
      get loaded() {
        return load();
      },
      json: options.json === true,
      database: async () => {
        database ??= openDatabase(load().config, { actor: actorName() });
        return database;
      },
      print: (value, text) => {
        process.stdout.write(
          options.json ? `${JSON.stringify(value, null, 2)}\n` : text === '' ? '' : `${text}\n`,
        );
      },
    });
  } catch (error) {
    report(error, options.json === true);
  } finally {
    const opened = await database?.catch(() => undefined);
    await opened?.close();
  }
}

/** The second attempt finds what the first one could not see yet, and says it by name. */
const OVERTAKEN =
  'another command changed the same address, user or key at this very moment; run this command again to see what is there now';

function report(error: unknown, json: boolean): void {
  const message = isOvertaken(error) ? OVERTAKEN : messageOf(error);
  process.exitCode = exitCodeFor(error);
  if (json) process.stdout.write(`${JSON.stringify({ error: message, exitCode: process.exitCode })}\n`);
  process.stderr.write(`sealpost: ${message}\n`);
}

/** Who runs the command, for the audit of keys. A uid without an account has no name. */
export function actorName(): string {
  try {
    return `cli:${userInfo().username}`;
  } catch {
    return `cli:uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
