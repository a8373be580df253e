// Puts the rows of a backup into an empty database, in one transaction: all of it counts, or nothing. No trigger of ours sees the
// rows come, since what they would write is among the rows already: counts, the audit of keys, letters to be sent.
import { once } from 'node:events';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { messageOf } from '../database/exit.ts';
import { ADVISORY_LOCK, migrateWithin } from '../database/migrate.ts';
import { Refused } from '../host/exit-codes.ts';
import type { DatabaseHead, Manifest } from './format.ts';
import { COPIED_TABLES, OWN_TABLES, partitionBounds } from './tables.ts';

export interface Loader {
  /** Begins the transaction, and makes the tables as the backup had them. @throws Refused where the database is not empty */
  begin(head: DatabaseHead): Promise<void>;
  /** Takes rows as COPY wrote them. */
  write(table: DatabaseHead['tables'][number], bytes: Uint8Array): Promise<void>;
  /** Checks what came, brings the tables to the present, and marks the directory as restored. Nothing counts before {@link commit}. */
  settle(manifest: Manifest): Promise<void>;
  commit(): Promise<void>;
}

type CopyStream = ReturnType<typeof copyFrom> & NodeJS.WritableStream;

interface Trigger {
  readonly table: string;
  readonly name: string;
  readonly enabled: 'O' | 'A' | 'R' | 'D';
}

interface State {
  readonly client: pg.Client;
  head: DatabaseHead | null;
  triggers: readonly Trigger[];
  current: { readonly name: string; readonly stream: CopyStream; readonly done: Promise<unknown> } | null;
}

const BEGIN = `BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;
  SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL client_encoding = 'UTF8'`;

/** Versions that the directory is ahead of the backup: whoever knows one of the old place takes everything for changed. */
const VERSIONS_AHEAD = 1_000_000;
/** User ids that may have been given out since the backup: they name mailboxes, which nobody else must get. */
const USER_IDS_AHEAD = 1000;
/** The same for the numbers of the queue: a client goes on behind the highest that it has seen. */
const NUMBERS_AHEAD = 1_000_000;

/** What a restore that was cut off after its commit leaves to a person. */
export const FILES_LEFT =
  'mail of the spool lies in tmp/ of it as restored.NAME, for new/ without that prefix, and the rest is in the backup (tar -xf)';

export function createLoader(client: pg.Client): Loader {
  const state: State = { client, head: null, triggers: [], current: null };
  return {
    begin: (head) => begin(state, head),
    write: (table, bytes) => write(state, table, bytes),
    settle: (manifest) => settle(state, manifest),
    async commit() {
      const { command } = await client.query('COMMIT');
      if (command !== 'COMMIT') throw new Error('the database took nothing of it');
    },
  };
}

async function begin(state: State, head: DatabaseHead): Promise<void> {
  const { client } = state;
  await client.query(BEGIN);
  // Two that restore, or migrate, take turns.
  await client.query(`SELECT pg_advisory_xact_lock(${ADVISORY_LOCK})`);
  await refuseOccupied(client, head.migrations);
  await migrateWithin(client, head.migrations);
  for (const partition of head.partitions) await makePartition(client, partition);
  state.triggers = await ownTriggers(client);
  for (const table of new Set(state.triggers.map((trigger) => trigger.table)))
    await client.query(`ALTER TABLE public.${pg.escapeIdentifier(table)} DISABLE TRIGGER USER`);
  state.head = head;
}

