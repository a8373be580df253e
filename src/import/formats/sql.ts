// The database of another program, read live: MariaDB and MySQL (mysql2), PostgreSQL (pg), SQLite (sqlite3(1)). Reads in one
// snapshot and writes nothing.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import pg from 'pg';
import { SourceAway, SourceRefused } from './rows.ts';

export type SqlRow = Readonly<Record<string, unknown>>;

export interface Sql {
  /** The columns of a table; none: there is no such table. */
  columns(table: string): Promise<ReadonlySet<string>>;
  /** @param values of `?` in the text, in order */
  query(text: string, values: readonly string[]): Promise<readonly SqlRow[]>;
  close(): Promise<void>;
}

export interface Dsn {
  readonly kind: 'mysql' | 'postgres' | 'sqlite';
  /** Where the database is, without user and password. */
  readonly name: string;
  open(): Promise<Sql>;
}

/** To connect, and for one query of the source. Milliseconds. */
const CONNECT_MS = 10_000;
const QUERY_MS = 60_000;

/** What SQLAlchemy, which Lacre's DSN is for, puts behind the scheme: `mysql+mysqldb://`. */
const DRIVER = /^([a-z]+)\+[a-z0-9_]+:/i;

/**
 * Reads a DSN: `mysql://user:password@host/database` (`?socket=/path`), `postgres://...`, `sqlite:////absolute/path`.
 * @throws SourceRefused on any other; the text is not repeated, since it has a password
 */
export function readDsn(text: string): Dsn {
  const plain = text.trim().replace(DRIVER, '$1:');
  const path = /^sqlite:\/\/\/(.+)$/i.exec(plain)?.[1];
  if (path !== undefined) return { kind: 'sqlite', name: `sqlite:///${path}`, open: () => openSqlite(path) };
  const url = URL.canParse(plain) ? new URL(plain) : null;
  const scheme = url?.protocol.replace(/:$/, '').toLowerCase();
  if (url === null || url.pathname.length < 2) throw new SourceRefused(EXPECTED);
  const name = (shown: string): string =>
    `${shown}://${url.searchParams.get('socket') ?? url.host}${url.pathname}`;
  if (scheme === 'mysql' || scheme === 'mariadb')
    return { kind: 'mysql', name: name('mysql'), open: () => openMysql(url) };
  if (scheme === 'postgres' || scheme === 'postgresql' || scheme === 'pgsql') {
    url.protocol = 'postgres:';
    return {
      kind: 'postgres',
      name: name('postgres'),
      open: () => openPostgres(plain.replace(/^[a-z]+:/i, 'postgres:')),
    };
  }
  throw new SourceRefused(EXPECTED);
}

const EXPECTED =
  'expected a DSN such as mysql://user:password@127.0.0.1/postfix, postgres://user@/postfix?host=/run/postgresql or sqlite:////var/lib/lacre/lacre.db';

async function openMysql(url: URL): Promise<Sql> {
  // By its default: bundled, a package in CommonJS has no other names.
  const { default: mysql } = await import('mysql2/promise');
  const socketPath = url.searchParams.get('socket') ?? undefined;
  const connection = await mysql
    .createConnection({
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      database: decodeURIComponent(url.pathname.slice(1)),
      ...(socketPath === undefined
        ? { host: url.hostname, port: url.port === '' ? 3306 : Number(url.port) }
        : { socketPath }),
      connectTimeout: CONNECT_MS,
      supportBigNumbers: true,
      charset: 'utf8mb4',
    })
    .catch((error: unknown) => {
      throw asFailure(error);
    });
  // Unheard, the event of a connection that breaks between two queries ends the process.
  connection.on('error', () => undefined);
  const query = async (sql: string, values: readonly string[]): Promise<readonly SqlRow[]> => {
    try {
      const [rows] = await connection.query({ sql, values: [...values], timeout: QUERY_MS });
      return rows as SqlRow[];
    } catch (error) {
      throw asFailure(error);
    }
  };
  await query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY', []);
  return {
    query,
    columns: async (table) =>
      namesOf(
        await query(
          'SELECT column_name AS name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ?',
          [table],
        ),
      ),
    close: async () => connection.destroy(),
  };
}

async function openPostgres(url: string): Promise<Sql> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: QUERY_MS,
  });
  client.on('error', () => undefined);
  const query = async (text: string, values: readonly string[]): Promise<readonly SqlRow[]> => {
    let number = 0;
    try {
      const { rows } = await client.query<SqlRow>(
        text.replaceAll('?', () => `$${++number}`),
        [...values],
      );
      return rows;
    } catch (error) {
      throw asFailure(error);
    }
  };
  try {
    await client.connect();
  } catch (error) {
    throw asFailure(error);
  }
  await query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', []);
  return {
    query,
    columns: async (table) =>
      namesOf(
        await query(
          'SELECT column_name AS name FROM information_schema.columns WHERE table_schema = ANY (current_schemas(false)) AND table_name = ?',
          [table],
        ),
      ),
    close: async () => {
      await client.end().catch(() => undefined);
    },
  };
}

