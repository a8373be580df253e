// The lookups' way to PostgreSQL: prepared statements on the replica where there is one, short deadlines, and no crowd of
// questions before a server that does not answer. Every answer says which version of the directory it is of.
import type pg from 'pg';
import {
  type DirectoryVersion,
  refreshVersion,
  VERSION_SQL,
  type VersionTracker,
  versionOf,
} from '../src/database/directory-version.ts';
import type { Change } from '../src/database/notifications.ts';
import { DatabaseUnavailable, isDatabaseUnavailable } from '../src/database/open.ts';
import { DirectoryUnavailable } from '../src/directory/types.ts';
import type { Logger } from '../src/observe/log.ts';
import { ALWAYS_FRESH, createFreshness, type Freshness } from './freshness.ts';

/** A statement that is prepared once on each connection. */
export interface Statement {
  readonly name: string;
  readonly text: string;
  /** What it reads is no part of the directory's version: a replica may lag behind, and nobody could tell. */
  readonly unversioned?: true;
}

type Pool = Pick<pg.Pool, 'query'>;

/** `discard` ends the connection that was asked last, where one is kept. */
type Primary = Pool & { discard?(): void };

export interface LookupDatabase {
  /** @throws DirectoryUnavailable when it cannot be answered now, whatever the reason */
  query<R extends pg.QueryResultRow>(statement: Statement, values: readonly unknown[]): Promise<readonly R[]>;
  /** The same as a pool, for queries that were written for one. */
  readonly pool: Pool;
  /** How old what was read before may be. */
  readonly freshness: Freshness;
  /** Calls back for every change that the version tells of; null: everything may have changed. */
  onChange(listener: (change: Change | null) => void): void;
  /** A change was announced by the primary: the replica may not have it yet. */
  changed(): void;
  /** Whether the last question could not be answered. */
  away(): boolean;
  /** The server is known to answer again. */
  back(): void;
}

export interface LookupDatabaseContext {
  readonly primary: Primary;
  readonly replica: Pool | null;
  /** How long after a change the primary is asked, since the replica may lag. Milliseconds. */
  readonly replicaLag: number;
  readonly logger: Logger;
  /** What answers are held against; without it every answer counts as the newest, for one question that is not cached. */
  readonly versions?: VersionTracker;
}

/** How long a replica that failed is not asked. */
const REPLICA_REST_MS = 30_000;
/** How long the statement with the version may take. */
const VERSION_TIMEOUT_MS = 2000;

interface State extends LookupDatabaseContext {
  readonly freshness: Freshness;
  isAway: boolean;
  /** One question tries whether the database is back. */
  probing: boolean;
  /** Unix milliseconds until which the replica is not asked. */
  primaryUntil: number;
}

export function createLookupDatabase(context: LookupDatabaseContext): LookupDatabase {
  const { versions, replicaLag } = context;
  const state: State = {
    ...context,
    freshness:
      versions === undefined
        ? ALWAYS_FRESH
        : createFreshness({ ask: () => askVersion(state, versions), clock: Date.now }),
    isAway: false,
    probing: false,
    primaryUntil: 0,
  };
  const query = (config: pg.QueryConfig, unversioned = false) =>
    guarded(state, () => (unversioned ? askPrimary(state, config) : ask(state, config)));
  return {
    pool: { query: (config: pg.QueryConfig) => query(config) } as unknown as Pool,
    query: async <R extends pg.QueryResultRow>(
      { name, text, unversioned }: Statement,
      values: readonly unknown[],
    ) => (await query({ name, text, values: [...values] }, unversioned)).rows as R[],
    freshness: state.freshness,
    onChange: (listener) => versions?.onChange(listener),
    changed() {
      // A replica that failed rests for longer than that.
      restFrom(state, replicaLag);
    },
    away: () => state.isAway,
    back() {
      state.isAway = false;
    },
  };
}

function restFrom(state: State, ms: number): void {
  state.primaryUntil = Math.max(state.primaryUntil, Date.now() + ms);
}

