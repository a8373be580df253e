// The portal's pages over a flow that remembers what it was asked: what is let in, what is refused, and what is shown.
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { INTERNET } from '../../../portal/fetch/https.ts';
import type { PortalContext, ProxyDoor } from '../../../portal/frame/context.ts';
import { ownOrigin } from '../../../portal/frame/hosts.ts';
import { createRenderer } from '../../../portal/frame/render.ts';
import { createPortal } from '../../../portal/server.ts';
import type { Credentials, PasswordVerdict } from '../../../portal/sign-in/imap.ts';
import { type Config, configSchema } from '../../../src/config/schema.ts';
import type { Database } from '../../../src/database/open.ts';
import { plainBrowser } from '../../support/portal-browser.ts';
import { ALICE, FINGERPRINT, NOW, resetFlow, session, state, TOKEN } from '../../support/portal-flow.ts';

vi.mock(
  '../../../src/enrolment/flow.ts',
  async () => (await import('../../support/portal-flow.ts')).fakeFlow,
);
vi.mock(
  '../../../src/enrolment/home.ts',
  async () => (await import('../../support/portal-flow.ts')).fakeHome,
);
vi.mock('../../../src/enrolment/sessions.ts', async (original) => ({
  ...(await original<object>()),
  ...(await import('../../support/portal-flow.ts')).fakeSessions,
}));
vi.mock(
  '../../../src/enrolment/sign-in.ts',
  async () => (await import('../../support/portal-flow.ts')).fakeSignIn,
);
vi.mock('../../../src/enrolment/tokens.ts', async (original) => ({
  ...(await original<object>()),
  ...(await import('../../support/portal-flow.ts')).fakeTokens,
}));
vi.mock('../../../src/enrolment/limits.ts', async (original) => ({
  ...(await original<object>()),
  ...(await import('../../support/portal-flow.ts')).fakeLimits,
}));
vi.mock('../../../src/publishing/choice.ts', async (original) => ({
  ...(await original<object>()),
  readChoice: async () => state.publishing,
  choosePublishing: async (_: unknown, __: number, wanted: 'on' | 'off') => {
    if (state.publishing.domain === 'off' && wanted === 'on') return false;
    state.publishing = { ...state.publishing, own: wanted };
    return true;
  },
}));
vi.mock('../../../portal/sign-in/person.ts', () => ({
  personAt: async (_: unknown, typed: string) =>
    typed === 'alice@seal.test' ? { userId: 1, login: typed } : null,
}));
vi.mock('../../../portal/frame/letters.ts', () => ({
  MOST_COUNTED: 10_000,
  sealedLetters: async () => null,
}));

const render = createRenderer();
const own = ownOrigin('https://keys.seal.test');
const SESSION = '__Host-sealpost-session';
const FORM = '__Host-sealpost-form';
const NO_DATABASE = {} as Pick<Database, 'orm' | 'pool'>;

interface Stand {
  readonly server: FastifyInstance;
  readonly log: string[];
  readonly asked: Credentials[];
}

let stand: Stand;
let verdict: PasswordVerdict = 'wrong';

async function open(door: ProxyDoor | null = null, listed: readonly string[] = []): Promise<Stand> {
  if (own === null) throw new Error('the address of the portal cannot be read');
  const config: Config = configSchema.parse({
    portal: { listen: '127.0.0.1:9323', url: own.origin, imap: 'imaps://127.0.0.1:993' },
  });
  const log: string[] = [];
  const asked: Credentials[] = [];
  const context: PortalContext = {
    flow: { database: NO_DATABASE, config: () => config, now: () => NOW },
    database: NO_DATABASE,
    config: () => config,
    logger: pino({ level: 'trace' }, { write: (line: string) => log.push(line) }),
    own,
    render,
    door,
    outside: {
      internet: INTERNET,
      askImap: async (_, credentials) => {
        asked.push(credentials);
        return verdict;
      },
    },
  };
  const server = await createPortal(context, {
    listen: { kind: 'inet', host: '127.0.0.1', port: 9323 },
    listed,
  });
  return { server, log, asked };
}

