// What the database need not keep for ever: messages that nobody fetches (only where the administrator says so), ids that left
// the queue, and attempts on files that are no more.
import type { Pool } from 'pg';

/** A spool file that outlives its commit is found by the next sweep; this is for a machine that was away. */
const REMEMBER_IDS = '30 days';
/** Longer than any back-off, so that nobody waits for it any more. */
const REMEMBER_ATTEMPTS = '30 days';
const AT_ONCE = 1000;

/**
 * Removes messages older than the retention, some at a time; their ids are remembered as if they had been acknowledged.
 * @returns how many
 */
export async function removeExpired(pool: Pick<Pool, 'query'>, retentionMs: number): Promise<number> {
  let removed = 0;
  for (;;) {
    const { rowCount } = await pool.query(
      `DELETE FROM incoming WHERE id IN
         (SELECT id FROM incoming WHERE received < now() - $1 * interval '1 millisecond' ORDER BY received LIMIT ${AT_ONCE}
            FOR UPDATE SKIP LOCKED)`,
      [retentionMs],
    );
    removed += rowCount ?? 0;
    if ((rowCount ?? 0) < AT_ONCE) return removed;
  }
}

/** Forgets ids and attempts whose time is over. */
export async function forgetOld(pool: Pick<Pool, 'query'>): Promise<void> {
  await pool.query(`DELETE FROM incoming_acknowledged WHERE at < now() - interval '${REMEMBER_IDS}'`);
  await pool.query(`DELETE FROM spool_attempts WHERE next_at < now() - interval '${REMEMBER_ATTEMPTS}'`);
}
