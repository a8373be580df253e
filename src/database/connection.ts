// From the configuration to the settings of a PostgreSQL connection: by URL, or to the embedded server's socket.

import type pg from 'pg';
import type { Logger } from 'pino';
import { readDatabaseUrl } from '../config/database-url.ts';
import type { Config } from '../config/schema.ts';
import { type HostConfig, NoServer } from './client.ts';
import { openEmbedded } from './embedded/embedded.ts';
import { DatabaseUnavailable } from './embedded/unavailable.ts';
import { redactUrl, rootReason } from './errors.ts';
import { OtherServer } from './fence.ts';
import { createHosts, neededRoles, serversOf } from './hosts.ts';

/** Where the database is, for as long as it is needed. */
export interface ConnectionTarget {
  /** How a person knows it; no password inside. */
  readonly name: string;
  /** Each client that is made of them leads to the server whose turn it is. */
  readonly settings: HostConfig;
  /** Ends the need: the last user of an embedded server stops it. Never throws. */
  release(): Promise<void>;
}

/** The name of our connections in pg_stat_activity. */
const APPLICATION_NAME = 'sealpost';

/** Beyond the server's own statement_timeout, for a server that no longer answers at all. Milliseconds. */
const READ_TIMEOUT_MARGIN = 500;

export interface FindOptions {
  /** true: database.read_url where it is set. */
  readonly replica?: boolean;
  /** true: database.listen_url where it is set. */
  readonly listening?: boolean;
  /** true: also a server that takes no writes, where none does. */
  readonly anyRole?: boolean;
  readonly logger?: Logger;
}

/**
 * Finds the database of a configuration; starts it where it is embedded and does not run.
 * @throws DatabaseUnavailable when the embedded server cannot be started
 */
export async function findDatabase(config: Config, options: FindOptions): Promise<ConnectionTarget> {
  const { database } = config;
  const common: pg.ClientConfig = {
    application_name: APPLICATION_NAME,
    connectionTimeoutMillis: database.connect_timeout,
    query_timeout: database.query_timeout + READ_TIMEOUT_MARGIN,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  };
  const replica = options.replica ? database.read_url : undefined;
  const url = replica ?? (options.listening ? database.listen_url : undefined) ?? database.url;
  const patience = database.connect_timeout;
  if (!url.startsWith('embedded:')) {
    const address = readDatabaseUrl(url);
    // The configuration was read by the same function.
    if ('expected' in address) throw new Error(`the URL of the database cannot be read`);
    const use = options.anyRole ? 'look' : replica === undefined ? 'write' : 'read';
    const hosts = createHosts(serversOf(address), {
      needed: neededRoles(address.role, use),
      patience: Math.min(patience, (address.connectTimeout ?? patience) * address.hosts.length),
      balanced: address.balanced,
    });
    return { name: redactUrl(url), settings: { ...common, hosts }, release: async () => {} };
  }
  const embedded = await openEmbedded(config.state_dir, options.logger);
  const own = { ...embedded.connection, ssl: false };
  const needed = options.anyRole ? ('any' as const) : ('write' as const);
  const hosts = createHosts([{ name: 'embedded:', settings: () => own }], { needed: [needed], patience });
  return {
    name: `embedded: (${embedded.folder})`,
    settings: { ...common, ...own, hosts },
    release: () => embedded.release(),
  };
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
  if (
    code === 'ETIMEDOUT' ||
    (error instanceof Error && !(error instanceof NoServer) && /timeout/.test(error.message))
  ) {
    found = `did not answer within ${connectTimeout / 1000} s`;
  } else if (code === '3D000') {
    found = `does not exist: ${reason}`;
    help = 'create it (createdb), then run `sealpost migrate`';
  } else if (typeof code === 'string' && code.startsWith('28')) {
    found = `refused the login: ${reason}`;
    help = 'check user and password of database.url, and pg_hba.conf of the server';
  } else if (error instanceof OtherServer) {
    found = `is not what it was: ${reason}`;
    help = 'let database.url lead to the right server; where it does: sealpost database accept';
  } else if (error instanceof NoServer) {
    found = `has no server that serves: ${reason}`;
    if (/another server than before|an old primary/.test(reason))
      help += '; where it is the right one: sealpost database accept';
  } else {
    found = `cannot be reached: ${reason}`;
  }
  return new DatabaseUnavailable(`the database at ${target.name} ${found}; ${help}`, { cause: error });
}
