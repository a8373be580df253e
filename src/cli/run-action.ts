// How a command's action runs: reading the configuration, opening the database, printing for people or machines, and ending with
// one of 0 done, 1 refused or failed, 2 wrong usage, 75 temporary (database away).
import { userInfo } from 'node:os';
import { ConfigError } from '../config/errors.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { isOvertaken } from '../database/errors.ts';
import { exitCodeFor, messageOf } from '../database/exit.ts';
import { type Database, openDatabase } from '../database/open.ts';
import type { CommandContext, CommonOptions } from './command-context.ts';
import { snakeCased } from './snake-case.ts';

/** As run() of command.ts. */
export async function runAction(
  options: CommonOptions,
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
          options.json ? `${JSON.stringify(snakeCased(value), null, 2)}\n` : text === '' ? '' : `${text}\n`,
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
  const message = isOvertaken(error) ? OVERTAKEN : `${messageOf(error)}${helpFor(error)}`;
  process.exitCode = exitCodeFor(error);
  if (json) process.stdout.write(`${JSON.stringify({ error: message, exit_code: process.exitCode })}\n`);
  process.stderr.write(`sealpost: ${message}\n`);
}

/** A missing file says by itself who writes one. */
function helpFor(error: unknown): string {
  if (!(error instanceof ConfigError) || error.message.includes('"sealpost init"')) return '';
  return '; "sealpost config describe" prints every key with its meaning';
}

/** Who runs the command, for the audit of keys. A uid without an account has no name. */
function actorName(): string {
  try {
    return `cli:${userInfo().username}`;
  } catch {
    return `cli:uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