beforeEach(async () => {
  resetFlow();
  verdict = 'wrong';
  stand = await open();
});
afterEach(() => stand.server.close());

/** A browser of somebody who has signed in. */
async function member(...proof: Parameters<typeof session>) {
  const browser = plainBrowser(stand.server);
  browser.cookies.set(SESSION, session(...proof));
  await browser.get('/');
  return browser;
}

const askedFor = (name: string) => state.asked.filter((asked) => asked.name === name);

describe('every answer of the portal', () => {
  it('forbids scripts, frames, foreign forms and requests to elsewhere, and is not kept', async () => {
    const { headers } = await plainBrowser(stand.server).get('/');
    expect(headers['content-security-policy']).toBe(
      "default-src 'none';style-src 'self';img-src 'self';form-action 'self';frame-ancestors 'none';base-uri 'none';require-trusted-types-for 'script';trusted-types 'none'",
    );
    expect(headers).toMatchObject({
      'x-frame-options': 'DENY',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'same-origin',
      'cross-origin-opener-policy': 'same-origin',
      'cache-control': 'no-store',
    });
  });

  it('names nothing outside, and has neither script nor style of its own', async () => {
    const browser = await member();
    for (const path of ['/', '/key', '/settings', '/devices', '/history', '/leave']) {
      if (path === '/devices') continue;
      const { body, statusCode } = await browser.get(path);
      expect(statusCode, path).toBe(200);
      expect(body).not.toMatch(/<script|<style|\sstyle=|\son\w+=|https?:|\/\//i);
    }
  });

  it('has cookies that scripts cannot read, other sites cannot send, and other hosts cannot set', async () => {
    const response = await plainBrowser(stand.server).get('/?lang=de');
    expect(response.cookies.map(({ name }) => name).sort()).toEqual([FORM, '__Host-sealpost-language']);
    for (const cookie of response.cookies)
      expect(cookie).toMatchObject({ httpOnly: true, secure: true, sameSite: 'Lax', path: '/' });
    for (const cookie of response.cookies) expect(cookie).not.toHaveProperty('domain');
  });

  it.for(['evil.test', 'keys.seal.test.evil.test', 'keys.seal.test:8080', ''])(
    'is 421 where Host is %j',
    async (host) => {
      const { statusCode, body } = await plainBrowser(stand.server).get('/', { host });
      expect({ statusCode, body }).toEqual({ statusCode: 421, body: 'this is another host\n' });
    },
  );

  it.for(['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD'] as const)('is 405 for %s', async (method) => {
    const { statusCode } = await stand.server.inject({
      method,
      url: '/',
      headers: { host: 'keys.seal.test' },
    });
    expect([404, 405]).toContain(statusCode);
  });

  it('is a page that tells nothing of the inside where something is not there or fails', async () => {
    const browser = plainBrowser(stand.server);
    expect((await browser.get('/nothing')).body).toContain('There is no such page');
    await member();
    const answer = await browser.get('/history');
    expect(answer.statusCode).toBe(303);
    const broken = await member();
    state.events = { events: null as never, whole: true };
    const failed = await broken.get('/history');
    expect(failed.statusCode).toBe(500);
    expect(failed.body).toContain('The fault is ours');
    expect(failed.body).not.toMatch(/TypeError|null|\.ts|slice/);
  });

  it('is in the language of the browser, or in the one that was chosen', async () => {
    const browser = plainBrowser(stand.server);
    expect((await browser.get('/', { 'accept-language': 'de-AT,en;q=0.5' })).body).toContain(
      '<html lang="de">',
    );
    expect((await browser.get('/', { 'accept-language': 'fr' })).body).toContain('<html lang="en">');
    await browser.get('/?lang=de');
    expect((await browser.get('/')).body).toContain('Meine Mail versiegeln');
    expect((await browser.get('/?lang=%00de')).body).toContain('<html lang="de">');
  });
});

describe('a change', () => {
  const CHANGES = [
    '/test-letter',
    '/settings',
    '/settings/publishing',
    '/key/remove',
    '/leave',
    '/recovery/stop',
    '/devices/add',
    '/sign-out',
  ];

  it.for(CHANGES)('by POST %s needs the token of a form', async (path) => {
    const browser = await member();
    const { statusCode, body } = await browser.post(path, { _csrf: '' });
    expect(statusCode).toBe(403);
    expect(body).toContain('This page is too old');
    expect(state.asked).toEqual([]);
    expect(state.sessions.size).toBe(1);
  });

  it.for([
    ['another site', { 'sec-fetch-site': 'cross-site' }],
    ['a neighbour of the same site', { 'sec-fetch-site': 'same-site' }],
    ['another origin', { origin: 'https://evil.test' }],
    ['a sandboxed frame', { origin: 'null' }],
    ['plain HTTP', { origin: 'http://keys.seal.test' }],
  ] as const)('from %s is refused, whatever its token', async ([, headers]) => {
    const browser = await member();
    expect((await browser.post('/test-letter', {}, headers)).statusCode).toBe(403);
    expect(state.asked).toEqual([]);
  });

  it('from a page of ours is done', async () => {
    const browser = await member();
    const answer = await browser.post(
      '/test-letter',
      {},
      { origin: 'https://keys.seal.test', 'sec-fetch-site': 'same-origin' },
    );
    expect(answer.headers.location).toBe('/?done=test_letter');
    expect(askedFor('sendTestLetter')).toHaveLength(1);
  });

  it('with the token of another session, or of a page from before signing in, is refused', async () => {
    const stranger = plainBrowser(stand.server);
    await stranger.get('/');
    const browser = await member();
    // A neighbour that could set the form's cookie would know its own token.
    browser.cookies.set(FORM, stranger.cookies.get(FORM) ?? '');
    expect((await browser.post('/test-letter', { _csrf: stranger.token() })).statusCode).toBe(403);
    expect(state.asked).toEqual([]);
  });

  it.for(['/test-letter', '/leave', '/sign-out', '/recovery/stop', '/key/submit'])(
    'is never done by GET %s',
    async (path) => {
      const browser = await member();
      expect([200, 404]).toContain((await browser.get(path)).statusCode);
      expect(state.asked).toEqual([]);
      expect(state.sessions.size).toBe(1);
    },
  );

  it.for(['/key/paste', '/key/submit', '/leave', '/settings', '/devices/add', '/recovery/start'])(
    'by POST %s is for who is signed in',
    async (path) => {
      const browser = plainBrowser(stand.server);
      await browser.get('/');
      const { statusCode, headers } = await browser.post(path, { key: 'x' });
      expect([statusCode, headers.location]).toEqual([303, '/']);
      expect(state.asked).toEqual([]);
    },
  );

  it('leads only to pages of ours, whatever the query says', async () => {
    const browser = await member();
    const { body } = await browser.get('/?done=//evil.test&next=https://evil.test');
    expect(body).not.toContain('evil.test');
    for (const path of ['//evil.test/', '/%2f/evil.test', '/\\evil.test', '//evil.test/..'])
      expect((await browser.get(path)).body).not.toMatch(/href="[^"]*evil/);
    const answer = await browser.post('/test-letter?next=https://evil.test');
    expect(answer.headers.location).toBe('/?done=test_letter');
  });
});

