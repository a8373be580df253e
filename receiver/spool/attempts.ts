// What the database remembers of spool files that could not be filed yet (table spool_attempts), and who works on which file:
// an advisory lock of the transaction, which ends with it, whatever ends it.
import { createHash } from 'node:crypto';
import type { ClientBase, Pool } from 'pg';
import { inTransaction } from '../../src/database/transaction.ts';
import type { Obstacle } from '../queue/decide.ts';

/** SHA-256 of a spool file's name, in hexadecimal: the name itself tells when and where a message came. */
export function nameHash(name: string): string {
  return createHash('sha256').update(name, 'latin1').digest('hex');
}

/** A file that is ours until the end of the transaction. */
export interface Claimed {
  readonly name: string;
  /** Earlier attempts; 0: none. */
  readonly attempts: number;
  readonly firstAt: Date | null;
}

export interface ClaimResult {
  readonly claimed: readonly Claimed[];
  /** Another receiver works on them. */
  readonly taken: readonly string[];
  /** Not to be tried again before this moment. */
  readonly early: readonly { readonly name: string; readonly nextAt: Date }[];
}

/** A transaction that stops halfway, its machine gone, gives up its claims after this time. Seconds. */
const ABANDONED_AFTER = 300;

/** Runs `work` in a transaction whose claims end with it; see {@link inTransaction}. */
export function withClaims<T>(
  pool: Pick<Pool, 'connect'>,
  work: (client: ClientBase) => Promise<T>,
): Promise<T> {
  return inTransaction(pool, work, { abandonedAfter: ABANDONED_AFTER });
}

/**
 * Claims what nobody else has.
 * @param forced names whose time need not have come
 */
export async function claimFiles(
  client: Pick<ClientBase, 'query'>,
  names: readonly string[],
  forced: ReadonlySet<string>,
): Promise<ClaimResult> {
  const byHash = new Map(names.map((name) => [nameHash(name), name]));
  // Not in one statement with the lock: what its holder wrote before the lock was free must be seen.
  const locks = await client.query<{ hash: string }>({
    name: 'sealpost-spool-claim',
    text: `SELECT hash FROM unnest($1::text[]) AS asked(hash)
            WHERE pg_try_advisory_xact_lock(('x' || left(hash, 16))::bit(64)::bigint)`,
    values: [[...byHash.keys()]],
  });
  const { rows } = await client.query<{ hash: string; attempts: number; first_at: Date; next_at: Date }>({
    name: 'sealpost-spool-attempts',
    text: `SELECT encode(file_key, 'hex') AS hash, attempts, first_at, next_at FROM spool_attempts
            WHERE file_key IN (SELECT decode(hash, 'hex') FROM unnest($1::text[]) AS asked(hash))`,
    values: [locks.rows.map(({ hash }) => hash)],
  });
  const known = new Map(rows.map((row) => [row.hash, row]));
  const claimed: Claimed[] = [];
  const early: { name: string; nextAt: Date }[] = [];
  for (const { hash } of locks.rows) {
    const name = byHash.get(hash);
    const before = known.get(hash);
    if (name === undefined) continue;
    byHash.delete(hash);
    if (before !== undefined && before.next_at.getTime() > Date.now() && !forced.has(name))
      early.push({ name, nextAt: before.next_at });
    else claimed.push({ name, attempts: before?.attempts ?? 0, firstAt: before?.first_at ?? null });
  }
  return { claimed, taken: [...byHash.values()], early };
}

/** Writes down one more failed attempt. */
export async function noteAttempt(
  client: Pick<ClientBase, 'query'>,
  name: string,
  because: Obstacle | string,
  nextAt: Date,
): Promise<void> {
  await client.query({
    name: 'sealpost-spool-note',
    text: `INSERT INTO spool_attempts AS a (file_key, attempts, because, next_at)
           VALUES (decode($1, 'hex'), 1, $2, $3)
           ON CONFLICT (file_key) DO UPDATE SET attempts = a.attempts + 1, because = excluded.because,
             next_at = excluded.next_at`,
    values: [nameHash(name), because, nextAt],
  });
}

/** Forgets the attempts of files that have come to an end. */
export async function forgetAttempts(
  client: Pick<ClientBase, 'query'>,
  names: readonly string[],
): Promise<void> {
  if (names.length === 0) return;
  await client.query({
    name: 'sealpost-spool-forget',
    text: `DELETE FROM spool_attempts
            WHERE file_key IN (SELECT decode(hash, 'hex') FROM unnest($1::text[]) AS ended(hash))`,
    values: [names.map(nameHash)],
  });
}

/**
 * How long to wait after an attempt: doubled from `least` to `most`, as Postfix's minimal_backoff_time and
 * maximal_backoff_time. Pure.
 * @param attempts failed so far, the last one included
 */
export function backOff(attempts: number, least: number, most: number): number {
  return Math.min(most, least * 2 ** Math.min(Math.max(attempts, 1) - 1, 30));
}
