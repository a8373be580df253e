// From the configuration to the settings of a PostgreSQL connection: by URL, or to the embedded server's socket.

import pg from 'pg';
import type { Logger } from 'pino';
import type { Config } from '../config/schema.ts';
import { openEmbedded } from './embedded/embedded.ts';
import { DatabaseUnavailable } from './embedded/unavailable.ts';
import { redactUrl, rootReason } from './errors.ts';

/** Where the database is, for as long as it is needed. */
export interface ConnectionTarget {
  /** How a person knows it; no password inside. */
  readonly name: string;
  readonly settings: pg.ClientConfig;
  /** Ends the need: the last user of an embedded server stops it. Never throws. */
  release(): Promise<void>;
}

/** The name of our connections in pg_stat_activity. */
const APPLICATION_NAME = 'sealpost';

/** Beyond the server's own statement_timeout, for a server that no longer answers at all. Milliseconds. */
const READ_TIMEOUT_MARGIN = 500;

/**
 * Finds the database of a configuration; starts it where it is embedded and does not run.
 * @throws DatabaseUnavailable when the embedded server cannot be started
 */
export async function findDatabase(
  config: Config,
  options: { replica?: boolean; logger?: Logger },
): Promise<ConnectionTarget> {
  const { database } = config;
  const common: pg.ClientConfig = {
    application_name: APPLICATION_NAME,
    connectionTimeoutMillis: database.connect_timeout,
    query_timeout: database.query_timeout + READ_TIMEOUT_MARGIN,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  };
  const url = (options.replica ? database.read_url : undefined) ?? database.url;
  if (!url.startsWith('embedded:')) {
    return { name: redactUrl(url), settings: { ...common, connectionString: url }, release: async () => {} };
  }
  const embedded = await openEmbedded(config.state_dir, options.logger);
  return {
    name: `embedded: (${embedded.folder})`,
    settings: { ...common, ...embedded.connection, ssl: false },
    release: () => embedded.release(),
  };
}

/** SQLSTATEs of a prepared statement that another session has, or has not: invalid, and duplicate, statement name. */
const PREPARED_ELSEWHERE: ReadonlySet<unknown> = new Set(['26000', '42P05']);

/**
 * Whether statements go without names. A pooler between us and PostgreSQL that gives every transaction another session
 * (PgBouncer before 1.21) loses prepared ones; the first such error is told to its caller, as temporary.
 */
let unprepared = false;

function isNamed(config: unknown): config is pg.QueryConfig {
  return typeof config === 'object' && config !== null && 'name' in config && config.name !== undefined;
}

/**
 * A client whose connection is closed when a query's reply does not come in time. `pg` itself leaves the query on the
 * connection: a transaction's ROLLBACK would wait behind it, and the pool would hand out a connection that is stuck.
 */
export class DeadlineClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    // A connection lost while it is checked out has no other listener, and an unheard 'error' ends the process.
    this.on('error', () => {});
  }

  // biome-ignore lint/suspicious/noExplicitAny: pg's overloads of query(), passed through as they are
  override query(...args: any[]): any {
    // biome-ignore lint/suspicious/noExplicitAny: see above
    const plain = super.query as (...args: any[]) => any;
    if (unprepared && isNamed(args[0])) args[0] = { ...args[0], name: undefined };
    const last = args.at(-1);
    if (typeof last === 'function') {
      const callback = last as (error: unknown, result: unknown) => void;
      return plain.call(this, ...args.slice(0, -1), (error: unknown, result: unknown) => {
        this.#learnFrom(error);
        callback(error, result);
      });
    }
    const result = plain.apply(this, args);
    if (!(result instanceof Promise)) return result;
    return result.catch((error: unknown) => {
      this.#learnFrom(error);
      throw error;
    });
  }

  #learnFrom(error: unknown): void {
    if (PREPARED_ELSEWHERE.has((error as { code?: unknown } | undefined)?.code)) unprepared = true;
    if (error instanceof Error && error.message === 'Query read timeout') this.destroy();
  }

  /** Drops the connection at once, for a server that would not take part in an orderly end. */
  destroy(): void {
    (this as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  }
}

/** The sentence for a database that could not be opened. */
export function unavailable(
  target: { name: string },
  error: unknown,
  connectTimeout: number,
): DatabaseUnavailable {
  const code = (error as { code?: unknown }).code;
  const reason = rootReason(error);
  let found: string;
  let help = 'check database.url in sealpost.toml, and that PostgreSQL runs there';
  if (code === 'ETIMEDOUT' || (error instanceof Error && /timeout/.test(error.message))) {
    found = `did not answer within ${connectTimeout / 1000} s`;
  } else if (code === '3D000') {
    found = `does not exist: ${reason}`;
    help = 'create it (createdb), then run `sealpost migrate`';
  } else if (typeof code === 'string' && code.startsWith('28')) {
    found = `refused the login: ${reason}`;
    help = 'check user and password of database.url, and pg_hba.conf of the server';
  } else {
    found = `cannot be reached: ${reason}`;
  }
  return new DatabaseUnavailable(`the database at ${target.name} ${found}; ${help}`, { cause: error });
}
