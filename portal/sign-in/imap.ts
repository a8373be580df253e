// Asks the site's IMAP server whether a mailbox password is right. The password is kept nowhere: it goes from the form into one
// LOGIN by TLS, and no log hears of it.
import { BlockList, isIP } from 'node:net';
import { ImapFlow } from 'imapflow';

/** The server, as `portal.imap` names it. */
export interface ImapServer {
  readonly host: string;
  readonly port: number;
  /** `imaps`: TLS from the first byte. `imap`: STARTTLS, without which no password is sent. */
  readonly implicitTls: boolean;
}

export interface Credentials {
  readonly login: string;
  readonly password: string;
  /** The person's address, for the server's own limits and log; null where it is not known. */
  readonly client: string | null;
}

/** `unavailable`: nobody knows whether the password is right. */
export type PasswordVerdict = 'right' | 'wrong' | 'unavailable';

const CONNECT_MS = 5000;
/** Dovecot waits some seconds before it refuses (auth_failure_delay), and longer for somebody who fails often. */
const ANSWER_MS = 20_000;
/** For all of it: a server that goes on talking is never silent for so long as to be given up. */
const WHOLE_MS = 30_000;
const LONGEST_LOGIN = 320;
const LONGEST_PASSWORD = 1024;
const MOST_BYTES = 64 * 1024;

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Reads `imaps://host:port` or `imap://host:port`; null for anything else. Ports: 993 and 143. */
export function parseImapServer(text: string): ImapServer | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  const implicitTls = url.protocol === 'imaps:';
  if (!implicitTls && url.protocol !== 'imap:') return null;
  const bare = url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  if (!bare || url.hostname === '' || !['', '/'].includes(url.pathname)) return null;
  const port = url.port === '' ? (implicitTls ? 993 : 143) : Number(url.port);
  return { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port, implicitTls };
}

/** Whether a login and a password can be put to a server at all: bounded, and without what a line of IMAP cannot hold. */
export function canBeAsked({ login, password }: Pick<Credentials, 'login' | 'password'>): boolean {
  return (
    login !== '' &&
    password !== '' &&
    login.length <= LONGEST_LOGIN &&
    password.length <= LONGEST_PASSWORD &&
    !/[\s\p{Cc}]/u.test(login) &&
    !/[\0\r\n]/.test(password)
  );
}

/** The server on this machine has a certificate for its public name, and nobody stands between. */
function isLoopback(host: string): boolean {
  const family = isIP(host);
  return host === 'localhost' || (family !== 0 && loopback.check(host, family === 4 ? 'ipv4' : 'ipv6'));
}

/**
 * Tries one LOGIN, and ends the connection.
 *
 * The person's address goes by ID (RFC 2971) before LOGIN: Dovecot believes `x-originating-ip` of clients in
 * `login_trusted_networks` (Dovecot manual, "ID command").
 * @returns `unavailable` for everything that is no plain yes or no (RFC 5530: UNAVAILABLE, LIMIT, INUSE and the like). Never rejects.
 */
export async function askImap(
  server: ImapServer,
  { login, password, client }: Credentials,
): Promise<PasswordVerdict> {
  if (!canBeAsked({ login, password })) return 'wrong';
  const imap = new ImapFlow({
    host: server.host,
    port: server.port,
    secure: server.implicitTls,
    ...(server.implicitTls ? {} : { doSTARTTLS: true }),
    tls: isLoopback(server.host) ? { rejectUnauthorized: false } : {},
    auth: { user: login, pass: password },
    // Off: its log would hold the dialogue.
    logger: false,
    verifyOnly: true,
    disableAutoIdle: true,
    connectionTimeout: CONNECT_MS,
    greetingTimeout: CONNECT_MS,
    socketTimeout: ANSWER_MS,
    maxLiteralSize: MOST_BYTES,
    clientInfo: { name: 'sealpost', ...(client === null ? {} : { 'x-originating-ip': client }) },
  });
  // What happens after the answer is nobody's business; unheard, it would end the process.
  imap.on('error', () => undefined);
  const deadline = setTimeout(() => imap.close(), WHOLE_MS);
  try {
    await imap.connect();
    return 'right';
  } catch (error) {
    return verdictOf(error);
  } finally {
    clearTimeout(deadline);
    imap.close();
  }
}

/** Codes with which a server refuses for now (RFC 5530, section 3). */
const FOR_NOW: ReadonlySet<string> = new Set(['UNAVAILABLE', 'INUSE', 'LIMIT', 'SERVERBUG', 'CONTACTADMIN']);

/** What a failed login says. Pure. */
export function verdictOf(error: unknown): PasswordVerdict {
  if (!(error instanceof Error) || !('authenticationFailed' in error) || error.authenticationFailed !== true)
    return 'unavailable';
  const code = 'serverResponseCode' in error ? String(error.serverResponseCode).toUpperCase() : '';
  return FOR_NOW.has(code) ? 'unavailable' : 'wrong';
}
