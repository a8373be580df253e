// `sealpost notices run`: tells of keys that expire without waiting for serve's daily time.
import type { Command } from 'commander';
import { EXIT, Refused } from '../host/exit-codes.ts';
import { run, withCommonOptions } from './command.ts';
import type { CommonOptions } from './command-context.ts';

interface RunOptions extends CommonOptions {
  readonly now?: boolean;
}

export function registerNotices(program: Command): void {
  const notices = program.command('notices').description('mail that tells of keys before they expire');
  withCommonOptions(
    notices
      .command('run')
      .description(
        'send the notices that are due since the last daily time (notices.at); each is sent once, whoever sends it. ' +
          'Exit 75: some could not be sent yet, 1: some were refused',
      )
      .option('--now', 'as if the daily time were this moment'),
    'sealpost notices run --now',
  ).action((options: RunOptions) =>
    run(options, async ({ loaded, print }) => {
      const { config } = loaded;
      if (config.notices.administrator === '') {
        throw new Refused(
          'found notices.administrator = "", expected an address, which sends them; see "sealpost config describe"',
        );
      }
      const { openEngine } = await import('../delivery/engine.ts');
      const { runNotices } = await import('../notices/notices.ts');
      const { createLogger } = await import('../observe/log.ts');
      const { createMetrics } = await import('../observe/metrics.ts');
      const logger = createLogger({ level: 'warn' });
      const metrics = createMetrics({ processMetrics: false });
      const engine = await openEngine({ config, logger, metrics, workers: 0 });
      try {
        const now = Date.now();
        const parts = { config: () => config, ...engine, logger, metrics };
        const report = await runNotices(parts, now, options.now === true ? now : undefined);
        const { sent, refused, postponed } = report;
        if (postponed > 0) process.exitCode = EXIT.temporary;
        else if (refused > 0) process.exitCode = EXIT.refused;
        print(report, `${sent} sent, ${refused} refused, ${postponed} to be tried again in an hour`);
      } finally {
        await engine.close();
      }
    }),
  );
}
