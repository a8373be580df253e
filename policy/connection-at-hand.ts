// A pool with one connection kept at hand: a question that comes alone, as Postfix's do, is spared the way through the pool.
import type pg from 'pg';

/** What lookups need of a pool. */
export type QueryPool = Pick<pg.Pool, 'query'>;

export interface PoolAtHand extends QueryPool {
  /** Ends the connection at hand: it leads to a server that nobody may believe. */
  discard(): void;
  /** Is to be called before the pool is ended. */
  release(): void;
}

interface Kept {
  readonly pool: pg.Pool;
  /** The connection at hand. */
  client: pg.PoolClient | undefined;
  /** Hears that it is broken. */
  broken: () => void;
  /** Milliseconds, of `performance.now()`: when it was taken from the pool. */
  takenAt: number;
  /** It is being asked. */
  busy: boolean;
  /** Another one is on its way. */
  taking: boolean;
  released: boolean;
}

/** How long a connection is kept before the pool may look whether it is too old. Milliseconds. */
const LONGEST_KEPT_MS = 10_000;

/** Keeps one of the pool's connections, once there has been a question. */
export function keepConnectionAtHand(pool: pg.Pool): PoolAtHand {
  const kept: Kept = {
    pool,
    client: undefined,
    broken: () => undefined,
    takenAt: 0,
    busy: false,
    taking: false,
    released: false,
  };
  return {
    query: ((config: pg.QueryConfig) => query(kept, config)) as unknown as QueryPool['query'],
    discard() {
      if (kept.client !== undefined) drop(kept, kept.client, true);
    },
    release() {
      kept.released = true;
      if (kept.client !== undefined) drop(kept, kept.client, kept.busy);
    },
  };
}

async function query(kept: Kept, config: pg.QueryConfig): Promise<pg.QueryResult> {
  const { pool } = kept;
  if (kept.client !== undefined && !kept.busy && isKeptTooLong(kept)) drop(kept, kept.client, false);
  const own = kept.client;
  if (own === undefined || kept.busy) {
    const result = await pool.query(config);
    // Of a pool with a single connection none is left for others when it is kept here.
    if (kept.client === undefined && !kept.taking && !kept.released && pool.options.max > 1) take(kept);
    return result;
  }
  kept.busy = true;
  try {
    return await own.query(config);
  } catch (error) {
    drop(kept, own, true);
    throw error;
  } finally {
    kept.busy = false;
  }
}

/** The pool ends a connection that is older than its maxLifetimeSeconds when it is given back. */
function isKeptTooLong({ pool, takenAt }: Kept): boolean {
  const { maxLifetimeSeconds = 0 } = pool.options;
  const longest = maxLifetimeSeconds > 0 ? maxLifetimeSeconds * 1000 : Number.POSITIVE_INFINITY;
  return performance.now() - takenAt >= Math.min(longest, LONGEST_KEPT_MS);
}

function take(kept: Kept): void {
  kept.taking = true;
  kept.pool
    .connect()
    .then(
      (taken) => {
        if (kept.released) {
          taken.release();
          return;
        }
        kept.client = taken;
        kept.takenAt = performance.now();
        kept.broken = () => drop(kept, taken, true);
        taken.on('error', kept.broken);
        taken.on('end', kept.broken);
      },
      // The question that follows will be told why.
      () => undefined,
    )
    .finally(() => {
      kept.taking = false;
    });
}

function drop(kept: Kept, dropped: pg.PoolClient, broken: boolean): void {
  if (kept.client !== dropped) return;
  kept.client = undefined;
  dropped.off('error', kept.broken);
  dropped.off('end', kept.broken);
  // Between two owners an error that nobody hears would end the process.
  if (broken) dropped.on('error', () => undefined);
  dropped.release(broken);
}
