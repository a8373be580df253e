// What the database need not keep for ever: messages that nobody fetches (only where the administrator says so), ids that left
// the queue, and attempts on files that are no more.
import type { Pool } from 'pg';
import { removeOld } from '../../src/database/remove-old.ts';

/** A spool file that outlives its commit is found by the next sweep; this is for a machine that was away. */
const REMEMBER_IDS = '30 days';
/** Longer than any back-off, so that nobody waits for it any more. */
const REMEMBER_ATTEMPTS = '30 days';

/**
 * Removes messages older than the retention, some at a time; their ids are remembered as if they had been acknowledged.
 * @returns how many
 */
export function removeExpired(pool: Pick<Pool, 'query'>, retentionMs: number): Promise<number> {
  return removeOld(pool, {
    table: 'incoming',
    condition: "received < now() - $1::float8 * interval '1 millisecond'",
    values: [retentionMs],
    order: 'received',
  });
}

/** Forgets ids and attempts whose time is over. */
export async function forgetOld(pool: Pick<Pool, 'query'>): Promise<void> {
  await removeOld(pool, {
    table: 'incoming_acknowledged',
    condition: `at < now() - interval '${REMEMBER_IDS}'`,
    values: [],
    order: 'at',
  });
  await removeOld(pool, {
    table: 'spool_attempts',
    condition: `next_at < now() - interval '${REMEMBER_ATTEMPTS}'`,
    values: [],
    order: 'next_at',
  });
}
