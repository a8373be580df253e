// What `sealpost restore` tells a person: what is here now, from when it is, and what to do next. Pure.
import type { RestoreReport } from '../backup/restore.ts';
import { timeInWords } from './status-text.ts';
import { printable } from './table.ts';

/**
 * @param elsewhere the rows went to another database than the configuration names
 * @param now Unix milliseconds
 */
export function restoredInWords(
  report: RestoreReport,
  accepted: boolean,
  elsewhere: boolean,
  now: number,
): string {
  const { rows, takenAt, configuration, takenOut, spoolFiles, secretsLeft } = report;
  const age = timeInWords(Math.max(0, (now - Date.parse(takenAt)) / 1000));
  const count = (table: string): number => rows[table] ?? 0;
  const lines = [
    `restored into ${report.database}: users ${count('users')}, keys ${count('keys')}, queued messages ${count('incoming')}`,
    `it is as ${report.hostname} was at ${takenAt}, ${age} ago: what came later is not in it`,
    ...(spoolFiles === 0 ? [] : [`files put back into the spool: ${spoolFiles}`]),
    configuration === null
      ? 'the configuration of this machine stays as it is'
      : `configuration written: ${configuration}`,
    ...(takenOut.length === 0 ? [] : [`the backup has no secrets; fill in: ${takenOut.join(', ')}`]),
    ...(secretsLeft.length === 0
      ? []
      : [`in the backup, and not put in place: ${secretsLeft.join(', ')} (tar -xf FILE)`]),
    ...(elsewhere && configuration === null
      ? ['next: sealpost config set database.url URL, so that serve uses this database']
      : []),
    accepted
      ? 'accepted: mail without a key goes by the settings'
      : 'next: add the keys that came later (sealpost key list --missing), then: sealpost restore --accept; until then mail that is not sealed waits',
  ];
  return lines.map(printable).join('\n');
}
