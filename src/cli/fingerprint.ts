// `sealpost fingerprint`: TLS client certificates that may relay, until a date.
import type { Command } from 'commander';
import type { FingerprintView } from '../directory/fingerprints.ts';
import { run, withCommonOptions } from './command.ts';
import { confirm } from './confirm.ts';
import { table } from './table.ts';

interface Options {
  readonly config?: string;
  readonly json?: boolean;
}

const EXAMPLE = '8D:2A:5C:10:7F:0E:93:41:B6:6D:58:C2:1A:E4:77:3B:90:0D:4F:12';

export function registerFingerprint(program: Command): void {
  const fingerprint = program
    .command('fingerprint')
    .description('SMTP client certificates (client_fingerprint)');

  withCommonOptions(
    fingerprint
      .command('add')
      .description('add a fingerprint, or give a known one another date')
      .argument(
        '<fingerprint>',
        'hexadecimal, with or without colons; the digest of smtpd_tls_fingerprint_digest',
      )
      .requiredOption('--expires <date>', 'the last day on which it counts (UTC), such as 2027-12-31'),
    `sealpost fingerprint add ${EXAMPLE} --expires 2027-12-31`,
  ).action((typed: string, options: Options & { readonly expires: string }) =>
    run(options, async ({ database, print }) => {
      const { addFingerprint } = await import('../directory/fingerprints.ts');
      const added = await addFingerprint(await database(), typed, options.expires);
      if (added.expired)
        process.stderr.write(`sealpost: warning: ${added.expires} is over: the fingerprint does not count\n`);
      print(added, `added ${added.fingerprint}, expires ${added.expires}`);
    }),
  );

  withCommonOptions(
    fingerprint.command('list').description('list the fingerprints by date'),
    'sealpost fingerprint list',
  ).action((options: Options) =>
    run(options, async ({ database, print }) => {
      const { listFingerprints } = await import('../directory/fingerprints.ts');
      const all = await listFingerprints(await database());
      print(all, table(all.map(row)));
    }),
  );

  withCommonOptions(
    fingerprint
      .command('remove')
      .description('remove a fingerprint')
      .argument('<fingerprint>', 'as listed, with or without colons')
      .option('--yes', 'do not ask'),
    `sealpost fingerprint remove ${EXAMPLE} --yes`,
  ).action((typed: string, options: Options & { readonly yes?: boolean }) =>
    run(options, async ({ database, print }) => {
      const { removeFingerprint } = await import('../directory/fingerprints.ts');
      await confirm(`remove the fingerprint ${typed}`, options.yes === true);
      const removed = await removeFingerprint(await database(), typed);
      print(removed, `removed ${removed.fingerprint}`);
    }),
  );
}

function row({ fingerprint, expires, expired }: FingerprintView): readonly string[] {
  return [fingerprint, expires, expired ? 'expired' : ''];
}
