// What the database says of itself, and whether it takes a row and passes a notification on.
import pg from 'pg';
import type { Config } from '../../config/schema.ts';
import { connectClient } from '../../database/client.ts';
import { findDatabase, unavailable } from '../../database/connection.ts';
import { isEmbeddedMissing } from '../../database/embedded/place.ts';
import { redactUrl, rootReason } from '../../database/errors.ts';
import { migrationStatus } from '../../database/migrate.ts';
import { type Database, openDatabase } from '../../database/open.ts';
import { restoredFrom } from '../../database/restored.ts';
import { writeRefusal } from '../../database/transaction.ts';
import { createEcho } from '../../delivery/echo.ts';
import { foldingTogether } from '../../directory/refold.ts';
import { within } from '../../pacing/within.ts';
import { type Ask, type DatabaseFacts, type Reader, Unseen } from '../facts.ts';

const NOTIFICATION_MS = 4000;

/** One connection to a server, whatever its role. @throws DatabaseUnavailable; Unseen where the embedded one was never made */
async function connected<T>(
  config: Config,
  replica: boolean,
  work: (client: pg.Client, name: string) => Promise<T>,
): Promise<T> {
  if (!replica && isEmbeddedMissing(config))
    throw new Error(`there is no embedded database below ${config.state_dir} yet: sealpost init`);
  const target = await findDatabase(config, { replica, anyRole: true });
  try {
    const client = await connectClient(target.settings).catch((error: unknown) => {
      throw unavailable(target, error, config.database.connect_timeout);
    });
    try {
      return await work(client, target.name);
    } finally {
      await within(1000, client.end(), undefined).catch(() => undefined);
      client.destroy();
    }
  } finally {
    await target.release();
  }
}

// pg_stat_activity hides what others do from a role without rights; pg_stat_database counts for everybody.
const ROLE = `SELECT current_setting('server_version_num')::int AS version, pg_is_in_recovery() AS in_recovery,
  current_setting('transaction_read_only')::boolean AS read_only, current_setting('fsync')::boolean AS fsync,
  current_setting('full_page_writes')::boolean AS full_page_writes,
  current_setting('synchronous_commit') AS synchronous_commit,
  current_setting('max_connections')::int AS max_connections,
  (SELECT sum(numbackends)::int FROM pg_stat_database) AS connections,
  extract(epoch FROM clock_timestamp())::float8 * 1000 AS clock`;

interface RoleRow {
  readonly version: number;
  readonly in_recovery: boolean;
  readonly read_only: boolean;
  readonly fsync: boolean;
  readonly full_page_writes: boolean;
  readonly synchronous_commit: string;
  readonly max_connections: number;
  readonly connections: number;
  readonly clock: number;
}

/** The role of the server that database.url names; a standby is told of, not refused. */
async function readRole(config: Config): Promise<DatabaseFacts> {
  return connected(config, false, async (client, name) => {
    const asked = Date.now();
    const { rows } = await client.query<RoleRow>(ROLE);
    const [row] = rows;
    if (row === undefined) throw new Error('the database gave no row');
    return {
      name,
      version: row.version,
      inRecovery: row.in_recovery,
      readOnly: row.read_only,
      fsync: row.fsync,
      fullPageWrites: row.full_page_writes,
      synchronousCommit: row.synchronous_commit,
      maxConnections: row.max_connections,
      connections: row.connections,
      // Half of the way there and back is the best guess of when it looked at its clock.
      ahead: Math.round(row.clock - (asked + Date.now()) / 2),
    };
  });
}

export interface DatabaseReaders {
  readonly databaseAnswer: Reader<'databaseAnswer'>;
  readonly database: Reader<'database'>;
  readonly tables: Reader<'tables'>;
  readonly notification: Reader<'notification'>;
  readonly replica: Reader<'replica'>;
  /** Open for whoever reads rows. @throws Unseen */
  open(ask: Ask): Promise<Database>;
  /** Never throws. */
  close(): Promise<void>;
}

export function createDatabaseReaders(): DatabaseReaders {
  const state: { role?: Promise<DatabaseFacts>; opened?: Promise<Database> } = {};
  const role = async (ask: Ask): Promise<DatabaseFacts> => {
    const { config } = await ask('config');
    state.role ??= readRole(config);
    return state.role;
  };
  async function open(ask: Ask): Promise<Database> {
    const { inRecovery, readOnly } = await ask('database');
    if (inRecovery || readOnly) throw new Unseen('the database takes reads only', true);
    const { config } = await ask('config');
    state.opened ??= openDatabase(config, { requireMigrated: false, poolSize: 4, actor: 'doctor' });
    return state.opened;
  }
  return {
    databaseAnswer: async (ask) => {
      const { config } = await ask('config');
      return role(ask).then(
        ({ name }) => ({ name, failure: null }),
        (error: unknown) => ({ name: redactUrl(config.database.url), failure: rootReasonOf(error) }),
      );
    },
    database: async (ask) => {
      if ((await ask('databaseAnswer')).failure !== null)
        throw new Unseen('the database does not answer', true);
      return role(ask);
    },
    tables: async (ask) => readTables(await open(ask)),
    notification: async (ask) => {
      const { config } = await ask('config');
      return roundTrip(config, await open(ask));
    },
    replica: async (ask) => {
      const { config } = await ask('config');
      if (config.database.read_url === undefined) return { standby: true, behind: 0 };
      return connected(config, true, readLag);
    },
    open,
    async close() {
      const database = await state.opened?.catch(() => undefined);
      await database?.close();
    },
  };
}

/** A sentence of ours says more than what lies below it. */
function rootReasonOf(error: unknown): string {
  return error instanceof Error && error.name === 'DatabaseUnavailable' ? error.message : rootReason(error);
}

async function readTables(database: Database) {
  const { pending, unknown } = await migrationStatus(database);
  if (pending.length > 0)
    return {
      pending,
      unknown,
      restoredFrom: null,
      writeRefused: 'tables are missing',
      foldingTogether: [],
    };
  const refusal = await writeRefusal(database.pool);
  return {
    pending,
    unknown,
    restoredFrom: await restoredFrom(database.pool),
    writeRefused: refusal === null ? null : rootReason(refusal),
    foldingTogether: await foldingTogether(database),
  };
}

/** Notifies a nonce through the pool and waits for it on a connection of its own, as serve listens for changes. */
async function roundTrip(config: Config, { pool }: Database): Promise<number | null> {
  const { listen_url } = config.database;
  const listening =
    listen_url === undefined ? config : { ...config, database: { ...config.database, url: listen_url } };
  return connected(listening, false, async (client) => {
    const echo = createEcho(pool, NOTIFICATION_MS);
    client.on('notification', ({ payload = '' }) => echo.onPayload(payload));
    await client.query(`LISTEN ${pg.escapeIdentifier(echo.channel)}`);
    const sent = Date.now();
    return (await echo.hears()) ? Date.now() - sent : null;
  });
}

async function readLag(client: pg.Client): Promise<{ readonly standby: boolean; readonly behind: number }> {
  const { rows } = await client.query<{ standby: boolean; behind: number }>(
    `SELECT pg_is_in_recovery() AS standby,
            CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
                 ELSE coalesce(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0) END::float8 AS behind`,
  );
  return rows[0] ?? { standby: false, behind: 0 };
}