/** Empty: without tables, or with the same ones and no row, as `sealpost init` leaves them. */
async function refuseOccupied(client: pg.Client, migrations: readonly number[]): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class
      WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname = ANY ($1::text[])`,
    [[...COPIED_TABLES, ...OWN_TABLES]],
  );
  if (rows.length === 0) return;
  for (const name of COPIED_TABLES.filter((table) => rows.some(({ name: found }) => found === table))) {
    const { rowCount } = await client.query(`SELECT FROM public.${pg.escapeIdentifier(name)} LIMIT 1`);
    if ((rowCount ?? 0) > 0)
      throw new Refused(
        `the database is not empty: its table ${name} has rows; a backup is restored into an empty one only (createdb NAME), and --database-url names it${await afterAnEarlierRestore(client)}`,
      );
  }
  const applied = await client
    .query<{ made_at: string }>('SELECT created_at AS made_at FROM public.sealpost_migrations')
    .catch(() => ({ rows: [] }));
  const same =
    applied.rows.length === migrations.length &&
    applied.rows.every(({ made_at }) => migrations.includes(Number(made_at)));
  if (!same)
    throw new Refused(
      'the database has empty tables of another version than the backup; give one without tables (createdb NAME, or another state_dir)',
    );
}

/** Where a restore came this far and was killed: its rows are here, its files may not be. */
async function afterAnEarlierRestore(client: pg.Client): Promise<string> {
  // Tables of an older version have no such column.
  const { rows } = await client
    .query<{ from: string | null }>(
      `SELECT to_jsonb(directory_version) ->> 'restored_from' AS "from" FROM public.directory_version`,
    )
    .catch(() => ({ rows: [] }));
  const from = rows[0]?.from ?? null;
  return from === null
    ? ''
    : `. It was restored before, from a backup of ${from}, and is not accepted yet; if that restore did not come to its end, ${FILES_LEFT}`;
}

async function makePartition(client: pg.Client, name: string): Promise<void> {
  const bounds = partitionBounds(name);
  if (bounds === null) throw new Refused(`the backup names a partition that is none: ${name}`);
  await client.query(
    `CREATE TABLE IF NOT EXISTS public.${pg.escapeIdentifier(name)} PARTITION OF public.events
       FOR VALUES FROM ('${bounds.from}') TO ('${bounds.until}')`,
  );
}

async function ownTriggers(client: pg.Client): Promise<readonly Trigger[]> {
  const { rows } = await client.query<Trigger>(
    `SELECT c.relname AS "table", t.tgname AS name, t.tgenabled AS enabled
       FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
      WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace AND c.relname = ANY ($1::text[])`,
    [[...COPIED_TABLES, ...OWN_TABLES]],
  );
  return rows;
}

async function write(state: State, table: DatabaseHead['tables'][number], bytes: Uint8Array): Promise<void> {
  if (state.current?.name !== table.name) {
    await endTable(state);
    state.current = beginTable(state, table);
  }
  const { stream, done } = state.current;
  if (!stream.write(bytes)) await Promise.race([once(stream, 'drain'), done]);
}

function beginTable({ client }: State, { name, columns }: DatabaseHead['tables'][number]) {
  const list = columns.map((column) => pg.escapeIdentifier(column)).join(', ');
  const stream = client.query(
    copyFrom(`COPY public.${pg.escapeIdentifier(name)} (${list}) FROM STDIN`),
  ) as unknown as CopyStream;
  const done = new Promise((resolve, reject) => {
    stream.on('finish', resolve);
    stream.on('error', reject);
  });
  done.catch(() => undefined);
  return { name, stream, done };
}

async function endTable(state: State): Promise<void> {
  if (state.current === null) return;
  const { name, stream, done } = state.current;
  state.current = null;
  stream.end();
  await done.catch((error: unknown) => {
    throw new Refused(`the database does not take the rows of ${name}: ${messageOf(error)}`, {
      cause: error,
    });
  });
}

async function settle(state: State, manifest: Manifest): Promise<void> {
  const { client, head } = state;
  await endTable(state);
  if (head === null) throw new Error('nothing was begun');
  for (const { name } of head.tables) await compareCount(client, name, manifest.rows[name] ?? 0);
  await setSequences(client, head);
  for (const trigger of state.triggers) await enable(client, trigger);
  await migrateWithin(client);
  await partWithThePast(client);
  await client.query(
    `UPDATE public.directory_version
        SET version = $1, floor = $1, stamp = gen_random_uuid(), restored_from = $2, restored_at = now()`,
    [head.directory_version + VERSIONS_AHEAD, head.taken_at],
  );
}

async function compareCount(client: pg.Client, table: string, wanted: number): Promise<void> {
  const { rows } = await client.query<{ n: string }>(
    `SELECT count(*) AS n FROM public.${pg.escapeIdentifier(table)}`,
  );
  if (Number(rows[0]?.n) !== wanted)
    throw new Refused(`table ${table} has ${rows[0]?.n} rows after the restore, expected ${wanted}`);
}

async function setSequences(client: pg.Client, { sequences }: DatabaseHead): Promise<void> {
  for (const { table, column, last } of sequences) {
    const ahead = table === 'users' && column === 'id' ? USER_IDS_AHEAD : 0;
    await client.query(`SELECT setval(pg_get_serial_sequence(format('public.%I', $1::text), $2), $3)`, [
      table,
      column,
      last + ahead,
    ]);
  }
}

async function enable(client: pg.Client, { table, name, enabled }: Trigger): Promise<void> {
  const how = { O: 'ENABLE', A: 'ENABLE ALWAYS', R: 'ENABLE REPLICA', D: null }[enabled];
  if (how === null) return;
  await client.query(
    `ALTER TABLE public.${pg.escapeIdentifier(table)} ${how} TRIGGER ${pg.escapeIdentifier(name)}`,
  );
}

/**
 * What must not count as it did: who was signed in signs in again, a link to sign in may have been used since, and numbers that
 * were given out since the backup are not given out again. In the tables of the present, which an older backup may lack.
 */
async function partWithThePast(client: pg.Client): Promise<void> {
  await client.query('DELETE FROM public.portal_sessions');
  await client.query(`DELETE FROM public.enrolment_tokens WHERE action = 'sign-in'`);
  // Transactions count anew here: a later one must not find that it has noted its change already.
  await client.query(`UPDATE public.reader_changes SET transaction = 'restored ' || transaction`);
  await client.query(`UPDATE public.incoming_counts SET last_number = last_number + ${NUMBERS_AHEAD}`);
}
