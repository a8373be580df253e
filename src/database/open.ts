// Opens the database for a program: a pool with deadlines, drizzle over it, and a check that the tables are there.
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import type { Logger } from 'pino';
import { packageVersion } from '../config/package.ts';
import type { Config } from '../config/schema.ts';
import { within } from '../pacing/within.ts';
import { DeadlineClient, WalkingPool } from './client.ts';
import { findDatabase, unavailable } from './connection.ts';
import { DatabaseUnavailable } from './embedded/unavailable.ts';
import { DatabaseNewer, DatabaseNotMigrated, errorCodes, isDatabaseUnavailable } from './errors.ts';
import { createFence, type Fence, IDENTITY_SQL, OtherServer } from './fence.ts';
import type { RoleFacts } from './hosts.ts';
import { migrationStatus } from './migrate.ts';

export { DatabaseUnavailable } from './embedded/unavailable.ts';
export { DatabaseNewer, DatabaseNotMigrated, isDatabaseUnavailable } from './errors.ts';

/** An open database. Queries that fail because it is away satisfy {@link isDatabaseUnavailable}. */
export interface Database {
  readonly orm: NodePgDatabase & { readonly $client: pg.Pool };
  readonly pool: pg.Pool;
  /**
   * Makes another pool of at most so many connections, for transactions that ask {@link pool} meanwhile: from one pool they
   * could wait for each other. It ends with the others.
   */
  createPool(max: number): pg.Pool;
  /** Ends the connections, and stops an embedded server that nobody else uses. Never throws; twice is harmless. */
  close(): Promise<void>;
}

export interface OpenOptions {
  /** Who changes keys, for the audit (key_events.actor); without it the audit names the database role. */
  readonly actor?: string;
  /** Connections at most; default database.pool_size. */
  readonly poolSize?: number;
  /** false: also open a database without tables, for `migrate` and `init`. */
  readonly requireMigrated?: boolean;
  /**
   * Whether a database with migrations of a newer program is refused, where somebody starts what will run for long. Default: the log
   * warns, since migrations are additive: while the nodes of a service are brought to a new version one after the other, the old
   * ones go on.
   */
  readonly refuseNewer?: boolean;
  /** true: database.read_url where it is set. Look-ups only; a replica lags behind the change notifications. */
  readonly replica?: boolean;
  /** true: which server it is is written down in state_dir, so that no other one is taken for it later. */
  readonly keepsServer?: boolean;
  readonly logger?: Logger;
}

/** How long close() waits for queries that still run. Milliseconds. */
const CLOSE_DEADLINE = 5000;

/**
 * Opens the configured database. An embedded one is started when nobody runs it, and stopped by its last user's close().
 * Every query has a deadline (database.query_timeout), as has opening a connection (database.connect_timeout).
 * @throws DatabaseUnavailable when it does not answer
 * @throws DatabaseNotMigrated when migrations are missing and `requireMigrated` is not false
 * @throws DatabaseNewer when there are some that this program does not know and `refuseNewer` is true
 */
