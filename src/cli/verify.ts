// `sealpost verify`: whether a backup is what was written, and can be used.
import type { Command } from 'commander';
import { EXIT } from '../host/exit-codes.ts';
import { run, withCommonOptions } from './command.ts';
import type { CommonOptions } from './command-context.ts';

export function registerVerify(program: Command): void {
  withCommonOptions(
    program
      .command('verify')
      .description(
        'look whether a backup is whole: hashes, keys, queued messages, counts; exit 1 names what is wrong',
      )
      .argument('<file>', 'a backup, or - for standard input'),
    'gpg --decrypt sealpost.tar | sealpost verify -',
  ).action((file: string, flags: CommonOptions) =>
    run(flags, async ({ print }) => {
      const { verify } = await import('../backup/verify.ts');
      const { printable } = await import('./table.ts');
      const report = await verify(file);
      if (!report.ok) process.exitCode = EXIT.refused;
      const rows = Object.values(report.rows).reduce((sum, count) => sum + count, 0);
      print(
        report,
        printable(
          report.ok
            ? `${file} is whole: ${report.entries} entries, ${rows} rows, as of ${report.takenAt}`
            : [`${file} is not to be relied on:`, ...report.problems.map((problem) => `  ${problem}`)].join(
                '\n',
              ),
        ),
      );
    }),
  );
}
