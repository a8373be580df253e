// What can go wrong between sealpost and PostgreSQL, and the one question that mail asks of an error: is the database
// away (a temporary failure), or did we do something wrong?

import { DatabaseUnavailable } from './embedded/unavailable.ts';

/** The database answers, but its tables are not those that this program needs. */
export class DatabaseNotMigrated extends Error {
  override readonly name = 'DatabaseNotMigrated';
  /** The migrations that are missing, oldest first. */
  readonly pending: readonly string[];

  constructor(message: string, pending: readonly string[]) {
    super(message);
    this.pending = pending;
  }
}

/** The database answers, but a newer program has changed its tables: this one does not know what they mean. */
export class DatabaseNewer extends Error {
  override readonly name = 'DatabaseNewer';
}

/** Node's error codes of a connection that was not made, or was lost. */
const NETWORK_CODES: ReadonlySet<string> = new Set([
  'EAGAIN',
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
]);

/** Codes that mean the same only where they come from connect(2): a socket that is not there, or not for us. */
const CONNECT_CODES: ReadonlySet<string> = new Set(['ENOENT', 'EACCES', 'EPERM', 'ENOTSOCK']);

/** SQLSTATE classes (PostgreSQL manual, appendix A): connection, login, no such database, resources, operator, system. */
const SQLSTATE_CLASSES: ReadonlySet<string> = new Set(['08', '28', '3D', '53', '57', '58']);

/** Single SQLSTATEs: lock not available, serialisation failure, deadlock, read-only (a failover), session timeouts, a prepared statement of another session (a pooler). */
const SQLSTATES: ReadonlySet<string> = new Set([
  '55P03',
  '40001',
  '40P01',
  '25006',
  '25P03',
  '25P04',
  '26000',
  '42P05',
]);

/** Errors of `pg` and `pg-pool` that have no code. */
const MESSAGES =
  /^(Connection terminated|timeout expired|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|Client was closed|Cannot use a pool after calling end|The server does not support SSL)/;

/**
 * Tells whether an error means that the database cannot be asked now. Looks through `cause` chains (drizzle wraps what
 * `pg` throws in DrizzleQueryError) and AggregateErrors (one error for each address of a host name).
 */
export function isDatabaseUnavailable(error: unknown): boolean {
  return errorsIn(error).some((each) => each instanceof DatabaseUnavailable || meansUnavailable(each));
}

/** SQLSTATEs with which a server answers questions and takes no rows: read-only, no rights. And classes: room, disk. */
const REFUSED_WRITES: ReadonlySet<unknown> = new Set(['25006', '42501']);
const REFUSED_WRITES_CLASSES: ReadonlySet<unknown> = new Set(['53', '58']);

/** Tells whether an error means that the database cannot be written to now, whoever writes. */
export function refusesWrites(error: unknown): boolean {
  return errorsIn(error).some((each) => {
    const code = (each as { code?: unknown }).code;
    return (
      REFUSED_WRITES.has(code) || (typeof code === 'string' && REFUSED_WRITES_CLASSES.has(code.slice(0, 2)))
    );
  });
}

/** SQLSTATEs of a row that was free, or there, when it was looked for: foreign key violation, unique violation. */
const OVERTAKEN: ReadonlySet<unknown> = new Set(['23503', '23505']);

/** Tells whether another program changed the same rows between our look and our change, which was not made. */
export function isOvertaken(error: unknown): boolean {
  return errorsIn(error).some((each: Error & { code?: unknown }) => OVERTAKEN.has(each.code));
}

/** The SQLSTATEs, and the system's codes, of an error and of everything that it wraps. */
export function errorCodes(error: unknown): readonly string[] {
  return errorsIn(error).flatMap((each: Error & { code?: unknown }) =>
    typeof each.code === 'string' ? [each.code] : [],
  );
}

/** An error with everything that it wraps. */
function errorsIn(error: unknown): readonly Error[] {
  const seen = new Set<Error>();
  const queue: unknown[] = [error];
  for (let current = queue.pop(); current !== undefined; current = queue.pop()) {
    if (!(current instanceof Error) || seen.has(current)) continue;
    seen.add(current);
    queue.push(current.cause);
    if (current instanceof AggregateError) queue.push(...current.errors);
  }
  return [...seen];
}

function meansUnavailable(error: Error & { code?: unknown; syscall?: unknown }): boolean {
  const { code } = error;
  if (typeof code !== 'string') return MESSAGES.test(error.message);
  if (NETWORK_CODES.has(code)) return true;
  if (CONNECT_CODES.has(code)) return error.syscall === 'connect';
  return /^[0-9A-Z]{5}$/.test(code) && (SQLSTATES.has(code) || SQLSTATE_CLASSES.has(code.slice(0, 2)));
}

/** The innermost reason of a wrapped error, for people: drizzle's own message repeats the query and its parameters. */
export function rootReason(error: unknown): string {
  let current: unknown = error;
  for (let depth = 0; depth < 10; depth++) {
    if (current instanceof AggregateError && current.message === '' && current.errors.length > 0) {
      current = current.errors[0];
    } else if (current instanceof Error && current.cause instanceof Error) {
      current = current.cause;
    } else break;
  }
  const text = current instanceof Error ? current.message || current.name : String(current);
  return text.split('\n', 1)[0] ?? text;
}

/**
 * A database URL as it may be shown and logged: without password, and without query parameters, which may hold one.
 * A text that is no URL is not repeated at all.
 */
export function redactUrl(url: string): string {
  if (url.startsWith('embedded:')) return 'embedded:';
  const match =
    /^(postgres(?:ql)?):\/\/(?:([^:@/?#]*)(?::[^@/?#]*)?@)?([^@/?#]*)(\/[^@?#]*)?(?:[?#][^@]*)?$/i.exec(url);
  if (!match) return 'a URL that cannot be read';
  const [, scheme = '', user, host = '', path = ''] = match;
  return `${scheme}://${user ? `${user}@` : ''}${host}${path}`;
}
