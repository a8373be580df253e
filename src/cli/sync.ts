// `sealpost sync`: follows a panel from the command line; serve does the same for what [[sync]] names.
import { type Command, Option } from 'commander';
import { PANELS } from '../config/sync.ts';
import { parseDuration } from '../config/units.ts';
import { EXIT, WrongUsage } from '../host/exit-codes.ts';
import { look, notLookedYet, type SyncEntry, startSync } from '../import/sync.ts';
import { createLogger } from '../observe/log.ts';
import { run, withCommonOptions } from './command.ts';
import type { CommonOptions } from './command-context.ts';
import { printable } from './table.ts';

interface Flags extends CommonOptions {
  readonly every: string;
  readonly once?: boolean;
  readonly remove?: boolean;
}

export function registerSync(program: Command): void {
  withCommonOptions(
    program
      .command('sync')
      .description(
        'follow a panel: what changes there changes here; [[sync]] in sealpost.toml makes it a part of serve',
      )
      .argument('<panel>', PANELS.join(' or '))
      .argument('<dsn>', 'such as mysql://reader:password@127.0.0.1/postfix, or @FILE with the DSN in it')
      .addOption(new Option('--every <duration>', 'how often').default('5m'))
      .option('--once', 'look once, and end: 0 followed, 1 refused, 75 away')
      .option('--remove', 'disable users, and remove aliases, that the panel made and has no longer'),
    'sealpost sync postfixadmin mysql://reader:secret@127.0.0.1/postfix --every 5m',
  ).action((panel: string, dsn: string, flags: Flags) =>
    run(flags, async ({ loaded, database, print }) => {
      const entry = readEntry(panel, dsn, flags);
      const { config } = loaded;
      const logger = createLogger({ level: config.observe.log_level, format: config.log.format });
      const context = { database: await database(), config: () => config, logger, now: Date.now };
      if (flags.once !== true) {
        const sync = startSync([entry], context);
        await untilStopped();
        await sync.close();
        return;
      }
      const state = await look(entry, notLookedYet(entry), context);
      print(state, printable(`${state.source}: ${state.because ?? 'followed'}`));
      if (state.state === 'away') process.exitCode = EXIT.temporary;
      if (state.state === 'refused') process.exitCode = EXIT.refused;
    }),
  );
}

/** @throws WrongUsage */
function readEntry(panel: string, url: string, flags: Flags): SyncEntry {
  const source = PANELS.find((each) => each === panel);
  if (source === undefined)
    throw new WrongUsage(`found the panel ${JSON.stringify(panel)}, expected ${PANELS.join(' or ')}`);
  const every = parseDuration(flags.every);
  if (!every.ok || every.value <= 0)
    throw new WrongUsage(`--every: found ${JSON.stringify(flags.every)}, expected a duration such as 5m`);
  return { source, url, every: every.value, remove: flags.remove === true };
}

function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
}
