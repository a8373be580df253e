// A pool with one connection kept at hand: a question that comes alone, as Postfix's do, is spared the way through the pool.
import type pg from 'pg';

/** What lookups need of a pool. */
export type QueryPool = Pick<pg.Pool, 'query'>;

interface Kept {
  readonly pool: pg.Pool;
  /** The connection at hand. */
  client: pg.PoolClient | undefined;
  /** It is being asked. */
  busy: boolean;
  /** Another one is on its way. */
  taking: boolean;
  released: boolean;
}

/** @returns the pool's `query`, and `release`, which is to be called before the pool is ended */
export function keepConnectionAtHand(pool: pg.Pool): QueryPool & { release(): void } {
  const kept: Kept = { pool, client: undefined, busy: false, taking: false, released: false };
  return {
    query: ((config: pg.QueryConfig) => query(kept, config)) as unknown as QueryPool['query'],
    release() {
      kept.released = true;
      if (kept.client !== undefined) drop(kept, kept.client, kept.busy);
    },
  };
}

async function query(kept: Kept, config: pg.QueryConfig): Promise<pg.QueryResult> {
  const { pool, client: own } = kept;
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
        taken.once('error', () => drop(kept, taken, true));
        taken.once('end', () => drop(kept, taken, true));
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
  dropped.release(broken);
}
