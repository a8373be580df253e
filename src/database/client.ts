// A client of PostgreSQL that leads to one server of several, knows what that server says of its role, and gives up a connection
// that does not answer in time; and the two ways to one that serves: by a pool, and alone.
import { connect } from 'node:net';
import pg from 'pg';
import { DatabaseUnavailable } from './embedded/unavailable.ts';
import { errorCodes, isDatabaseUnavailable, rootReason } from './errors.ts';
import { type Candidate, type Hosts, type RoleFacts, whyNot } from './hosts.ts';

/** Settings of a connection to whichever of the servers has its turn. */
export type HostConfig = pg.ClientConfig & { readonly hosts?: Hosts };

/** No server of several serves. */
export class NoServer extends DatabaseUnavailable {}

const NOT_REPLICATED =
  'the synchronous standby does not answer: what was written is on this server alone (synchronous_standby_names)';

/** Errors that are a server's own, so that another one may be tried; with what to say of it. */
const refusals = new WeakMap<Error, string>();

/** How long a request to cancel may take. Milliseconds. */
const CANCEL_MS = 2000;

interface Inner {
  readonly host: string;
  readonly port: number;
  readonly processID: number | null;
  readonly secretKey: number | null;
  readonly connection: {
    readonly stream: { destroy(): void };
    on(
      event: 'parameterStatus',
      listener: (message: { parameterName: string; parameterValue: string }) => void,
    ): void;
    on(event: 'notice', listener: (message: { routine?: string }) => void): void;
  };
}

/** SQLSTATE classes of a login that is refused, and of a database that is not there: libpq asks no other server then. */
function isLoginRefused(error: unknown): boolean {
  return errorCodes(error).some((code) => /^(?:28|3D)[0-9A-Z]{3}$/.test(code));
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
  readonly #hosts: Hosts | undefined;
  readonly #candidate: Candidate | undefined;
  readonly #facts: { standby?: boolean; readOnly?: boolean } = {};
  /** The statement under way was committed, and no standby has confirmed it within the statement's deadline. */
  #unreplicated = false;
  /** Behind a pooler the session is shared: what each transaction begins with, in place of what the session would keep. */
  settings: string | null = null;

  constructor({ hosts, ...config }: HostConfig = {}) {
    const candidate = hosts?.next();
    super({
      ...config,
      ...candidate?.settings(),
      ...(hosts === undefined ? {} : { connectionTimeoutMillis: hosts.patience }),
    });
    this.#hosts = hosts;
    this.#candidate = candidate;
    // A connection lost while it is checked out has no other listener, and an unheard 'error' ends the process.
    this.on('error', () => {});
    const { connection } = this as unknown as Inner;
    connection.on('parameterStatus', ({ parameterName: name, parameterValue: value }) => {
      if (name === 'in_hot_standby') this.#facts.standby = value === 'on';
      if (name === 'default_transaction_read_only') this.#facts.readOnly = value === 'on';
    });
    // PostgreSQL's warning that a COMMIT counts here alone has no SQLSTATE of its own, and its text is translated.
    connection.on('notice', ({ routine }) => {
      if (routine === 'SyncRepWaitForLSN') this.#unreplicated = true;
    });
  }

  /** Why the server is of no use, as far as it has told; null: nothing is known against it. */
  misfit(facts: RoleFacts = this.#facts): string | null {
    return this.#candidate === undefined ? null : whyNot(this.#candidate.needed, facts);
  }

  /** What the backend calls itself to us; a pooler tells every client a number of its own. 0: nothing was told. */
  get told(): number {
    return (this as unknown as Inner).processID ?? 0;
  }

  /** Notes that this server is of no use: the next connection tries another one first. @returns the error that says so */
  refuse<E extends Error>(error: E): E {
    if (this.#candidate === undefined) return error;
    this.#hosts?.failed(this.#candidate);
    refusals.set(error, `${this.#candidate.name}: ${rootReason(error)}`);
    return error;
  }

  override connect(): Promise<this>;
  override connect(callback: (error: Error | null) => void): void;
  override connect(callback?: (error: Error | null) => void): Promise<this> | undefined {
    if (callback === undefined)
      return new Promise((resolve, reject) => {
        this.connect((error) => (error ? reject(error) : resolve(this)));
      });
    super.connect((error: Error | null | undefined) => {
      const found = error ?? this.#refusalOfRole();
      if (!found) {
        if (this.#candidate !== undefined) this.#hosts?.succeeded(this.#candidate);
        return callback(null);
      }
      if (error === null || error === undefined) this.end().catch(() => undefined);
      callback(isDatabaseUnavailable(found) && !isLoginRefused(found) ? this.refuse(found) : found);
    });
    return undefined;
  }

  #refusalOfRole(): DatabaseUnavailable | null {
    const reason = this.misfit();
    return reason === null ? null : new DatabaseUnavailable(reason);
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
        callback(error || this.#notReplicated(), result);
      });
    }
    const result = plain.apply(this, args);
    if (!(result instanceof Promise)) return result;
    return result.then(
      (value: unknown) => {
        const error = this.#notReplicated();
        if (error !== null) throw error;
        return value;
      },
      (error: unknown) => {
        this.#learnFrom(error);
        throw error;
      },
    );
  }

  /** Asks a named statement past what was learnt of names: to find out whether they are kept. */
  probe(config: pg.QueryConfig): Promise<pg.QueryResult> {
    return super.query(config);
  }

  /** Counts once, for the statement that it belongs to. */
  #notReplicated(): DatabaseUnavailable | null {
    if (!this.#unreplicated) return null;
    this.#unreplicated = false;
    return new DatabaseUnavailable(NOT_REPLICATED);
  }

  #learnFrom(error: unknown): void {
    if (PREPARED_ELSEWHERE.has((error as { code?: unknown } | undefined)?.code)) unprepared = true;
    if (error instanceof Error && error.message === 'Query read timeout') {
      this.#cancelAtServer();
      this.destroy();
    }
  }

  /**
   * Asks the server to end what it does for this connection: a COMMIT that waits for a synchronous standby would hold its backend
   * for ever, and soon all of them. As libpq does (PostgreSQL manual, "Canceling Requests in Progress"), without TLS.
   */
  #cancelAtServer(): void {
    const { host, port, processID, secretKey } = this as unknown as Inner;
    if (typeof processID !== 'number' || typeof secretKey !== 'number') return;
    const request = Buffer.alloc(16);
    for (const [index, word] of [16, 80_877_102, processID, secretKey].entries())
      request.writeInt32BE(word, index * 4);
    const socket = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
    socket.on('error', () => undefined);
    socket.setTimeout(CANCEL_MS, () => socket.destroy());
    socket.unref();
    socket.end(request);
  }

  /** Drops the connection at once, for a server that would not take part in an orderly end. */
  destroy(): void {
    (this as unknown as Inner).connection.stream.destroy();
  }
}

