// A PostgreSQL URL as libpq reads it (PostgreSQL manual, "Connection URIs" and "Specifying Multiple Hosts"): several hosts, their
// ports, the role that a server must have. Pure. What libpq would heed and this program cannot is an error, never ignored.

/** One server to try. What is missing is PostgreSQL's own default. */
export interface DatabaseHost {
  /** A name, an IP address, or the folder of a unix socket. */
  readonly host?: string;
  /** The IP address to connect to in place of the name, which the certificate is still for. */
  readonly address?: string;
  readonly port?: number;
}

export const SESSION_ATTRIBUTES = [
  'any',
  'read-write',
  'read-only',
  'primary',
  'standby',
  'prefer-standby',
] as const;

/** libpq's target_session_attrs. */
export type SessionAttributes = (typeof SESSION_ATTRIBUTES)[number];

export interface TlsWishes {
  /** `ssl=` or `sslmode=`; undefined: neither, so TLS only where a certificate or an authority is named. */
  readonly mode?: string;
  /** Files. */
  readonly cert?: string;
  readonly key?: string;
  readonly authorities?: string;
  /** sslnegotiation=direct */
  readonly direct: boolean;
  /** uselibpqcompat=true: `require` and `prefer` do not look at the certificate. */
  readonly asLibpq: boolean;
  /** Such as TLSv1.2. */
  readonly minVersion?: string;
}

/** What the session begins with. */
export interface SessionWishes {
  readonly application_name?: string;
  readonly options?: string;
  readonly lock_timeout?: number;
  readonly idle_in_transaction_session_timeout?: number;
  readonly keepAlive?: boolean;
  readonly keepAliveInitialDelayMillis?: number;
}

export interface DatabaseAddress {
  /** In the order in which they are tried; at least one. */
  readonly hosts: readonly [DatabaseHost, ...DatabaseHost[]];
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  readonly role: SessionAttributes | undefined;
  /** The order is drawn anew for each connection. */
  readonly balanced: boolean;
  /** For one host. Milliseconds; undefined: nothing is said of it. */
  readonly connectTimeout?: number;
  readonly tls: TlsWishes;
  readonly session: SessionWishes;
}

/** What is wrong with a URL, after the word "expected". Holds nothing that could be part of a password. */
export interface UrlProblem {
  /** null: it has not the form of one, or signs that must be escaped. */
  readonly expected: string | null;
}

const NO_URL: UrlProblem = { expected: null };

/** More than anybody has; what is written beyond is a mistake. */
const MOST_HOSTS = 32;

const TLS_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'] as const;

const WHOLE_NUMBER = /^-?\d{1,9}$/;

type Check = (value: string) => string | null;

const oneOf =
  (...values: readonly string[]): Check =>
  (value) =>
    values.includes(value) ? null : values.map((each) => `"${each}"`).join(' or ');
const number: Check = (value) => (WHOLE_NUMBER.test(value) ? null : 'a whole number');
const text: Check = () => null;
const filled: Check = (value) => (value === '' ? 'a text that is not empty' : null);

/** Every parameter that is heeded, and which values it may have. */
const PARAMETERS: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['host', text],
  ['hostaddr', text],
  ['port', text],
  ['user', text],
  ['password', text],
  ['dbname', text],
  ['connect_timeout', number],
  ['target_session_attrs', oneOf(...SESSION_ATTRIBUTES)],
  ['load_balance_hosts', oneOf('disable', 'random')],
  ['application_name', text],
  ['fallback_application_name', text],
  ['options', text],
  // The only encoding that the tables and we speak.
  ['client_encoding', oneOf('utf8', 'UTF8', 'utf-8', 'UTF-8', 'auto')],
  ['lock_timeout', number],
  ['idle_in_transaction_session_timeout', number],
  ['keepalives', oneOf('0', '1')],
  ['keepalives_idle', number],
  ['sslmode', oneOf(...TLS_MODES)],
  ['ssl', oneOf('true', 'false', '1', '0', 'no-verify')],
  ['sslcert', filled],
  ['sslkey', filled],
  ['sslrootcert', filled],
  ['sslnegotiation', oneOf('postgres', 'direct')],
  ['ssl_min_protocol_version', oneOf('TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3')],
  ['uselibpqcompat', oneOf('true', 'false')],
  // Without Kerberos and without a demand for it, libpq goes on without; so do we.
  ['gssencmode', oneOf('disable', 'prefer')],
  ['channel_binding', oneOf('disable', 'prefer')],
]);

/** What other keys of the configuration are for. */
const INSTEAD: ReadonlyMap<string, string> = new Map([
  ['statement_timeout', 'database.query_timeout'],
  ['query_timeout', 'database.query_timeout'],
]);

/** Reads a URL. Linear in its length. */
export function readDatabaseUrl(url: string): DatabaseAddress | UrlProblem {
  const parts = /^postgres(?:ql)?:\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(withStrayPercents(url));
  if (parts === null) return NO_URL;
  const [, authority = '', path = '', query = ''] = parts;
  const at = authority.lastIndexOf('@');
  const login = at === -1 ? '' : authority.slice(0, at);
  if (path.includes('@')) return NO_URL;
  const given = readParameters(query);
  if ('expected' in given) return given;
  const hosts = readHosts(authority.slice(at + 1), given);
  if ('expected' in hosts) return hosts;
  const colon = login.indexOf(':');
  const name = decoded(colon === -1 ? login : login.slice(0, colon));
  const password = decoded(colon === -1 ? '' : login.slice(colon + 1));
  const database = decoded(path);
  if (name === null || password === null || database === null) return NO_URL;
  return {
    hosts,
    ...present({
      user: given.get('user') || name,
      password: given.get('password') || password,
      database: given.get('dbname') || database,
    }),
    role: given.get('target_session_attrs') as SessionAttributes | undefined,
    balanced: given.get('load_balance_hosts') === 'random',
    ...connectTimeoutOf(given.get('connect_timeout')),
    tls: tlsOf(given),
    session: sessionOf(given),
  };
}