describe('publishing', () => {
  it('waits for a yes, and can be taken back', async () => {
    const browser = await member();
    expect((await browser.get('/settings')).body).toContain('not published until you say yes');
    const answer = await browser.post('/settings/publishing', { publish: 'on' });
    expect(answer.headers.location).toBe('/settings?done=changed');
    expect((await browser.get('/settings')).body).toContain('Your key is published.');
    await browser.post('/settings/publishing', { publish: 'off' });
    expect((await browser.get('/settings')).body).toContain('Your key is not published.');
    await browser.post('/settings/publishing', { publish: 'everything' });
    expect(state.publishing.own).toBe('off');
  });

  it('is not offered where the provider publishes nothing', async () => {
    state.publishing = { own: null, domain: 'off' };
    const browser = await member();
    expect((await browser.get('/settings')).body).toContain('Your provider publishes no keys.');
    expect((await browser.post('/settings/publishing', { publish: 'on' })).statusCode).toBe(403);
    expect(state.publishing.own).toBeNull();
  });
});

describe('signing in', () => {
  it('by letter answers alike for every address', async () => {
    const browser = plainBrowser(stand.server);
    await browser.get('/');
    const known = await browser.post('/sign-in/letter', { address: ALICE });
    const unknown = await browser.post('/sign-in/letter', { address: 'nobody@seal.test' });
    const same = (body: string) =>
      body.replaceAll(ALICE, 'nobody@seal.test').replace(/value="[^"]{20,}"/g, '');
    expect(same(known.body)).toBe(same(unknown.body));
    expect([known.statusCode, unknown.statusCode]).toEqual([200, 200]);
    expect(askedFor('requestSignIn').map(({ given }) => given[0])).toMatchObject([
      { address: ALICE, clear: false },
      { address: 'nobody@seal.test', clear: false },
    ]);
  });

  it('by letter offers one that needs no key', async () => {
    const browser = plainBrowser(stand.server);
    await browser.get('/');
    expect((await browser.post('/sign-in/letter', { address: ALICE })).body).toContain('I cannot read it');
    const plain = await browser.post('/sign-in/letter', { address: ALICE, plain: 'yes' });
    expect(plain.body).not.toContain('I cannot read it');
    expect(askedFor('requestSignIn').at(-1)?.given[0]).toMatchObject({ clear: true });
  });

  it.for(['', 'alice', 'a@b\r\nBcc: eve@evil.test', `${'a'.repeat(300)}@seal.test`, 'a b@seal.test'])(
    'by letter asks for an address where %j was typed',
    async (address) => {
      const browser = plainBrowser(stand.server);
      await browser.get('/');
      expect((await browser.post('/sign-in/letter', { address })).statusCode).toBe(422);
      expect(state.asked).toEqual([]);
    },
  );

  it('by password asks the mail server once, after the limits, and says the same of a wrong name and a wrong password', async () => {
    const browser = plainBrowser(stand.server);
    await browser.get('/');
    const wrong = await browser.post('/sign-in/password', { address: ALICE, password: 'guess-1' });
    const nobody = await browser.post('/sign-in/password', {
      address: 'nobody@seal.test',
      password: 'guess-1',
    });
    const same = (body: string) =>
      body.replaceAll(ALICE, 'nobody@seal.test').replace(/value="[^"]{20,}"/g, '');
    expect(same(wrong.body)).toBe(same(nobody.body));
    expect([wrong.statusCode, nobody.statusCode]).toEqual([403, 403]);
    expect(stand.asked.map(({ login }) => login)).toEqual([ALICE, 'nobody@seal.test']);
    // Nobody learns by the time whether the password of somebody whom the mail server alone knows is right.
    expect(stand.asked.map(({ password }) => password === 'guess-1')).toEqual([true, false]);
    expect(askedFor('takeTurn').map(({ given }) => given)).toEqual([
      ['password client', '127.0.0.1'],
      ['password address', ALICE],
      ['password alias', `own ${ALICE}`],
      ['password client', '127.0.0.1'],
      ['password address', 'nobody@seal.test'],
      ['password alias', 'own nobody@seal.test'],
    ]);
  });

  it('by the right password opens a session of mailbox level; the password is in no log and no page', async () => {
    verdict = 'right';
    const browser = plainBrowser(stand.server);
    await browser.get('/');
    const { statusCode, headers, body } = await browser.post('/sign-in/password', {
      address: ALICE,
      password: 'correct horse',
    });
    expect([statusCode, headers.location]).toEqual([303, '/']);
    expect(browser.cookies.get(SESSION)).toMatch(/^S+1$/);
    expect([...stand.log, body].join('')).not.toContain('correct horse');
    expect(stand.asked).toEqual([{ login: ALICE, password: 'correct horse', client: '127.0.0.1' }]);
  });

  it('by a password that is right somewhere opens nothing for who has no mailbox of ours', async () => {
    verdict = 'right';
    const browser = plainBrowser(stand.server);
    await browser.get('/');
    const { statusCode } = await browser.post('/sign-in/password', {
      address: 'other@seal.test',
      password: 'x',
    });
    expect(statusCode).toBe(403);
    expect(browser.cookies.has(SESSION)).toBe(false);
  });

  it('gives a session that nobody knew before, and keeps none that was planted', async () => {
    verdict = 'right';
    const browser = plainBrowser(stand.server);
    const planted = 'P'.repeat(43);
    browser.cookies.set(SESSION, planted);
    await browser.get('/');
    expect(browser.cookies.has(SESSION)).toBe(false);
    const before = browser.cookies.get(FORM);
    await browser.post('/sign-in/password', { address: ALICE, password: 'x' });
    await browser.get('/');
    expect(browser.cookies.get(SESSION)).not.toBe(planted);
    expect(browser.cookies.get(FORM)).not.toBe(before);
  });

  it('takes X-Forwarded-For from the listed proxies only', async () => {
    const forged = { 'x-forwarded-for': '192.0.2.66' };
    const clients = async (): Promise<unknown> => {
      const browser = plainBrowser(stand.server);
      await browser.get('/', forged);
      await browser.post('/sign-in/letter', { address: ALICE }, forged);
      return askedFor('requestSignIn').at(-1)?.given[0];
    };
    expect(await clients()).toMatchObject({ client: '127.0.0.1' });
    await stand.server.close();
    stand = await open(null, ['127.0.0.1']);
    expect(await clients()).toMatchObject({ client: '192.0.2.66' });
    // What the client itself claims stands further left.
    const two = { 'x-forwarded-for': '127.0.0.1, 203.0.113.9' };
    const browser = plainBrowser(stand.server);
    await browser.get('/', two);
    await browser.post('/sign-in/letter', { address: ALICE }, two);
    expect(askedFor('requestSignIn').at(-1)?.given[0]).toMatchObject({ client: '203.0.113.9' });
  });
});

