// One consistent view of the whole database: a transaction that reads only, and sees what was committed when it began, while others
// go on writing. Rows come as COPY writes them, as fast as they are read.
import pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import type { Config } from '../config/schema.ts';
import { connectClient } from '../database/client.ts';
import { findDatabase, unavailable } from '../database/connection.ts';
import { DatabaseNotMigrated, isDatabaseUnavailable } from '../database/errors.ts';
import { migrationStatus, readMigrations } from '../database/migrate.ts';
import { Refused } from '../host/exit-codes.ts';
import { within } from '../pacing/within.ts';
import type { DatabaseHead } from './format.ts';
import { COPIED_TABLES, ORDERS, partitionBounds } from './tables.ts';

export interface Snapshot {
  readonly head: DatabaseHead;
  /** The rows of a table. */
  copy(table: DatabaseHead['tables'][number]): AsyncIterable<Buffer>;
}

/** How values are written, whatever the server's settings are; and no deadline, since a large table takes its time. */
const BEGIN = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
  SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;
  SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'postgres';
  SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1; SET LOCAL client_encoding = 'UTF8'`;

/** How long the connection may take to end. Milliseconds. */
const END_MS = 2000;

/**
 * Opens a connection of its own without deadlines.
 * @throws DatabaseUnavailable
 */
export async function withConnection<T>(config: Config, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const target = await findDatabase(config, { anyRole: true });
  try {
    const client = await connectClient({ ...target.settings, query_timeout: 0, statement_timeout: 0 }).catch(
      (error: unknown) => {
        throw unavailable(target, error, config.database.connect_timeout);
      },
    );
    try {
      return await work(client).catch((error: unknown) => {
        // What a connection says that is lost on the way names no database.
        throw isDatabaseUnavailable(error)
          ? unavailable(target, error, config.database.connect_timeout)
          : error;
      });
    } finally {
      await within(END_MS, client.end(), undefined).catch(() => undefined);
    }
  } finally {
    await target.release();
  }
}

/**
 * Takes the snapshot, and lets `work` read it.
 * @throws DatabaseNotMigrated, Refused where the database is of a newer program; DatabaseUnavailable
 */
export function withSnapshot<T>(config: Config, work: (snapshot: Snapshot) => Promise<T>): Promise<T> {
  return withConnection(config, async (client) => {
    const locks = await tableLocks(client);
    await client.query(BEGIN);
    if (locks !== null) await client.query(locks);
    await refuseOtherSchema(client);
    const head = await readHead(client);
    return work({ head, copy: (table) => copyRows(client, table) });
  });
}

/**
 * The statement that has migrations wait for the backup, and the backup for a migration: a table that was rewritten after the
 * snapshot would have no rows in it (PostgreSQL manual, "Caveats" of MVCC). LOCK takes no snapshot: the next statement does.
 * Without `events`, whose old days are dropped while mail flows.
 * @returns null where there are no tables
 */
async function tableLocks(client: pg.Client): Promise<string | null> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class
      WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname = ANY ($1::text[])`,
    [COPIED_TABLES.filter((table) => table !== 'events')],
  );
  if (rows.length === 0) return null;
  const names = rows.map(({ name }) => `public.${pg.escapeIdentifier(name)}`);
  return `LOCK TABLE ${names.join(', ')} IN ACCESS SHARE MODE`;
}

/** What this program does not know it cannot copy, and what it lacks it cannot either. */
async function refuseOtherSchema(client: pg.Client): Promise<void> {
  const { pending, unknown } = await migrationStatus({ pool: client });
  if (pending.length > 0)
    throw new DatabaseNotMigrated(
      `the database lacks the migrations ${pending.join(', ')}; run \`sealpost migrate\``,
      pending,
    );
  if (unknown.length > 0)
    throw new Refused(
      'the database is of a newer sealpost than this program, which would leave out what it does not know; make the backup with that version',
    );
}

function copyRows(
  client: pg.Client,
  { name, columns }: DatabaseHead['tables'][number],
): AsyncIterable<Buffer> {
  const order = ORDERS[name];
  const list = columns.map((column) => pg.escapeIdentifier(column)).join(', ');
  // By SELECT: a partitioned table is read through its partitions.
  const select = `SELECT ${list} FROM public.${pg.escapeIdentifier(name)}${order === undefined ? '' : ` ORDER BY ${order}`}`;
  return client.query(copyTo(`COPY (${select}) TO STDOUT`));
}

async function readHead(client: pg.Client): Promise<DatabaseHead> {
  const { rows } = await client.query<{
    taken_at: string;
    server_version: number;
    directory_version: string;
    migrations: readonly string[];
  }>(
    `SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS taken_at,
            current_setting('server_version_num')::int AS server_version,
            (SELECT version FROM public.directory_version) AS directory_version,
            (SELECT array_agg(created_at::text ORDER BY created_at) FROM public.sealpost_migrations) AS migrations`,
  );
  const [row] = rows;
  if (row === undefined) throw new Error('the database gave no row');
  const { rows: columns } = await client.query<{ name: string; columns: string[] }>(
    `SELECT c.relname AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns
       FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
      WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname = ANY ($1::text[])
        AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
      GROUP BY c.relname`,
    [COPIED_TABLES],
  );
  const known = readMigrations().map(({ madeAt }) => madeAt);
  return {
    taken_at: row.taken_at,
    server_version: row.server_version,
    directory_version: Number(row.directory_version),
    migrations: row.migrations.map(Number).filter((madeAt) => known.includes(madeAt)),
    tables: COPIED_TABLES.map((name) => {
      const found = columns.find((each) => each.name === name);
      if (found === undefined) throw new Error(`the database has no table ${name}`);
      return found;
    }),
    sequences: await readSequences(client),
    partitions: await readPartitions(client),
  };
}

/** The last numbers that were given out. A sequence is no part of a snapshot: it may be ahead of the rows, never behind. */
async function readSequences(client: pg.Client): Promise<DatabaseHead['sequences']> {
  const { rows } = await client.query<{ table: string; column: string; last: string }>(
    `SELECT c.relname AS "table", a.attname AS "column",
            pg_sequence_last_value(pg_get_serial_sequence(format('public.%I', c.relname), a.attname)::regclass) AS last
       FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
      WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY ($1::text[])
        AND a.attnum > 0 AND NOT a.attisdropped
        AND pg_get_serial_sequence(format('public.%I', c.relname), a.attname) IS NOT NULL`,
    [COPIED_TABLES],
  );
  return rows
    .filter(({ last }) => last !== null)
    .map(({ table, column, last }) => ({ table, column, last: Number(last) }));
}

async function readPartitions(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = 'public.events'::regclass ORDER BY 1`,
  );
  return rows.map(({ name }) => name).filter((name) => partitionBounds(name) !== null);
}