/** Asks the primary, since no other server can say which version is the newest. */
async function askVersion(state: State, versions: VersionTracker): Promise<void> {
  const query = (config: pg.QueryConfig) => {
    const hurried = { ...config, query_timeout: VERSION_TIMEOUT_MS };
    return guarded(state, () => twice(state.primary, hurried));
  };
  try {
    await refreshVersion({ query } as unknown as Pool, versions);
  } catch (error) {
    if (error instanceof DatabaseUnavailable) state.primary.discard?.();
    throw error;
  }
}

/** @throws DirectoryUnavailable whatever the reason */
async function guarded(state: State, question: () => Promise<pg.QueryResult>): Promise<pg.QueryResult> {
  const { logger } = state;
  if (state.isAway && state.probing) throw new DirectoryUnavailable('the database does not answer');
  const probe = state.isAway;
  if (probe) state.probing = true;
  try {
    const result = await question();
    state.isAway = false;
    return result;
  } catch (error) {
    const unavailable = isDatabaseUnavailable(error);
    if (unavailable && !state.isAway)
      logger.warn(
        { event: 'database_lost', err: error },
        'the database cannot be asked; cached answers go on',
      );
    if (unavailable) state.isAway = true;
    else logger.error({ event: 'lookup_failed', err: error }, 'a lookup failed');
    throw new DirectoryUnavailable('the database does not answer', { cause: error });
  } finally {
    if (probe) state.probing = false;
  }
}

/** Asks the replica where it may be asked, else the primary. */
async function ask(state: State, config: pg.QueryConfig): Promise<pg.QueryResult> {
  const { replica, replicaLag, versions } = state;
  if (replica === null || Date.now() < state.primaryUntil) return askPrimary(state, config);
  try {
    if (versions === undefined) return await replica.query(config);
    if (!state.freshness.isFresh() && !(await state.freshness.refresh()))
      throw new DatabaseUnavailable('the primary cannot say which version of the directory is the newest');
    const { result, version } = await withVersion(replica, config);
    if (versions.isKnown(version)) return result;
    restFrom(state, replicaLag);
  } catch (error) {
    if (!isDatabaseUnavailable(error)) throw error;
    // A replica that does not answer is left alone for a while: every question would wait for it.
    const result = await (versions === undefined ? state.primary.query(config) : askPrimary(state, config));
    restFrom(state, REPLICA_REST_MS);
    return result;
  }
  return askPrimary(state, config);
}

/** Asks the primary. A connection that was lost while idle is worth a second try. */
async function askPrimary(state: State, config: pg.QueryConfig): Promise<pg.QueryResult> {
  const { primary, versions } = state;
  if (versions === undefined) return twice(primary, config);
  return twice(primary, config, async () => {
    const { result, version } = await withVersion(primary, config);
    try {
      versions.check(version);
    } catch (error) {
      // An old primary, which may take writes still: the next connection may lead to the new one.
      primary.discard?.();
      throw error;
    }
    return result;
  });
}

async function twice(
  primary: Pool,
  config: pg.QueryConfig,
  once: () => Promise<pg.QueryResult> = () => primary.query(config),
): Promise<pg.QueryResult> {
  try {
    return await once();
  } catch (error) {
    // One that did not answer in time is not asked again: the client waits.
    if (!isDatabaseUnavailable(error) || isTimeout(error)) throw error;
    return once();
  }
}

/** Runs a statement together with the version of the directory, in one snapshot. */
async function withVersion(
  pool: Pool,
  { name, text, values = [] }: pg.QueryConfig,
): Promise<{ readonly result: pg.QueryResult; readonly version: DirectoryVersion }> {
  const result = await pool.query<{ directory: string | null; is_row: true | null }>({
    ...(name === undefined ? {} : { name: `${name}-of-version` }),
    text: `SELECT ${VERSION_SQL} AS directory, found.*
             FROM (SELECT) AS one LEFT JOIN (SELECT true AS is_row, asked.* FROM (${text}) AS asked) AS found ON true`,
    values,
  });
  const version = versionOf(result.rows[0]?.directory);
  return { result: { ...result, rows: result.rows.filter(({ is_row }) => is_row === true) }, version };
}

function isTimeout(error: unknown): boolean {
  return (
    error instanceof Error &&
    (/timeout/i.test(error.message) || (error as { code?: string }).code === '57014')
  );
}