describe('the trusted header', () => {
  const SECRET = 'a shared secret of enough characters';
  const told = { 'x-remote-user': ALICE };

  it('is nothing to the listener for browsers', async () => {
    const browser = plainBrowser(stand.server);
    expect((await browser.get('/', told)).body).not.toContain('Continue as');
    // It reads as a link of that name.
    expect((await browser.post('/sign-in/proxy', {}, told)).statusCode).toBe(410);
    expect(state.sessions.size).toBe(0);
  });

  it('signs in on its own listener, by a button', async () => {
    await stand.server.close();
    stand = await open({ field: 'X-Remote-User', secret: null });
    const browser = plainBrowser(stand.server);
    expect((await browser.get('/', told)).body).toContain(`Continue as ${ALICE}`);
    expect(state.sessions.size).toBe(0);
    expect((await browser.post('/sign-in/proxy', {}, told)).statusCode).toBe(303);
    expect(browser.cookies.has(SESSION)).toBe(true);
  });

  it.for([
    ['no secret', told],
    ['a wrong secret', { ...told, 'x-sealpost-proxy-secret': `${SECRET}!` }],
    ['no field', { 'x-sealpost-proxy-secret': SECRET }],
    [
      'two names in one field',
      { 'x-remote-user': `${ALICE}, bob@seal.test`, 'x-sealpost-proxy-secret': SECRET },
    ],
    ['a second spelling', { ...told, x_remote_user: 'bob@seal.test', 'x-sealpost-proxy-secret': SECRET }],
  ] as const)('with %s signs nobody in', async ([, headers]) => {
    await stand.server.close();
    stand = await open({ field: 'X-Remote-User', secret: SECRET });
    const browser = plainBrowser(stand.server);
    await browser.get('/', { ...headers });
    expect((await browser.post('/sign-in/proxy', {}, { ...headers })).statusCode).toBe(403);
    expect(state.sessions.size).toBe(0);
  });
});

