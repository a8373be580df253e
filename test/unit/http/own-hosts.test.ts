// Which Host names us, and what is said of X-Forwarded-For.
import { hostname } from 'node:os';
import { fastify } from 'fastify';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { warnOfForwarded } from '../../../src/http/forwarded.ts';
import { isOwnHost, refuseForeignHosts } from '../../../src/http/own-hosts.ts';

const NAMES = new Set(['mx.example.org', 'queue.example.org']);

describe('a Host field', () => {
  it.each([
    ['mx.example.org', true],
    ['MX.Example.ORG:9321', true],
    ['queue.example.org.', true],
    ['queue.example.org.:443', true],
    ['localhost', true],
    ['localhost:9321', true],
    ['metrics.localhost:80', true],
    ['127.0.0.1', true],
    ['127.0.0.1:9321', true],
    ['192.0.2.7:9321', true],
    ['[::1]:9321', true],
    ['[2001:db8::7]', true],
    [undefined, true],
    ['', false],
    ['rebound.example.net', false],
    ['rebound.example.net:9321', false],
    ['mx.example.org.rebound.example.net', false],
    ['xmx.example.org', false],
    ['localhost.rebound.example.net', false],
    ['127.0.0.1.rebound.example.net', false],
    ['notlocalhost', false],
    ['2130706433', false],
    ['0x7f000001', false],
    ['127.1', false],
    ['[::1].rebound.example.net', false],
    ['[mx.example.org]', false],
    ['::1', false],
    ['mx.example.org:80:80', false],
    ['mx.example.org:port', false],
    ['user@mx.example.org', false],
    [`${'a.'.repeat(150)}localhost`, false],
  ])('%s: ours is %s', (field, ours) => {
    expect(isOwnHost(field, NAMES)).toBe(ours);
  });
});

/** A server with both hooks; its log. */
function made() {
  const lines: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => lines.push(line) });
  const server = fastify();
  refuseForeignHosts(server, { names: ['mx.example.org', 'Queue.example.org.'], setting: 'a.hosts', logger });
  warnOfForwarded(server, { trusted: ['127.0.0.1', '10.0.0.0/8'], setting: 'a.trusted_proxies', logger });
  server.get('/', async () => ({ ours: true }));
  return {
    log: () => lines.map((line) => JSON.parse(line)),
    status: async (headers: Record<string, string>, remoteAddress = '127.0.0.1') =>
      (await server.inject({ url: '/', headers, remoteAddress })).statusCode,
    server,
  };
}

describe('a request', () => {
  it('for a host of ours, or of this machine, is answered', async () => {
    const { status, log } = made();
    for (const host of ['mx.example.org', 'queue.example.org:80', 'localhost.example.org', hostname()])
      expect(await status({ host })).toBe(200);
    expect(log()).toEqual([]);
  });

  it('for another host gets 421 and the setting that names hosts; the log says so once in a while', async () => {
    const { server, status, log } = made();
    const answer = await server.inject({ url: '/', headers: { host: 'rebound.example.net' } });
    expect([answer.statusCode, answer.headers.connection]).toEqual([421, 'close']);
    expect(answer.json()).toEqual({ error: 'no name of this server; see a.hosts' });
    expect(await status({ host: 'other.example.net' })).toBe(421);
    expect(await status({ host: 'other.example.net', 'x-forwarded-host': 'mx.example.org' })).toBe(421);
    expect(log()).toMatchObject([{ host: 'rebound.example.net', not_logged: 0 }]);
    expect(log()[0].msg).toContain('a.hosts');
  });

  it('with X-Forwarded-For is served, and the log says so once in a while where it is not believed', async () => {
    const { status, log } = made();
    const headers = { host: 'localhost', 'x-forwarded-for': '192.0.2.1' };
    expect(await status(headers)).toBe(200);
    expect(await status(headers, '10.1.2.3')).toBe(200);
    expect(await status(headers, '::ffff:10.1.2.3')).toBe(200);
    expect(await status({ host: 'localhost' }, '203.0.113.1')).toBe(200);
    expect(log()).toEqual([]);
    expect(await status(headers, '203.0.113.1')).toBe(200);
    expect(await status(headers, '203.0.113.2')).toBe(200);
    expect(log()).toMatchObject([{ client: '203.0.113.1', not_logged: 0 }]);
    expect(log()[0].msg).toContain('a.trusted_proxies');
  });
});