/** What a server is refused for; undefined: the error is none of a server's own. */
function refusalOf(error: unknown): string | undefined {
  for (let each: unknown = error; each instanceof Error; each = each.cause) {
    const found = refusals.get(each);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The error after so many attempts: where all told the same, the last one; else what each told. */
function failureOf(error: Error, told: readonly string[]): Error {
  const different = new Set(told);
  return different.size < 2 ? error : new NoServer([...different].join('; '));
}

/** A pool whose new connections try one server after the other. */
export class WalkingPool extends pg.Pool {
  readonly #attempts: number;

  constructor(config: HostConfig & pg.PoolConfig) {
    super({ ...config, Client: DeadlineClient as NonNullable<pg.PoolConfig['Client']> });
    this.#attempts = config.hosts?.count ?? 1;
    // What a server told of its role while it was asked counts from now on.
    this.on('release', (_error, client) => {
      if (client instanceof DeadlineClient && client.misfit() !== null) client.end().catch(() => undefined);
    });
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(callback: PoolCallback): void;
  override connect(callback?: PoolCallback): Promise<pg.PoolClient> | undefined {
    if (callback !== undefined) {
      this.#walk(callback, []);
      return undefined;
    }
    return new Promise((resolve, reject) => {
      this.#walk((error, client) => {
        if (client === undefined) reject(error);
        else resolve(client);
      }, []);
    });
  }

  #walk(callback: PoolCallback, told: readonly string[]): void {
    super.connect((error, client, done) => {
      if (error === undefined || error === null) return callback(undefined, client, done);
      const refusal = refusalOf(error);
      const all = refusal === undefined ? told : [...told, refusal];
      if (refusal !== undefined && all.length < this.#attempts && !this.ending)
        return this.#walk(callback, all);
      callback(failureOf(error, all), undefined, done);
    });
  }
}

type PoolCallback = (
  error: Error | undefined,
  client: pg.PoolClient | undefined,
  done: (release?: Error | boolean) => void,
) => void;

/**
 * Opens one connection, to the first server that serves.
 * @param settings of a ConnectionTarget
 * @param prepare is told of each client before it connects
 * @throws what `pg` throws, or NoServer where several were tried
 */
export async function connectClient(
  settings: HostConfig,
  prepare: (client: DeadlineClient) => void = () => undefined,
): Promise<DeadlineClient> {
  const told: string[] = [];
  for (;;) {
    const client = new DeadlineClient(settings);
    prepare(client);
    try {
      await client.connect();
      return client;
    } catch (error) {
      client.destroy();
      const refusal = refusalOf(error);
      if (refusal !== undefined) told.push(refusal);
      if (refusal === undefined || told.length >= (settings.hosts?.count ?? 1))
        throw error instanceof Error ? failureOf(error, told) : error;
    }
  }
}