describe('a link of a letter', () => {
  it('shows a button for GET, as often as scanners ask, and acts by POST without a session', async () => {
    state.token = {
      action: 'confirm',
      address: ALICE,
      userId: 1,
      fingerprint: FINGERPRINT,
      level: 'key',
      expiresAt: NOW,
    };
    const browser = plainBrowser(stand.server);
    for (let scan = 0; scan < 20; scan += 1) await browser.get(`/confirm/${TOKEN}`);
    expect(state.asked).toEqual([]);
    const { body } = await browser.get(`/confirm/${TOKEN}`);
    expect(body).toContain('ABCD ABCD');
    expect((await browser.post(`/confirm/${TOKEN}`)).body).toContain('Your mail is sealed');
    expect(askedFor('confirmKey')).toHaveLength(1);
  });

  it('of another action, or one that is none, is shown as one that does not count', async () => {
    state.token = {
      action: 'confirm',
      address: ALICE,
      userId: 1,
      fingerprint: FINGERPRINT,
      level: 'key',
      expiresAt: NOW,
    };
    const browser = plainBrowser(stand.server);
    for (const path of [
      `/undo/${TOKEN}`,
      `/sign-in/${TOKEN}`,
      '/confirm/short',
      `/confirm/${'x'.repeat(5000)}`,
    ])
      expect([404, 410, 414]).toContain((await browser.get(path)).statusCode);
    await browser.get('/');
    expect((await browser.post('/confirm/..%2f..%2fleave')).statusCode).toBe(410);
    expect(state.asked).toEqual([]);
  });
});

