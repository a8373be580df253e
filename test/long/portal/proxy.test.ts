// The examples of packaging/proxy in front of the portal: a person's way through them, and what a client writes into a request that
// only the proxy may say.
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { waitUntil } from '../../support/child.ts';
import { newKey, upload } from '../../support/enrolment-stand.ts';
import { lack, need, skipFor } from '../../support/needs.ts';
import { plainBrowser } from '../../support/portal-browser.ts';
import { linkIn, openPortalStand, PORTAL_HOST, type PortalStand } from '../../support/portal-stand.ts';
import { type SiteProxy, startSiteProxy } from '../../support/site-proxy.ts';

need('nginx');

const ULLA = 'ulla@example.org';
let stand: PortalStand;
let portalSocket: string;
let echo: Echo;

beforeAll(async () => {
  stand = await openPortalStand();
  portalSocket = join(stand.enrolment.trial.folder, 'portal.sock');
  await stand.server.listen({ path: portalSocket });
  await stand.enrolment.user('ulla');
  echo = await startEcho(join(stand.enrolment.trial.folder, 'echo.sock'));
});
afterAll(async () => {
  await echo?.close();
  await stand?.close();
});

/** Something in the portal's place that keeps the header of what it is asked. */
interface Echo {
  readonly socket: string;
  readonly asked: IncomingHttpHeaders[];
  close(): Promise<void>;
}

async function startEcho(socket: string): Promise<Echo> {
  const asked: IncomingHttpHeaders[] = [];
  const server = createServer((request, response) => {
    asked.push(request.headers);
    request.resume();
    response.end('the portal');
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return { socket, asked, close: () => closed(server) };
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** Waits for a line in its log, which it writes when the answer has gone. */
async function logged(proxy: SiteProxy, words: string): Promise<void> {
  await waitUntil(`${words} in the log`, 10_000, () => proxy.accessLog().includes(words), proxy.accessLog);
}

/** What a client could write to be somebody else. */
const FORGED = {
  'x-remote-user': 'eve@example.org',
  'x-forwarded-for': '203.0.113.9',
  'x-sealpost-proxy-secret': 'guessed',
};

describe.each(['nginx', 'caddy'] as const)('%s in front of the portal', (kind) => {
  const lacking = lack(kind);
  let proxy: SiteProxy;
  beforeAll(async () => {
    if (lacking === null) proxy = await startSiteProxy({ kind, socket: portalSocket });
  });
  afterAll(async () => {
    await proxy?.close();
  });
  beforeEach((context) => skipFor(context, lacking));

  const browser = (headers: Readonly<Record<string, string>> = {}) =>
    plainBrowser(proxy.outside, PORTAL_HOST, headers);

  it('lets a person sign in by letter and hand a key over, and keeps none of the links in its log', async () => {
    const key = await newKey('ulla');
    const person = browser({ origin: `https://${PORTAL_HOST}`, 'sec-fetch-site': 'same-origin' });
    const { headers } = await person.get('/');
    expect(headers['strict-transport-security']).toContain('max-age=31536000');
    expect((await person.post('/sign-in/letter', { address: ULLA })).statusCode).toBe(200);
    const link = await linkIn(await stand.enrolment.round(), 'sign-in');
    expect((await person.get(link)).statusCode).toBe(200);
    expect((await person.post(link)).headers.location).toBe('/');
    await person.get('/');
    const { statusCode, body } = await person.post('/key/paste', { key: upload(key).toString() });
    expect(statusCode).toBe(200);
    expect(body).toContain('Is this your key?');
    await logged(proxy, '/key/paste');
    expect(proxy.accessLog()).not.toContain(link.split('/').at(-1));
  });

  it('names the client, whatever that one claims to be, and signs nobody in by a field', async () => {
    stand.asked.length = 0;
    const liar = browser(FORGED);
    expect((await liar.get('/')).body).not.toContain('Continue as');
    await liar.post('/sign-in/password', { address: ULLA, password: 'guess' });
    expect(stand.asked.map(({ client }) => client)).toEqual(['127.0.0.1']);
    const before = echo.asked.length;
    const other = await startSiteProxy({ kind, socket: echo.socket });
    try {
      await plainBrowser(other.outside, PORTAL_HOST, FORGED).get('/');
      const [asked] = echo.asked
        .slice(before)
        .filter(({ 'x-sealpost-proxy-secret': sent }) => sent !== undefined);
      expect(asked).toMatchObject({ host: PORTAL_HOST, 'x-forwarded-for': '127.0.0.1' });
      expect(asked).not.toHaveProperty('x-remote-user');
    } finally {
      await other.close();
    }
  });

  it('refuses what is larger than any form, and passes on what is as large as a key may be', async () => {
    const person = browser();
    await person.get('/');
    expect((await person.post('/sign-in/letter', { address: 'a'.repeat(800_000) })).statusCode).toBe(413);
    // Of no address, but read.
    expect((await person.post('/sign-in/letter', { address: 'a'.repeat(500_000) })).statusCode).toBe(422);
  });
});

describe('nginx that signs users in', () => {
  let signIn: Server;
  let proxy: SiteProxy;
  let answer: { readonly code: number; readonly headers: Readonly<Record<string, string>> };

  beforeAll(async () => {
    // In the place of oauth2-proxy: /oauth2/auth says who is signed in, every other path is a page of its own.
    signIn = createServer((request, response) => {
      if (request.url === '/oauth2/auth') response.writeHead(answer.code, answer.headers).end();
      else response.end('sign in there');
    });
    answer = { code: 401, headers: {} };
    await new Promise<void>((resolve) => signIn.listen(0, '127.0.0.1', resolve));
    const { port } = signIn.address() as AddressInfo;
    proxy = await startSiteProxy({ kind: 'nginx with sign-in', socket: echo.socket, signInPort: port });
  });
  afterAll(async () => {
    await proxy?.close();
    if (signIn !== undefined) await closed(signIn);
  });

  const asks = async (headers: Readonly<Record<string, string>>, path = '/') => {
    const before = echo.asked.length;
    const { body } = await plainBrowser(proxy.outside, PORTAL_HOST, headers).get(path);
    return { body, told: echo.asked.slice(before) };
  };

  it('names whom the service names, in place of what the client writes, in whatever spelling', async () => {
    answer = { code: 202, headers: { 'x-auth-request-email': 'alice@example.org' } };
    for (const path of ['/key', '/confirm/a-secret']) {
      const { body, told } = await asks({ ...FORGED, x_remote_user: 'eve@example.org' }, path);
      expect(body).toBe('the portal');
      expect(told).toHaveLength(1);
      expect(told[0]).toMatchObject({ 'x-remote-user': 'alice@example.org', 'x-forwarded-for': '127.0.0.1' });
      expect(told[0]).not.toHaveProperty('x_remote_user');
    }
    await logged(proxy, '/key');
    expect(proxy.accessLog()).not.toContain('a-secret');
  });

  it('names nobody where the service names nobody', async () => {
    answer = { code: 202, headers: {} };
    const { told } = await asks(FORGED);
    expect(told[0]).not.toHaveProperty('x-remote-user');
  });

  it('asks nothing of the portal for who is not signed in', async () => {
    answer = { code: 401, headers: {} };
    for (const path of ['/', '/confirm/a-secret']) {
      const { body, told } = await asks(FORGED, path);
      expect([body, told]).toEqual(['sign in there', []]);
    }
  });
});
