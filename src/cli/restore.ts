// `sealpost restore`: a backup into an empty place, and the word of whoever runs the server that its state is good enough.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { LoadedConfig } from '../config/load.ts';
import { Refused, WrongUsage } from '../host/exit-codes.ts';
import { run, withCommonOptions } from './command.ts';
import type { CommandContext, CommonOptions } from './command-context.ts';

interface Flags extends CommonOptions {
  readonly databaseUrl?: string;
  readonly accept?: boolean;
}

export function registerRestore(program: Command): void {
  withCommonOptions(
    program
      .command('restore')
      .description(
        'put a backup into an empty database; mail that is not sealed waits then until --accept says that no key is missing',
      )
      .argument('[file]', 'a backup, or - for standard input; none: --accept alone')
      .option('--database-url <url>', 'an empty database, in place of database.url')
      .option('--accept', 'accept the restored state: the settings for mail without a key hold again'),
    'sealpost restore sealpost.tar && sealpost key list --missing && sealpost restore --accept',
  ).action((file: string | undefined, flags: Flags) =>
    run(flags, async (context) => {
      if (file !== undefined) return restoreFile(context, file, flags);
      if (flags.accept !== true)
        throw new WrongUsage('found neither a file nor --accept; expected one of them');
      if (flags.databaseUrl !== undefined)
        throw new WrongUsage(
          '--accept alone is for the database of the configuration, not for --database-url',
        );
      await acceptState(context);
    }),
  );
}

async function acceptState({ database, print }: CommandContext): Promise<void> {
  const { accept } = await import('../backup/accept.ts');
  const from = await accept(await database());
  if (from === null)
    throw new Refused(
      'there is nothing to accept: the database was not restored, or that was accepted before',
    );
  print(
    { accepted: from },
    `accepted: the state of ${from}, with what was changed since; mail without a key goes by the settings again`,
  );
}

async function restoreFile(context: CommandContext, file: string, flags: Flags): Promise<void> {
  const { databaseUrl = null } = flags;
  if (databaseUrl !== null && !/^(?:postgres(?:ql)?:\/\/|embedded:$)/.test(databaseUrl))
    throw new WrongUsage('--database-url: expected postgres://..., or embedded:');
  const { restore } = await import('../backup/restore.ts');
  const { existing, target } = await findConfiguration(context, flags);
  const report = await restore({ file, existing, target, databaseUrl });
  if (flags.accept === true)
    await acceptAt(report.configuration ?? flags.config, databaseUrl, existing, target);
  const { restoredInWords } = await import('./restore-text.ts');
  context.print(
    { ...report, accepted: flags.accept === true },
    restoredInWords(report, flags.accept === true, databaseUrl !== null, Date.now()),
  );
}

/** The configuration of this machine, and where it is written when there is none. */
async function findConfiguration(
  context: CommandContext,
  { config }: Flags,
): Promise<{ readonly existing: LoadedConfig | null; readonly target: string }> {
  if (config !== undefined)
    return { existing: existsSync(config) ? context.loaded : null, target: resolve(config) };
  const { findFile } = await import('../config/find-file.ts');
  const isThere = findFile({}, process.cwd(), process.env) !== null;
  const target = process.getuid?.() === 0 ? '/etc/sealpost/sealpost.toml' : resolve('sealpost.toml');
  return { existing: isThere ? context.loaded : null, target };
}

/** Accepts what was restored this very moment, in the database that it went to. */
async function acceptAt(
  written: string | undefined,
  databaseUrl: string | null,
  existing: LoadedConfig | null,
  target: string,
): Promise<void> {
  const { accept } = await import('../backup/accept.ts');
  const { loadConfig } = await import('../config/load.ts');
  const { openDatabase } = await import('../database/open.ts');
  const { config } = existing ?? loadConfig({ path: written ?? target });
  const url = databaseUrl ?? config.database.url;
  const database = await openDatabase({ ...config, database: { ...config.database, url } });
  try {
    await accept(database);
  } finally {
    await database.close();
  }
}