export async function openDatabase(config: Config, options: OpenOptions = {}): Promise<Database> {
  const { logger } = options;
  const target = await findDatabase(config, options);
  const fence = createFence(config, options.keepsServer === true);
  const clients = new Set<pg.ClientBase>();
  const pools: pg.Pool[] = [];
  const createPool = (max: number): pg.Pool => {
    const pool = new WalkingPool({
      ...target.settings,
      max,
      idleTimeoutMillis: 60_000,
      onConnect: async (client) => {
        clients.add(client);
        // After a failover an old connection may still lead to the old server.
        pool.options.maxLifetimeSeconds = lifetimeSeconds(config.database.connection_max_age);
        // By SET and not in the startup packet: PgBouncer refuses startup parameters that it does not know.
        // Our statements look rows up by their keys. Planned while a table is small, a scan of all of it seems cheaper, and
        // the plan is kept while the table, or the rows removed from it, grow a thousandfold.
        const greet = (identity: string) =>
          client.query<Greeting>(
            `SELECT CASE WHEN pg_backend_pid() = $3::int THEN concat(
                    set_config('statement_timeout', $1, false), set_config('sealpost.actor', $2, false),
                    set_config('plan_cache_mode', 'force_generic_plan', false), set_config('enable_seqscan', 'off', false),
                    set_config('jit', 'off', false)) END AS own,
                  pg_is_in_recovery() AS standby, current_setting('transaction_read_only')::boolean AS "readOnly",
                  ${identity}`,
            [
              String(config.database.query_timeout),
              options.actor ?? '',
              client instanceof DeadlineClient ? client.told : 0,
            ],
          );
        const { rows } = await greet(IDENTITY_SQL).catch((error: unknown) => {
          if (!errorCodes(error).some((code) => NOT_TOLD.has(code))) throw error;
          return greet('NULL AS system, 0 AS timeline');
        });
        // A pooler gives the session to others, too: nothing is set on it.
        if (client instanceof DeadlineClient && rows[0]?.own === null)
          client.settings = localSettings(config.database.query_timeout, options.actor ?? '');
        // A standby lags: what it does not know yet would count as "no key". PostgreSQL 13, and a pooler, do not tell of it.
        refuseMisfit(client, rows[0], fence);
      },
    });
    // An idle connection that breaks (PostgreSQL restarted) leaves the pool by itself; unheard, the event ends the process.
    pool.on('error', (error) =>
      logger?.warn(
        { event: 'database_connection_lost', err: error.message },
        'idle database connection lost',
      ),
    );
    pool.on('remove', (client) => clients.delete(client));
    pools.push(pool);
    return pool;
  };
  const pool = createPool(options.poolSize ?? config.database.pool_size);

  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= endPools(pools, clients).then(() => target.release());
    return closing;
  };
  try {
    if (options.requireMigrated === false) await pool.query('SELECT 1');
    else await requireMigrated(pool, target.name, options);
  } catch (error) {
    await close();
    throw isDatabaseUnavailable(error) ? unavailable(target, error, config.database.connect_timeout) : error;
  }
  return { orm: drizzle(pool), pool, createPool, close };
}

/** What a new connection is told. */
interface Greeting extends Required<RoleFacts> {
  /** null: the session is shared. */
  readonly own: string | null;
  /** null: a service that does not tell it, where nothing can be compared. */
  readonly system: string | null;
  readonly timeline: number;
}

/** SQLSTATEs with which a service keeps its identity to itself: no right, no such function, not supported. */
const NOT_TOLD: ReadonlySet<string> = new Set(['42501', '42883', '0A000']);

/** @throws DatabaseUnavailable where the server has not the role that it is needed for, or is another one than before */
function refuseMisfit(client: pg.ClientBase, facts: Greeting | undefined, fence: Fence | null): void {
  if (!(client instanceof DeadlineClient) || facts === undefined) return;
  const reason = client.misfit(facts);
  if (reason !== null) throw client.refuse(new DatabaseUnavailable(reason));
  try {
    const { system, timeline } = facts;
    if (system !== null) fence?.check({ system, timeline });
  } catch (error) {
    throw error instanceof OtherServer ? client.refuse(error) : error;
  }
}

/** For the transactions of a session that is not ours alone. */
function localSettings(timeout: number, actor: string): string {
  const settings = {
    statement_timeout: String(timeout),
    'sealpost.actor': actor,
    enable_seqscan: 'off',
    jit: 'off',
  };
  return Object.entries(settings)
    .map(([name, value]) => `SET LOCAL ${name} = ${pg.escapeLiteral(value)}`)
    .join('; ');
}

/** How long a connection lives: not all of them end, and begin, at the same moment. */
export function lifetimeSeconds(longestMs: number, random: () => number = Math.random): number {
  return Math.max(1, Math.floor((longestMs / 1000) * (0.8 + 0.2 * random())));
}

async function requireMigrated(
  pool: pg.Pool,
  name: string,
  { logger, refuseNewer }: OpenOptions,
): Promise<void> {
  const { pending, unknown } = await migrationStatus({ pool });
  if (pending.length > 0) {
    throw new DatabaseNotMigrated(
      `the database at ${name} lacks ${pending.length === 1 ? 'the migration' : 'the migrations'} ${pending.join(', ')}; ` +
        'run `sealpost migrate`',
      pending,
    );
  }
  if (unknown.length === 0) return;
  if (refuseNewer === true)
    throw new DatabaseNewer(
      `the database at ${name} is of a newer sealpost than this program (${packageVersion()}), which does not know its ` +
        `${unknown.length === 1 ? 'migration' : 'migrations'} ${unknown.join(', ')}; install that version here, or start with --allow-newer-database`,
    );
  logger?.warn({ event: 'database_newer', unknown }, 'the database is newer than this program');
}

async function endPools(pools: readonly pg.Pool[], clients: ReadonlySet<pg.ClientBase>): Promise<void> {
  await within(CLOSE_DEADLINE, Promise.allSettled(pools.map((pool) => pool.end())), undefined);
  for (const client of clients) if (client instanceof DeadlineClient) client.destroy();
}
