// Removes rows whose time is over, some at a time: a statement that grows with its table stops for good once it outgrows its
// deadline. Of several nodes one removes at a time; the lock ends with each statement, so that a pooler may lie in between.
import type { Pool } from 'pg';
import { errorCodes } from './errors.ts';

/** Which rows. The names are of our own making, and stand in the statement as they are. */
export interface OldRows {
  readonly table: string;
  /** SQL with `$1` and so on. */
  readonly condition: string;
  readonly values: readonly unknown[];
  /** SQL: the column by whose index they are found. Without it, in no order. */
  readonly order?: string;
}

/** "seal" as a number: with a table's, the advisory lock of whoever removes from that table. */
const LOCK = 1_936_024_940;

/** A statement is to take about so long: lookups and acceptances go on beside it. Milliseconds. */
const AIM_MS = 150;
const FIRST = 1000;
const MOST = 20_000;

/** SQLSTATE query_canceled: the statement's deadline. */
const CANCELLED = '57014';

/**
 * How many rows the next statement removes. Pure.
 * @param tookMs how long the last one took; Infinity: it met its deadline
 */
export function nextBatch(last: number, tookMs: number): number {
  if (tookMs > 2 * AIM_MS)
    return Math.max(1, Math.floor(last / (tookMs === Number.POSITIVE_INFINITY ? 8 : 2)));
  return tookMs < AIM_MS / 2 ? Math.min(MOST, last * 2) : last;
}

/**
 * Removes what meets the condition, until nothing does or another node is at it.
 * @returns how many rows
 * @throws what the pool throws; what was removed before stays removed
 */
export async function removeOld(
  pool: Pick<Pool, 'query'>,
  rows: OldRows,
  clock: () => number = () => performance.now(),
): Promise<number> {
  const { table, condition, values, order } = rows;
  // What a crash brings back is removed by the next round: nobody waits for the disk.
  const text = `DELETE FROM ${table} WHERE ctid = ANY (ARRAY(
      SELECT ctid FROM ${table}
       WHERE (SELECT pg_try_advisory_xact_lock(${LOCK}, hashtext('${table}'))) AND (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL
         AND (${condition}) ${order === undefined ? '' : `ORDER BY ${order}`}
       LIMIT $${values.length + 1} FOR UPDATE SKIP LOCKED))`;
  let removed = 0;
  for (let batch = FIRST; ; ) {
    const started = clock();
    try {
      const { rowCount } = await pool.query(text, [...values, batch]);
      removed += rowCount ?? 0;
      if ((rowCount ?? 0) < batch) return removed;
      batch = nextBatch(batch, clock() - started);
    } catch (error) {
      if (batch === 1 || !errorCodes(error).includes(CANCELLED)) throw error;
      batch = nextBatch(batch, Number.POSITIVE_INFINITY);
    }
  }
}
