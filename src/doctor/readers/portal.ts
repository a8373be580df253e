// Whether the portal's pages answer, here and where its users are told to look, and whether its IMAP server does.
import { type ClientRequest, get as getPlain, type IncomingMessage } from 'node:http';
import { get as getSecure } from 'node:https';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { parseImapServer } from '../../../portal/sign-in/imap.ts';
import { type Endpoint, formatEndpoint, reachable } from '../../config/units.ts';
import { type Had, type Reader, Unseen } from '../facts.ts';
import { fileFacts } from './machine.ts';
import { converse } from './network.ts';

const PATIENCE_MS = 5000;
const GREETING = /^\* (?:OK|PREAUTH) /;
/** What each page of ours has, and a proxy's own error page has not. */
const OURS = 'content-security-policy';

export const readPortal: Reader<'portal'> = async (ask) => {
  const { listen, url, imap, trusted_listen } = (await ask('config')).config.portal;
  if (listen === null) throw new Unseen('portal.listen is empty: there is no portal', true);
  const [failure, outside, imapAnswers, trustedSocket] = await Promise.all([
    askPage((heard) =>
      getPlain({ ...addressOf(listen), path: '/', headers: { host: new URL(url).host } }, heard),
    ),
    askPage((heard) => (url.startsWith('https:') ? getSecure : getPlain)(`${url}/`, heard)),
    imap === '' ? null : greetingOf(imap),
    trusted_listen?.kind === 'unix' ? fileFacts('socket', trusted_listen.path) : null,
  ]);
  return {
    page: { name: 'portal', address: formatEndpoint(listen), failure },
    outside: { name: url, failure: outside },
    imap: imapAnswers,
    trustedSocket,
  };
};

function addressOf(endpoint: Endpoint): { socketPath: string } | { host: string; port: number } {
  const at = reachable(endpoint);
  return at.kind === 'unix' ? { socketPath: at.path } : { host: at.host, port: at.port };
}

type Heard = (response: IncomingMessage) => void;

/** @returns why no page of ours came; null: one did */
function askPage(ask: (heard: Heard) => ClientRequest): Promise<string | null> {
  return new Promise((resolve) => {
    const request = ask((response) => {
      const isOurs = response.statusCode === 200 && response.headers[OURS] !== undefined;
      response.destroy();
      resolve(isOurs ? null : `it answers ${response.statusCode}, and not with a page of the portal`);
    });
    request.setTimeout(PATIENCE_MS, () =>
      request.destroy(new Error(`no answer within ${PATIENCE_MS / 1000} s`)),
    );
    request.on('error', (error: Error & { code?: string }) => resolve(error.code ?? error.message));
  });
}

/** Hears the greeting of RFC 9051, section 7.1; whether its certificate is good is asked when somebody signs in. */
async function greetingOf(address: string): Promise<Had> {
  const server = parseImapServer(address);
  if (server === null) return { name: address, failure: 'it is no address of an IMAP server' };
  const { host, port, implicitTls } = server;
  const socket = implicitTls
    ? connectTls({ host, port, rejectUnauthorized: false })
    : connect({ host, port });
  const unexpected = (): string => 'it does not greet as an IMAP server';
  return { name: address, failure: await converse(socket, { expected: GREETING, unexpected }) };
}
