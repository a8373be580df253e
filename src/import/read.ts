// Reads a source to its end: its rows by kind, and of its keys what is left of them once they are judged.
import { judgeForBulk } from '../keys/bulk.ts';
import type { JudgeOptions } from '../keys/judge-both.ts';
import type { Progress } from './context.ts';
import {
  type AliasRow,
  type DomainRow,
  type LeftRow,
  type RefusedRow,
  type Source,
  SourceRefused,
  type UserRow,
} from './formats/rows.ts';
import type { ReadRows } from './plan.ts';
import type { JudgedRow } from './planning.ts';

/** What all keys of one import may take in memory. Bytes: a key has some two thousand. */
export const MOST_KEY_BYTES = 128 * 1024 * 1024;

/** What one import takes of anything else. */
const MOST_ROWS = 2_000_000;

/**
 * Reads everything.
 * @throws SourceRefused also on a source that is too large to be moved in at once
 * @throws SourceAway
 */
export async function readSource(
  source: Pick<Source, 'rows'>,
  judging: JudgeOptions,
  progress: Progress,
): Promise<ReadRows> {
  const domains: DomainRow[] = [];
  const users: UserRow[] = [];
  const aliases: AliasRow[] = [];
  const keys: JudgedRow[] = [];
  const others: (RefusedRow | LeftRow)[] = [];
  const read = { rows: 0, keyBytes: 0 };
  for await (const row of source.rows()) {
    read.rows += 1;
    if (read.rows > MOST_ROWS)
      throw new SourceRefused(`it has more than ${MOST_ROWS} rows: move it in by parts`);
    progress('reading', read.rows, null);
    switch (row.kind) {
      case 'domain':
        domains.push(row);
        break;
      case 'user':
        users.push(row);
        break;
      case 'alias':
        aliases.push(row);
        break;
      case 'key': {
        const { where, owners, sealedBefore } = row;
        for (const key of await judgeForBulk(row.upload, judging)) {
          read.keyBytes += key.size;
          keys.push({ row: { where, owners, sealedBefore }, key });
        }
        break;
      }
      default:
        others.push(row);
    }
    if (read.keyBytes > MOST_KEY_BYTES)
      throw new SourceRefused(
        `its keys take more than ${MOST_KEY_BYTES / 1024 ** 2} MiB: move them in by parts`,
      );
  }
  return { domains, users, aliases, keys, others };
}
