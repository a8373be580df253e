// The lookups' way to PostgreSQL: prepared statements on the replica where there is one, short deadlines, and no crowd of
// questions before a server that does not answer.
import type pg from 'pg';
import { isDatabaseUnavailable } from '../src/database/open.ts';
import { DirectoryUnavailable } from '../src/directory/types.ts';
import type { Logger } from '../src/observe/log.ts';

/** A statement that is prepared once on each connection. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

type Pool = Pick<pg.Pool, 'query'>;

export interface LookupDatabase {
  /** @throws DirectoryUnavailable when it cannot be answered now, whatever the reason */
  query<R extends pg.QueryResultRow>(statement: Statement, values: readonly unknown[]): Promise<readonly R[]>;
  /** The same as a pool, for queries that were written for one. */
  readonly pool: Pool;
  /** A change was announced by the primary: the replica may not have it yet. */
  changed(): void;
  /** Whether the last question could not be answered. */
  away(): boolean;
  /** The server is known to answer again. */
  back(): void;
}

export interface LookupDatabaseContext {
  readonly primary: Pool;
  readonly replica: Pool | null;
  /** How long after a change the primary is asked, since the replica may lag. Milliseconds. */
  readonly replicaLag: number;
  readonly logger: Logger;
}

/** How long a replica that failed is not asked. */
const REPLICA_REST_MS = 30_000;

export function createLookupDatabase(context: LookupDatabaseContext): LookupDatabase {
  const { primary, replica, replicaLag, logger } = context;
  let isAway = false;
  let probing = false;
  let primaryUntil = 0;

  /** The servers to ask, best first. A connection that was lost while idle is worth a second try. */
  function servers(): readonly [Pool, Pool] {
    return replica === null || Date.now() < primaryUntil ? [primary, primary] : [replica, primary];
  }

  async function ask<R extends pg.QueryResultRow>(query: pg.QueryConfig): Promise<pg.QueryResult<R>> {
    const [first, second] = servers();
    try {
      return await first.query<R>(query);
    } catch (error) {
      // One that did not answer in time is not asked again: the client waits.
      if (!isDatabaseUnavailable(error) || (first === second && isTimeout(error))) throw error;
      const result = await second.query<R>(query);
      // A replica that does not answer is left alone for a while: every question would wait for it.
      if (first !== second) primaryUntil = Math.max(primaryUntil, Date.now() + REPLICA_REST_MS);
      return result;
    }
  }

  async function guarded<R extends pg.QueryResultRow>(query: pg.QueryConfig): Promise<pg.QueryResult<R>> {
    if (isAway && probing) throw new DirectoryUnavailable('the database does not answer');
    const probe = isAway;
    if (probe) probing = true;
    try {
      const result = await ask<R>(query);
      isAway = false;
      return result;
    } catch (error) {
      const unavailable = isDatabaseUnavailable(error);
      if (unavailable && !isAway)
        logger.warn({ err: error }, 'the database cannot be asked; cached answers go on');
      if (unavailable) isAway = true;
      else logger.error({ err: error }, 'a lookup failed');
      throw new DirectoryUnavailable('the database does not answer', { cause: error });
    } finally {
      if (probe) probing = false;
    }
  }

  const pool = { query: (query: pg.QueryConfig) => guarded(query) } as unknown as Pool;
  return {
    pool,
    query: async <R extends pg.QueryResultRow>({ name, text }: Statement, values: readonly unknown[]) =>
      (await guarded<R>({ name, text, values: [...values] })).rows,
    changed() {
      // A replica that failed rests for longer than that.
      primaryUntil = Math.max(primaryUntil, Date.now() + replicaLag);
    },
    away: () => isAway,
    back() {
      isAway = false;
    },
  };
}

function isTimeout(error: unknown): boolean {
  return (
    error instanceof Error &&
    (/timeout/i.test(error.message) || (error as { code?: string }).code === '57014')
  );
}
