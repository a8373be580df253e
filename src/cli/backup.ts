// `sealpost backup`: everything that a new machine needs, in one file, while mail flows.
import type { Command } from 'commander';
import { WrongUsage } from '../host/exit-codes.ts';
import { run, withCommonOptions } from './command.ts';
import type { CommonOptions } from './command-context.ts';

interface Flags extends CommonOptions {
  readonly to?: string;
  readonly withSecrets?: boolean;
  readonly withSpool?: boolean;
}

export function registerBackup(program: Command): void {
  withCommonOptions(
    program
      .command('backup')
      .description(
        'write database and configuration to a file while mail flows; docs/backup.md says what is in it',
      )
      .argument('<file>', 'such as sealpost.tar, or - for standard output')
      .option('--to <certificate>', 'seal the file to the OpenPGP certificates in this file')
      .option('--with-secrets', 'with the passwords of the configuration, and the secret files that it names')
      .option('--with-spool', 'with mail in the spool that is not filed yet: it is plaintext'),
    'sealpost backup /var/backups/sealpost.tar --to admin.asc',
  ).action((file: string, flags: Flags) =>
    run(flags, async ({ loaded, json, print }) => {
      const { backUp } = await import('../backup/backup.ts');
      const { STANDARD } = await import('../backup/destination.ts');
      const { readRecipients } = await import('../backup/seal.ts');
      const { printable } = await import('./table.ts');
      if (file === STANDARD && (json || process.stdout.isTTY))
        throw new WrongUsage(
          json
            ? '--json and the backup cannot both go to standard output'
            : 'a backup is not written to a terminal; name a file, or send standard output elsewhere',
        );
      const report = await backUp(loaded, {
        file,
        to: flags.to === undefined ? [] : await readRecipients(flags.to),
        secrets: flags.withSecrets === true,
        spool: flags.withSpool === true,
        now: Date.now(),
      });
      const left =
        report.takenOut.length === 0 ? '' : `; without the secrets of ${report.takenOut.join(', ')}`;
      const text = printable(
        `${report.file}: users ${report.rows.users ?? 0}, keys ${report.rows.keys ?? 0}, queued messages ${report.rows.incoming ?? 0}, as of ${report.takenAt}${report.sealed ? ', sealed' : ''}${left}`,
      );
      if (file === STANDARD) process.stderr.write(`${text}\n`);
      else print(report, text);
    }),
  );
}
