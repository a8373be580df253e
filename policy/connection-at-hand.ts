// A pool with one connection kept at hand: a question that comes alone, as Postfix's do, is spared the way through the pool.
import type pg from 'pg';

/** What lookups need of a pool. */
export type QueryPool = Pick<pg.Pool, 'query'>;

/** @returns the pool's `query`, and `release`, which is to be called before the pool is ended */
export function keepConnectionAtHand(pool: pg.Pool): QueryPool & { release(): void } {
  let client: pg.PoolClient | undefined;
  let busy = false;
  let taking = false;
  let released = false;

  function drop(dropped: pg.PoolClient, broken: boolean): void {
    if (client !== dropped) return;
    client = undefined;
    dropped.release(broken);
  }

  function take(): void {
    taking = true;
    pool
      .connect()
      .then(
        (taken) => {
          if (released) {
            taken.release();
            return;
          }
          client = taken;
          taken.once('error', () => drop(taken, true));
          taken.once('end', () => drop(taken, true));
        },
        // The question that follows will be told why.
        () => undefined,
      )
      .finally(() => {
        taking = false;
      });
  }

  async function query(config: pg.QueryConfig): Promise<pg.QueryResult> {
    const own = client;
    if (own === undefined || busy) {
      const result = await pool.query(config);
      // Of a pool with a single connection none is left for others when it is kept here.
      if (client === undefined && !taking && !released && pool.options.max > 1) take();
      return result;
    }
    busy = true;
    try {
      return await own.query(config);
    } catch (error) {
      drop(own, true);
      throw error;
    } finally {
      busy = false;
    }
  }

  return {
    query: query as unknown as QueryPool['query'],
    release() {
      released = true;
      if (client !== undefined) drop(client, busy);
    },
  };
}
