// Opens the database for a program: a pool with deadlines, drizzle over it, and a check that the tables are there.
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import type { Logger } from 'pino';
import { packageVersion } from '../config/package.ts';
import type { Config } from '../config/schema.ts';
import { within } from '../pacing/within.ts';
import { DeadlineClient, findDatabase, unavailable } from './connection.ts';
import { DatabaseUnavailable } from './embedded/unavailable.ts';
import { DatabaseNewer, DatabaseNotMigrated, isDatabaseUnavailable } from './errors.ts';
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
  readonly logger?: Logger;
}

const READ_ONLY =
  'it is read-only: a standby, or a server with default_transaction_read_only; database.url must name the primary';

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
  const clients = new Set<pg.ClientBase>();
  const pools: pg.Pool[] = [];
  const createPool = (max: number): pg.Pool => {
    const pool = new pg.Pool({
      ...target.settings,
      Client: DeadlineClient,
      max,
      idleTimeoutMillis: 60_000,
      // After a failover an old connection may still lead to the old server.
      maxLifetimeSeconds: Math.ceil(config.database.connection_max_age / 1000),
      onConnect: async (client) => {
        clients.add(client);
        // By SET and not in the startup packet: PgBouncer refuses startup parameters that it does not know.
        // Our statements look rows up by their keys. Planned while a table is small, a scan of all of it seems cheaper, and
        // the plan is kept while the table, or the rows removed from it, grow a thousandfold.
        const { rows } = await client.query<{ read_only: boolean }>(
          `SELECT set_config('statement_timeout', $1, false), set_config('sealpost.actor', $2, false),
                  set_config('plan_cache_mode', 'force_generic_plan', false), set_config('enable_seqscan', 'off', false),
                  set_config('jit', 'off', false),
                  pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS read_only`,
          [String(config.database.query_timeout), options.actor ?? ''],
        );
        // A standby lags: what it does not know yet would count as "no key".
        if (rows[0]?.read_only === true && options.replica !== true) throw new DatabaseUnavailable(READ_ONLY);
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
