// Whether the directory came from a backup that nobody has accepted yet (migrations/0018_restored.sql).
import type pg from 'pg';
import { RESTORED_FROM_SQL } from './directory-version.ts';

/** The moment of the backup, RFC 3339; null: nothing waits to be accepted. @throws what the pool throws */
export async function restoredFrom(pool: Pick<pg.Pool, 'query'>): Promise<string | null> {
  const { rows } = await pool.query<{ restored_from: string | null }>(
    `SELECT ${RESTORED_FROM_SQL} AS restored_from`,
  );
  return rows[0]?.restored_from ?? null;
}

/** What is wrong then, and what mends it. */
export function notAccepted(from: string): string {
  return `the database was restored from a backup of ${from}, and nobody has accepted that: mail that is not sealed waits; add the keys that came later, then: sealpost restore --accept`;
}

/**
 * Accepts the state as it is now. Who knows an older version takes everything for changed.
 * @returns the moment of the backup; null: there was nothing to accept
 */
export async function acceptRestored(client: Pick<pg.ClientBase, 'query'>): Promise<string | null> {
  const { rows } = await client.query<{ restored_from: string }>(
    `WITH before AS (SELECT ${RESTORED_FROM_SQL} AS restored_from)
     UPDATE directory_version AS v
        SET restored_from = NULL, version = v.version + 1, floor = v.version + 1, stamp = gen_random_uuid()
       FROM before WHERE v.restored_from IS NOT NULL RETURNING before.restored_from`,
  );
  const [row] = rows;
  if (row === undefined) return null;
  await client.query(`SELECT pg_notify('sealpost_change', '{"table":"domains","key":null}')`);
  return row.restored_from;
}