describe('a key', () => {
  const armored = '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nxjMEZ\n-----END PGP PUBLIC KEY BLOCK-----\n';

  function understood(userIds: readonly string[]): void {
    state.understood = {
      fingerprint: FINGERPRINT,
      kind: 'openpgp',
      facts: { algorithm: { name: 'ed25519' } } as never,
      userIds,
      expires: null,
      relation: 'new',
      revokes: false,
    };
  }

  it('is shown before anything is sent, and handed over by the next form', async () => {
    understood([`Alice <${ALICE}>`]);
    const browser = await member();
    const { body } = await browser.post('/key/paste', { key: armored });
    expect(body).toContain('ABCD ABCD');
    expect(askedFor('submitKey')).toEqual([]);
    const carried = /name="carried" value="([^"]+)"/.exec(body)?.[1] ?? '';
    const { headers } = await browser.post('/key/submit', { carried, intent: 'add' });
    expect(headers.location).toBe('/?done=submitted');
    expect(askedFor('submitKey')[0]?.given.slice(1)).toEqual([armored.replace(/\n/g, '\n'), 'add']);
  });

  it.for([
    ['markup', '<img src=x onerror=alert(1)>', '&lt;img src=x onerror=alert(1)&gt;'],
    ['quotes', '" autofocus onfocus="x', '&quot; autofocus onfocus=&quot;x'],
    ['a turn of direction', 'alice\u202eten.live', 'alice\ufffdten.live'],
    ['control characters', 'a\u0000b\u001b[31m', 'a\ufffdb\ufffd[31m'],
    ['half a surrogate pair', 'a\ud800b', 'a\ufffdb'],
  ] as const)('with %s in its user ID is shown as text', async ([, userId, expected]) => {
    understood([userId, 'x'.repeat(100_000)]);
    const { body } = await (await member()).post('/key/paste', { key: armored });
    expect(body).toContain(expected);
    expect(body).not.toContain(userId);
    expect(body.length).toBeLessThan(10_000);
  });

  it('that is secret is refused with how to export the public one, and neither repeated nor logged', async () => {
    state.refusal = { ok: false, because: 'secret key' };
    const browser = await member();
    const { body, statusCode } = await browser.post('/key/paste', { key: 'VERY-SECRET' });
    expect(statusCode).toBe(422);
    expect(body).toContain('gpg --armor --export alice@seal.test');
    expect([body, ...stand.log].join('')).not.toContain('VERY-SECRET');
  });

  const upload = (content: string | Buffer, token: string) => {
    const boundary = 'x-boundary-of-the-test';
    const part = (head: string, body: string | Buffer) =>
      Buffer.concat([
        Buffer.from(`--${boundary}\r\n${head}\r\n\r\n`),
        Buffer.from(body),
        Buffer.from('\r\n'),
      ]);
    return {
      type: `multipart/form-data; boundary=${boundary}`,
      payload: Buffer.concat([
        part('Content-Disposition: form-data; name="_csrf"', token),
        part(
          'Content-Disposition: form-data; name="key"; filename="../../key.asc"\r\nContent-Type: application/octet-stream',
          content,
        ),
        Buffer.from(`--${boundary}--\r\n`),
      ]),
    };
  };

  it.for([
    ['text', armored],
    ['binary', Buffer.from([0x98, 0x33, 0x04, 0xff, 0x00, 0x80])],
  ] as const)('is taken as a file of %s, byte by byte', async ([, content]) => {
    understood(['Alice']);
    const browser = await member();
    const { type, payload } = upload(content, browser.token());
    const answer = await stand.server.inject({
      method: 'POST',
      url: '/key/upload',
      headers: { host: 'keys.seal.test', 'content-type': type, cookie: cookiesOf(browser.cookies) },
      payload,
    });
    expect(answer.statusCode).toBe(200);
    expect(askedFor('understandKey')[0]?.given).toEqual([Buffer.from(content).toString('latin1')]);
  });

  const cookiesOf = (cookies: ReadonlyMap<string, string>) =>
    [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');

  it('as a file needs the token of a form, and 25 MB are refused before they are read', async () => {
    const browser = await member();
    const send = (content: string | Buffer, token: string) => {
      const { type, payload } = upload(content, token);
      const headers = { host: 'keys.seal.test', 'content-type': type, cookie: cookiesOf(browser.cookies) };
      return stand.server.inject({ method: 'POST', url: '/key/upload', headers, payload });
    };
    expect((await send(armored, 'wrong')).statusCode).toBe(403);
    expect((await send(Buffer.alloc(25_000_000, 0x41), browser.token())).statusCode).toBe(413);
    expect((await send(Buffer.alloc(300_000, 0x41), browser.token())).statusCode).toBe(413);
    expect(askedFor('understandKey')).toEqual([]);
  });

  it('by form of 25 MB is refused', async () => {
    const browser = await member();
    expect((await browser.post('/key/paste', { key: 'A'.repeat(25_000_000) })).statusCode).toBe(413);
    expect(askedFor('understandKey')).toEqual([]);
  });

  it('that needs more proof can be waited for: the page carries it on', async () => {
    const browser = await member();
    state.refusal = { ok: false, because: 'needs key' };
    const carried = Buffer.from(armored).toString('base64url');
    const { body, statusCode } = await browser.post('/key/submit', { carried, intent: 'replace' });
    expect(statusCode).toBe(403);
    expect(body).toContain('I have lost my key');
    expect(body).toContain(`name="carried" value="${carried}"`);
    state.refusal = null;
    const { headers } = await browser.post('/recovery/start', { carried, intent: 'replace' });
    expect(headers.location).toBe('/?done=recovery_started');
    expect(askedFor('startRecovery')[0]?.given[1]).toMatchObject({ intent: 'replace' });
  });
});

describe('a limit', () => {
  it('holds for slow requests, long headers and open connections', () => {
    expect(stand.server.server).toMatchObject({
      requestTimeout: 10_000,
      headersTimeout: 10_000,
      maxConnections: 500,
    });
  });

  it('of the flow is told with the moment from which it goes on', async () => {
    state.refusal = { ok: false, because: 'limited', retryAt: NOW + 90_000 };
    const { statusCode, headers, body } = await (await member()).post('/test-letter');
    expect([statusCode, headers['retry-after']]).toEqual([429, '90']);
    expect(body).toContain('November 30, 2026');
  });

  it('of requests holds for one client', async () => {
    const browser = plainBrowser(stand.server);
    const codes = new Map<number, number>();
    for (let request = 0; request < 310; request += 1) {
      const { statusCode } = await browser.get('/icon.svg');
      codes.set(statusCode, (codes.get(statusCode) ?? 0) + 1);
    }
    expect([...codes]).toEqual([
      [200, 300],
      [429, 10],
    ]);
  });
});