/** A "%" that begins no escape stands for itself, as `pg` has always read it. */
function withStrayPercents(url: string): string {
  return url.replace(/%(?![\da-f]{2})/gi, '%25');
}

function decoded(part: string): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

/** Without what is empty. */
function present<K extends string>(values: Record<K, string | undefined>): { readonly [P in K]?: string } {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined && value !== ''),
  ) as {
    readonly [P in K]?: string;
  };
}

function readParameters(query: string): ReadonlyMap<string, string> | UrlProblem {
  const given = new Map<string, string>();
  for (const each of query === '' ? [] : query.split('&')) {
    const equals = each.indexOf('=');
    const name = decoded(equals === -1 ? each : each.slice(0, equals));
    const value = decoded(equals === -1 ? '' : each.slice(equals + 1));
    if (name === null || value === null) return NO_URL;
    const check = PARAMETERS.get(name);
    // What looks like a parameter may be the end of a password with a "?" in it.
    if (check === undefined && (query.includes('@') || !/^\w{1,40}$/.test(name))) return NO_URL;
    if (check === undefined) {
      const instead = INSTEAD.get(name);
      const why = instead === undefined ? 'which sealpost does not heed' : `which ${instead} is for`;
      return { expected: `a URL without the parameter "${name}", ${why}` };
    }
    const allowed = check(value);
    if (allowed !== null) return { expected: `a URL whose parameter "${name}" is ${allowed}` };
    given.set(name, value);
  }
  return given;
}

/** `a:5432,[::1]:5433,c`, or host=, hostaddr= and port=, which count in place of it. */
function readHosts(
  authority: string,
  given: ReadonlyMap<string, string>,
): DatabaseAddress['hosts'] | UrlProblem {
  const written = authority.split(',').map(readHost);
  if (written.some((each) => each === null)) return { expected: HOSTS };
  const names = list(given.get('host')) ?? written.map((each) => each?.host ?? '');
  const addresses = list(given.get('hostaddr'));
  const ports =
    list(given.get('port')) ??
    (given.get('host') === undefined ? written.map((each) => each?.port ?? '') : ['']);
  const count = given.get('host') === undefined && authority === '' ? (addresses?.length ?? 1) : names.length;
  if (count > MOST_HOSTS) return { expected: `at most ${MOST_HOSTS} hosts` };
  if (addresses !== undefined && addresses.length !== count)
    return { expected: `as many addresses in "hostaddr" as there are hosts (${count})` };
  if (ports.length !== 1 && ports.length !== count)
    return { expected: `one port for all hosts, or as many as there are hosts (${count})` };
  if (ports.some((port) => port !== '' && !isPort(port))) return { expected: HOSTS };
  if (names.some((name) => name.startsWith('@'))) return { expected: HOSTS };
  const [first, ...rest] = Array.from({ length: count }, (_, index): DatabaseHost => {
    const port = ports.length === 1 ? ports[0] : ports[index];
    return {
      ...present({ host: names[index], address: addresses?.[index] }),
      ...(port === undefined || port === '' ? {} : { port: Number(port) }),
    };
  });
  return [first ?? {}, ...rest];
}

const HOSTS =
  'hosts such as "db1.example.org:5432,db2.example.org" or "[::1]:5432", a unix socket as "%2Frun%2Fpostgresql", and ports from 1 to 65535';

function list(value: string | undefined): readonly string[] | undefined {
  return value === undefined || value === '' ? undefined : value.split(',');
}

function readHost(text: string): { readonly host: string; readonly port: string } | null {
  const match = /^(?:\[([^[\]]*)\]|([^:[\]]*))(?::(.*))?$/.exec(text);
  if (match === null) return null;
  const [, literal, name = '', port = ''] = match;
  const host = decoded(literal ?? name);
  return host === null || (literal !== undefined && !literal.includes(':')) ? null : { host, port };
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;
}

/** Seconds; 0, and less, says nothing, as in libpq. */
function connectTimeoutOf(text: string | undefined): { readonly connectTimeout?: number } {
  const seconds = Number(text ?? 0);
  return seconds > 0 ? { connectTimeout: seconds * 1000 } : {};
}

function tlsOf(given: ReadonlyMap<string, string>): TlsWishes {
  return {
    ...present({
      mode: given.get('sslmode') ?? given.get('ssl'),
      cert: given.get('sslcert'),
      key: given.get('sslkey'),
      authorities: given.get('sslrootcert'),
      minVersion: given.get('ssl_min_protocol_version'),
    }),
    direct: given.get('sslnegotiation') === 'direct',
    asLibpq: given.get('uselibpqcompat') === 'true',
  };
}

function sessionOf(given: ReadonlyMap<string, string>): SessionWishes {
  const numbered = (name: 'lock_timeout' | 'idle_in_transaction_session_timeout') => {
    const value = given.get(name);
    return value === undefined ? {} : { [name]: Number(value) };
  };
  const idle = Number(given.get('keepalives_idle') ?? 0);
  return {
    ...present({
      application_name: given.get('application_name') || given.get('fallback_application_name'),
      // `pg` has always read a "+" here as a blank; no option needs one.
      options: given.get('options')?.replaceAll('+', ' '),
    }),
    ...numbered('lock_timeout'),
    ...numbered('idle_in_transaction_session_timeout'),
    ...(given.get('keepalives') === '0' ? { keepAlive: false } : {}),
    ...(idle > 0 ? { keepAliveInitialDelayMillis: idle * 1000 } : {}),
  };
}