/** How much one query of sqlite3(1) may give. Bytes: a page of keys. */
const SQLITE_OUTPUT = 512 * 1024 * 1024;

async function openSqlite(path: string): Promise<Sql> {
  if (!existsSync(path)) throw new SourceRefused(`${path} is not there`);
  const query = async (text: string, values: readonly string[]): Promise<readonly SqlRow[]> => {
    let number = 0;
    const sql = text.replaceAll('?', () => `'${(values[number++] ?? '').replaceAll("'", "''")}'`);
    try {
      const { stdout } = await promisify(execFile)('sqlite3', ['-readonly', '-json', path, sql], {
        maxBuffer: SQLITE_OUTPUT,
        timeout: QUERY_MS,
      });
      return stdout.trim() === '' ? [] : (JSON.parse(stdout) as SqlRow[]);
    } catch (error) {
      throw sqliteFailure(path, error);
    }
  };
  return {
    query,
    columns: async (table) => namesOf(await query(`SELECT name FROM pragma_table_info(?)`, [table])),
    close: async () => undefined,
  };
}

function sqliteFailure(path: string, error: unknown): Error {
  const { code, stderr } = error as { readonly code?: unknown; readonly stderr?: unknown };
  if (code === 'ENOENT')
    return new SourceRefused(
      'sqlite3 is not installed, and the database is SQLite; "apt-get install sqlite3"',
    );
  const said = typeof stderr === 'string' ? stderr.trim().split('\n').at(-1) : undefined;
  const sentence = `${path}: ${said || (error instanceof Error ? error.message.split('\n')[0] : String(error))}`;
  return /locked|busy/i.test(sentence) ? new SourceAway(sentence) : new SourceRefused(sentence);
}

function namesOf(rows: readonly SqlRow[]): ReadonlySet<string> {
  // MySQL 8 names the columns of information_schema in capitals.
  return new Set(rows.map((row) => String(row.name ?? row.NAME)));
}

/** What will not be otherwise by waiting: a password, a name, a right. */
const REFUSED_BY_MYSQL =
  /^ER_(?:ACCESS_DENIED|DBACCESS_DENIED|BAD_DB|NO_SUCH_TABLE|BAD_FIELD|TABLEACCESS_DENIED|PARSE)/;
const REFUSED_BY_POSTGRES = /^(?:28|3D|42)/;

/** The error in words; the DSN, which has a password, is in none of them. */
function asFailure(error: unknown): Error {
  if (error instanceof SourceAway || error instanceof SourceRefused) return error;
  const { code } = error as { readonly code?: unknown };
  const name = typeof code === 'string' ? code : '';
  const message = error instanceof Error ? error.message || name || error.name : String(error);
  const sentence = `the source's database: ${message.split('\n')[0]}`;
  const isFinal =
    REFUSED_BY_MYSQL.test(name) || (/^[0-9A-Z]{5}$/.test(name) && REFUSED_BY_POSTGRES.test(name));
  return isFinal ? new SourceRefused(sentence) : new SourceAway(sentence);
}

/** How many rows are asked for at once. */
const PAGE = 2000;

/**
 * All rows of a query in the order of its key, page by page.
 * @param text with `?` for the key that the last page ended with, and without LIMIT
 * @param first what is before every key: '' of texts, '0' of numbers
 */
export async function* pagesOf(sql: Sql, text: string, key: string, first = ''): AsyncGenerator<SqlRow> {
  let after = first;
  for (;;) {
    const rows = await sql.query(`${text} LIMIT ${PAGE}`, [after]);
    yield* rows;
    const last = rows.at(-1)?.[key];
    if (last === undefined || rows.length < PAGE) return;
    after = String(last);
  }
}

/** Refuses a schema that lacks what is read. @throws SourceRefused */
export async function requireColumns(
  sql: Sql,
  program: string,
  tables: Readonly<Record<string, readonly string[]>>,
): Promise<void> {
  for (const [table, wanted] of Object.entries(tables)) {
    const columns = await sql.columns(table);
    if (columns.size === 0)
      throw new SourceRefused(`the schema is not known: it is no ${program}, there is no table ${table}`);
    const missing = wanted.filter((name) => !columns.has(name));
    if (missing.length > 0)
      throw new SourceRefused(
        `the schema is not known: the table ${table} of ${program} lacks the ${missing.length === 1 ? 'column' : 'columns'} ${missing.join(', ')}`,
      );
  }
}

export function textOf(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  return value === null || value === undefined ? '' : String(value);
}

/** A flag as the databases have it: tinyint, boolean, or text. */
export function isOn(value: unknown): boolean {
  return value === true || ['1', 't', 'true', '2'].includes(textOf(value));
}
