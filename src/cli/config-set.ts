// sealpost config set KEY VALUE: changes one key of the configuration, and nothing else in its file.
import type { Command } from 'commander';
import { literalOf } from '../config/edit.ts';
import { showValue } from '../config/errors.ts';
import { type FileOptions, findFile } from '../config/find-file.ts';
import { readLayers } from '../config/layers.ts';
import { holdsPassword, type KeyChange, planKey } from '../config/set-key.ts';
import { Refused, WrongUsage } from '../host/exit-codes.ts';
import { replaceFile } from '../host/replace-file.ts';
import { run, withCommonOptions } from './command.ts';

interface SetOptions {
  readonly config?: string;
  readonly json?: boolean;
}

/** Adds `config set`. */
export function registerConfigSet(config: Command): void {
  withCommonOptions(
    config
      .command('set')
      .description('change one key; comments and everything else in the file stay')
      .argument('<key>', 'such as filter.next_hop; "sealpost config describe" prints all of them')
      .argument(
        '<value>',
        'as in the file, quotes may be left out; "-": from standard input, for what is secret',
      ),
    'sealpost config set filter.next_hop lmtp:unix:/run/dovecot/lmtp',
  ).action((key: string, value: string, options: SetOptions) =>
    run(options, async ({ print }) => {
      const where = options.config === undefined ? {} : { path: options.config };
      const change = await setKey(key, value === '-' ? await firstLine() : notSecret(key, value), where);
      const shown = typeof change.value === 'string' ? showValue(change.value) : literalOf(change.value);
      print(
        { file: change.file, key, changed: change.kind === 'change', value: maskedValue(change.value) },
        change.kind === 'change'
          ? `${change.file}: ${key} = ${shown}\na running serve takes it over with: systemctl reload sealpost (or SIGHUP)`
          : `${change.file} has ${key} = ${shown} already`,
      );
      warnOfEnvironment(key);
    }),
  );
}

/**
 * Sets a key in the configuration that holds.
 * @throws Refused for a key or a value that the schema refuses, or a file that cannot be written
 */
export async function setKey(
  key: string,
  value: string,
  where: FileOptions,
): Promise<Exclude<KeyChange, { kind: 'refused' }>> {
  const cwd = process.cwd();
  const layers = readLayers(findFile(where, cwd, process.env));
  // What the environment says hides what the file says; the file is what is judged.
  const change = planKey(layers, key, value, cwd, {});
  if (change.kind === 'refused') throw new Refused(change.because);
  if (change.kind === 'change') {
    try {
      await replaceFile(change.file, Buffer.from(change.text));
    } catch (error) {
      throw new Refused(
        `${change.file} cannot be written: ${error instanceof Error ? error.message : error}`,
      );
    }
  }
  return change;
}

/** @throws WrongUsage: every user of the machine can read the command line of a process, and shells keep it */
function notSecret(key: string, value: string): string {
  if (!holdsPassword(value)) return value;
  throw new WrongUsage(
    `${key}: a password does not belong on the command line: "sealpost config set ${key} -" reads it from standard input; or keep it in a file that SEALPOST_DATABASE_URL_FILE names`,
  );
}

async function firstLine(): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(Buffer.from(part));
  return /^[^\r\n]*/.exec(Buffer.concat(parts).toString('utf8'))?.[0] ?? '';
}

/** As it may be shown. */
function maskedValue(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  const shown = showValue(value);
  return shown.startsWith('"') ? JSON.parse(shown) : shown;
}

function warnOfEnvironment(key: string): void {
  const name = {
    'database.url': 'SEALPOST_DATABASE_URL',
    'database.read_url': 'SEALPOST_DATABASE_READ_URL',
    'database.listen_url': 'SEALPOST_DATABASE_LISTEN_URL',
  }[key];
  const set = name === undefined ? [] : [name, `${name}_FILE`].filter((each) => process.env[each]);
  for (const each of set) process.stderr.write(`sealpost: warning: $${each} is set, and overrides ${key}\n`);
}
