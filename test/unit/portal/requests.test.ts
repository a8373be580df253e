// Requests of somebody who has not signed in, and means ill: what the portal's server does before any page is asked for.
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { INTERNET } from '../../../portal/fetch/https.ts';
import { clientOf } from '../../../portal/frame/context.ts';
import { ownOrigin } from '../../../portal/frame/hosts.ts';
import { createRenderer } from '../../../portal/frame/render.ts';
import { createPortal } from '../../../portal/server.ts';
import { configSchema } from '../../../src/config/schema.ts';
import type { Database } from '../../../src/database/open.ts';
import { plainBrowser } from '../../support/portal-browser.ts';

const HOST = 'keys.seal.test';
const render = createRenderer();
let server: FastifyInstance;
let log: string[];

async function open(url: string): Promise<FastifyInstance> {
  const own = ownOrigin(url);
  if (own === null) throw new Error('the address of the portal cannot be read');
  const config = configSchema.parse({ portal: { listen: '127.0.0.1:9323', url } });
  // Whoever is not signed in, and sends no form of ours, has nothing asked of it.
  const database = {} as Pick<Database, 'orm' | 'pool'>;
  log = [];
  const context = {
    flow: { database, config: () => config, now: () => 0 },
    database,
    config: () => config,
    logger: pino({ level: 'trace' }, { write: (line: string) => log.push(line) }),
    own,
    render,
    door: null,
    outside: { internet: INTERNET, askImap: async () => 'wrong' as const },
  };
  return createPortal(context, { listen: { kind: 'unix', path: '/' }, listed: [] });
}

beforeEach(async () => {
  server = await open(`https://${HOST}`);
});
afterEach(() => server.close());

describe('a request', () => {
  it.for([
    { 'x-forwarded-proto': 'http' },
    { 'x-forwarded-host': 'evil.test' },
    { forwarded: 'proto=http;host=evil.test' },
    { 'x-original-url': '/leave', 'x-rewrite-url': '/leave', 'x-http-method-override': 'POST' },
  ] as const)('with %j changes neither links nor cookies', async (forged) => {
    const { body, cookies, statusCode } = await plainBrowser(server).get('/', { ...forged });
    expect(statusCode).toBe(200);
    expect(body).not.toContain('evil.test');
    expect(cookies.length).toBeGreaterThan(0);
    for (const cookie of cookies) expect(cookie).toMatchObject({ secure: true, sameSite: 'Lax' });
  });

  it.for([
    ['a form in JSON', 'application/json', JSON.stringify({ _csrf: ['x'], address: 'a@seal.test' })],
    ['a form in JSON that would change every object', 'application/json', '{"__proto__":{"_csrf":"x"}}'],
    ['a form as plain text', 'text/plain', '_csrf=x&address=a@seal.test'],
    ['two tokens', 'application/x-www-form-urlencoded', '_csrf=x&_csrf=y&address=a@seal.test'],
    ['a token of an object', 'application/x-www-form-urlencoded', '_csrf[toString]=x&address=a@seal.test'],
    ['XML', 'application/xml', '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'],
    ['something packed', 'application/x-www-form-urlencoded', '\x1f\x8b\x08'],
  ] as const)('that changes something is refused as %s', async ([, type, payload]) => {
    const headers = { host: HOST, 'content-type': type };
    const { statusCode, body } = await server.inject({
      method: 'POST',
      url: '/sign-in/letter',
      headers,
      payload,
    });
    expect([400, 403, 415]).toContain(statusCode);
    expect(body).not.toContain('passwd');
    expect(Object.hasOwn(Object.prototype, '_csrf')).toBe(false);
  });

  it('that does not say how long it is, is cut off', async () => {
    const endless = Readable.from(Array.from({ length: 100 }, () => Buffer.alloc(16_384, 0x61)));
    const headers = { host: HOST, 'content-type': 'application/x-www-form-urlencoded' };
    const answer = await server.inject({ method: 'POST', url: '/sign-in/letter', headers, payload: endless });
    expect(answer.statusCode).toBe(413);
  });

  it.for([
    '/%',
    '/%00',
    '/confirm/%e0%a4%a',
    '/confirm/%00',
    `/confirm/${'%41'.repeat(43)}`,
    '/../../etc/passwd',
  ])('for %s is refused without asking anybody, and nothing of it is shown unescaped', async (path) => {
    const token = '/confirm/'.concat('%41'.repeat(43)) === path;
    const { statusCode, body } = await plainBrowser(server).get(path);
    // What has the form of a token is looked up, which this stand has no database for; where files share a process, another one's
    // tokens may stand there, which know it not.
    expect(token ? [500, 410] : [400, 404, 410]).toContain(statusCode);
    expect(body).not.toMatch(/root:|TypeError|node_modules/);
  });

  it('with 200 languages, or a strange one, is answered in one of ours', async () => {
    const accepted = Array.from({ length: 200 }, (_, index) => `x${index};q=0.${index}`).join(',');
    for (const query of [
      '?lang=xx',
      '?lang=../../de',
      '?lang=de&lang=en',
      '?lang[]=de',
      '?lang=%3Cscript%3E',
    ]) {
      const { body, cookies } = await plainBrowser(server).get(`/${query}`, { 'accept-language': accepted });
      expect(body).toContain('<html lang="en">');
      expect(body).not.toContain('script');
      expect(cookies.map(({ name }) => name)).not.toContain('__Host-sealpost-language');
    }
  });
});

describe('the client of a request', () => {
  it.for([
    ['192.0.2.7', '192.0.2.7'],
    ['192.0.2.7:51234', '192.0.2.7'],
    ['[2001:db8::1]:443', '2001:db8::1'],
    ['2001:db8::1', '2001:db8::1'],
    ['', 'unix'],
    [undefined, 'unix'],
    ['unknown', 'unix'],
    ['_hidden', 'unix'],
    ['" NIL) LOGIN "x', 'unix'],
    ['x'.repeat(200), 'unix'],
    ['192.0.2.7.evil.test', 'unix'],
  ] as const)('that is named %j is %s', ([ip, client]) => expect(clientOf({ ip })).toBe(client));

  it('who names another client with every request, and none that is an address, is one client', async () => {
    const codes = new Map<number, number>();
    for (let request = 0; request < 310; request += 1) {
      const headers = { host: HOST, 'x-forwarded-for': `client ${request}` };
      const { statusCode } = await server.inject({ method: 'GET', url: '/icon.svg', headers });
      codes.set(statusCode, (codes.get(statusCode) ?? 0) + 1);
    }
    expect(Object.fromEntries(codes)).toEqual({ 200: 300, 429: 10 });
  });
});

describe('pages that are not there', () => {
  it('count for the limit of requests like any other', async () => {
    const browser = plainBrowser(server);
    const codes: number[] = [];
    for (let request = 0; request < 305; request += 1)
      codes.push((await browser.get(`/no-${request}`)).statusCode);
    expect(codes.filter((code) => code === 404)).toHaveLength(300);
    const last = await browser.get('/nothing');
    expect(last.statusCode).toBe(429);
    expect(last.body).toContain('Too many requests');
  });
});

describe('a portal without TLS', () => {
  it('has cookies that are not bound to it, and says so by their names', async () => {
    await server.close();
    server = await open('http://127.0.0.1:9323');
    const { cookies } = await plainBrowser(server, '127.0.0.1:9323').get('/', {
      'x-forwarded-proto': 'https',
    });
    expect(cookies.map(({ name, secure }) => [name, secure === true])).toEqual([['sealpost-form', false]]);
  });
});
