// Every answer of the HTTP interface: who asks for what, and what comes back.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bearerToken } from '../../../receiver/api/guard.ts';
import { DatabaseUnavailable } from '../../../src/database/open.ts';
import { readFrames } from '../../../src/queue-api/frames.ts';
import { apiInMemory, idOf, tokenOf } from '../../support/queue-in-memory.ts';

const ALICE = tokenOf('alice');
const BOB = tokenOf('bob');
type Api = Awaited<ReturnType<typeof apiInMemory>>;
let api: Api;

async function fresh(settings: Readonly<Record<string, unknown>> = {}): Promise<Api> {
  const made = await apiInMemory(settings);
  made.queue.tokens.set(ALICE, 1).set(BOB, 2);
  made.queue.rows.push(
    { id: idOf(1), user: 1, number: 1, content: Buffer.from([0x84, 1, 2, 3]) },
    { id: idOf(2), user: 1, number: 2, content: Buffer.from('a large one', 'latin1'), chunk: 4 },
    { id: idOf(3), user: 1, number: 5, content: Buffer.alloc(0x10, 0xc1) },
    { id: idOf(9), user: 2, number: 1, content: Buffer.from('bob') },
  );
  return made;
}

beforeEach(async () => {
  api = await fresh();
});
afterEach(() => api.server.close());

interface Call {
  readonly method?: 'GET' | 'DELETE' | 'POST' | 'PUT';
  readonly token?: string | null;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

async function ask(url: string, { method = 'GET', token = ALICE, headers = {}, body }: Call = {}) {
  const answer = await api.server.inject({
    method,
    url,
    headers: { ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...headers },
    ...(body === undefined ? {} : { payload: body as object }),
  });
  return {
    status: answer.statusCode,
    headers: answer.headers,
    body: answer.rawPayload,
    text: answer.payload,
  };
}

const json = ({ text }: { readonly text: string }): unknown => JSON.parse(text);

describe('the HTTP interface', () => {
  it('lists what waits for the user of the token, oldest first, page by page', async () => {
    const first = await ask('/v1/messages?limit=2');
    expect(json(first)).toEqual({
      messages: [
        { id: idOf(1), size: 4, received: '2026-11-25T10:00:00.000Z' },
        { id: idOf(2), size: 11, received: '2026-11-25T10:00:00.000Z' },
      ],
      next: '2',
    });
    const second = await ask('/v1/messages?limit=2&after=2');
    expect(json(second)).toMatchObject({ messages: [{ id: idOf(3) }], next: '5' });
    expect(json(await ask('/v1/messages?after=5'))).toEqual({ messages: [], next: null });
  });

  it('gives the stored bytes of a message, of one value or of chunks', async () => {
    const small = await ask(`/v1/messages/${idOf(1)}`);
    expect(small.body).toEqual(Buffer.from([0x84, 1, 2, 3]));
    expect(small.headers).toMatchObject({
      'content-type': 'application/pgp-encrypted',
      'content-length': '4',
      'cache-control': 'no-store',
    });
    expect((await ask(`/v1/messages/${idOf(2)}`)).text).toBe('a large one');
  });

  it('takes an acknowledgement again and again', async () => {
    const url = `/v1/messages/${idOf(1)}`;
    expect((await ask(url, { method: 'DELETE' })).status).toBe(204);
    expect((await ask(url, { method: 'DELETE' })).status).toBe(204);
    expect((await ask(url)).status).toBe(404);
    expect(api.queue.rows.map(({ id }) => id)).toEqual([idOf(2), idOf(3), idOf(9)]);
  });

  it.each(['GET', 'DELETE'] as const)(
    "answers a %s of another user's message exactly as one of a message that never was",
    async (method) => {
      const foreign = await ask(`/v1/messages/${idOf(9)}`, { method });
      const unknown = await ask(`/v1/messages/${'f'.repeat(32)}`, { method });
      const nonsense = await ask('/v1/messages/nonsense', { method });
      for (const answer of [foreign, unknown, nonsense]) {
        expect(answer.status).toBe(404);
        expect(answer.text).toBe('{"error":"no such message"}');
        expect({ ...answer.headers, date: '' }).toEqual({ ...foreign.headers, date: '' });
      }
      expect(api.queue.rows).toHaveLength(4);
    },
  );

  it('answers a missing, a wrong, a malformed and a revoked token exactly alike', async () => {
    api.queue.tokens.delete(BOB);
    const answers = [
      await ask('/v1/messages', { token: null }),
      await ask('/v1/messages', { token: tokenOf('nobody') }),
      await ask('/v1/messages', { token: 'short' }),
      await ask('/v1/messages', { token: BOB }),
      await ask('/v1/messages', { token: null, headers: { authorization: 'Basic YTpi' } }),
      await ask(`/v1/messages/${idOf(1)}`, { token: null }),
      await ask('/v1/messages?limit=nonsense', { token: null }),
      await ask('/v1/events', { token: null }),
      await ask('/v1/batch', { token: null, method: 'POST', body: { ids: [idOf(1)] } }),
    ];
    for (const answer of answers) {
      expect(answer.status).toBe(401);
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="sealpost"');
      expect(answer.text).toBe(answers[0]?.text);
      expect({ ...answer.headers, date: '' }).toEqual({ ...answers[0]?.headers, date: '' });
    }
  });

  it('gives several messages in one answer, its own only', async () => {
    const ids = [idOf(3), idOf(9), idOf(2), 'f'.repeat(32), 'nonsense', idOf(1)];
    const answer = await ask('/v1/batch', { method: 'POST', body: { ids } });
    expect(answer.headers['content-type']).toBe('application/vnd.sealpost.batch');
    const found: [string, string][] = [];
    for await (const { message, bytes } of readFrames(Readable.from([answer.body]))) {
      const pieces: Buffer[] = [];
      for await (const piece of bytes) pieces.push(piece);
      found.push([message.id, Buffer.concat(pieces).toString('latin1')]);
    }
    expect(found).toEqual([
      [idOf(1), '\x84\x01\x02\x03'],
      [idOf(2), 'a large one'],
      [idOf(3), '\xc1'.repeat(16)],
    ]);
  });

  it('acknowledges several messages, its own only', async () => {
    const body = { ids: [idOf(1), idOf(9), idOf(3), 'nonsense'] };
    expect(json(await ask('/v1/acknowledge', { method: 'POST', body }))).toEqual({ acknowledged: 2 });
    expect(json(await ask('/v1/acknowledge', { method: 'POST', body }))).toEqual({ acknowledged: 2 });
    expect(api.queue.rows.map(({ id }) => id)).toEqual([idOf(2), idOf(9)]);
  });

  it.each<[string, string, Call, number]>([
    ['a limit of zero', '/v1/messages?limit=0', {}, 400],
    ['a limit that is no number', '/v1/messages?limit=ten', {}, 400],
    ['a large limit, which counts as the largest', '/v1/messages?limit=100000', {}, 200],
    ['a cursor that is none', '/v1/messages?after=x', {}, 400],
    ['a cursor given twice', '/v1/messages?after=1&after=2', {}, 400],
    ['a batch of nothing', '/v1/batch', { method: 'POST', body: { ids: [] } }, 400],
    ['a batch of too many', '/v1/batch', { method: 'POST', body: { ids: Array(1001).fill(idOf(1)) } }, 400],
    ['a batch without ids', '/v1/batch', { method: 'POST', body: {} }, 400],
    [
      'a batch that is no JSON',
      '/v1/batch',
      { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{' },
      400,
    ],
    [
      'a batch of another type',
      '/v1/batch',
      { method: 'POST', headers: { 'content-type': 'text/xml' }, body: '<a/>' },
      415,
    ],
    ['a body that is too large', '/v1/batch', { method: 'POST', body: { ids: ['x'.repeat(200_000)] } }, 413],
    ['an event cursor that is none', '/v1/events', { headers: { 'last-event-id': 'x' } }, 400],
    ['a path that does not exist', '/v2/messages', {}, 404],
    ['a method that does not exist', '/v1/messages', { method: 'PUT' }, 404],
  ])('answers %s with its status and a sentence', async (_, url, call, status) => {
    const answer = await ask(url, call);
    expect(answer.status).toBe(status);
    if (status !== 200) expect(json(answer)).toEqual({ error: expect.stringMatching(/\w/) });
  });

  it('says "later" and never "wrong token" or "not found" while the database is away', async () => {
    api.queue.failure = new DatabaseUnavailable('away');
    for (const [url, method] of [
      ['/v1/messages', 'GET'],
      [`/v1/messages/${idOf(1)}`, 'GET'],
      [`/v1/messages/${idOf(1)}`, 'DELETE'],
      ['/v1/events', 'GET'],
    ] as const) {
      const answer = await ask(url, { method });
      expect(answer.status).toBe(503);
      expect(answer.headers['retry-after']).toBe('5');
    }
  });

  it('tells nothing of an error of its own', async () => {
    api.queue.failure = new Error('secret detail');
    const answer = await ask('/v1/messages');
    expect([answer.status, answer.text]).toEqual([500, '{"error":"internal error"}']);
  });

  it('describes itself to everybody, with every route and its security', async () => {
    const answer = await ask('/v1/openapi.json', { token: null });
    const document = json(answer) as {
      openapi: string;
      paths: Record<string, Record<string, { security?: unknown }>>;
    };
    expect(answer.status).toBe(200);
    expect(document.openapi).toBe('3.1.0');
    expect(Object.entries(document.paths).map(([path, methods]) => [path, Object.keys(methods)])).toEqual([
      ['/v1/messages', ['get']],
      ['/v1/messages/{id}', ['get', 'delete']],
      ['/v1/batch', ['post']],
      ['/v1/acknowledge', ['post']],
      ['/v1/events', ['get']],
    ]);
    for (const methods of Object.values(document.paths))
      for (const route of Object.values(methods)) expect(route.security).toEqual([{ token: [] }]);
  });

  it('never logs a token, an address or an id, and counts by route', async () => {
    await ask(`/v1/messages/${idOf(1)}`);
    await ask('/v1/messages', { token: 'sealpost_wrong' });
    api.queue.failure = new Error('x');
    await ask('/v1/messages');
    const log = api.log();
    expect(log).toContain('"route":"/v1/messages/:id"');
    for (const secret of [ALICE, 'sealpost_', '127.0.0.1', idOf(1)]) expect(log).not.toContain(secret);
    expect(await api.metrics.registry.metrics()).toContain(
      'sealpost_api_requests_total{route="/v1/messages",status="401"} 1',
    );
  });
});

describe('limits', () => {
  it('stop one token, and leave the other one alone', async () => {
    api = await fresh({ token_rate: 3 });
    for (let n = 0; n < 3; n += 1) expect((await ask('/v1/messages')).status).toBe(200);
    const stopped = await ask('/v1/messages');
    expect(stopped.status).toBe(429);
    expect(Number(stopped.headers['retry-after'])).toBeGreaterThan(0);
    expect((await ask('/v1/messages', { token: BOB })).status).toBe(200);
  });

  it('stop who tries token after token, and not the good token behind the same address', async () => {
    api = await fresh({ refused_rate: 5 });
    for (let n = 0; n < 5; n += 1)
      expect((await ask('/v1/messages', { token: tokenOf(`guess ${n}`) })).status).toBe(401);
    expect((await ask('/v1/messages', { token: tokenOf('guess') })).status).toBe(429);
    expect((await ask('/v1/messages')).status).toBe(200);
  });

  it('stop an address, the document included, before the database is asked', async () => {
    api = await fresh({ address_rate: 2 });
    expect((await ask('/v1/openapi.json', { token: null })).status).toBe(200);
    expect((await ask('/v1/messages')).status).toBe(200);
    api.queue.asked.length = 0;
    expect((await ask('/v1/messages')).status).toBe(429);
    expect((await ask('/v1/openapi.json', { token: null })).status).toBe(429);
    expect(api.queue.asked).toEqual([]);
  });

  it('count the client behind a proxy that is trusted, and believe nobody else', async () => {
    const from = (address: string) => ({ headers: { 'x-forwarded-for': address } });
    api = await fresh({ address_rate: 1 });
    expect((await ask('/v1/messages', from('192.0.2.1'))).status).toBe(200);
    expect((await ask('/v1/messages', from('192.0.2.2'))).status).toBe(429);
    await api.server.close();
    api = await fresh({ address_rate: 1, trusted_proxies: ['127.0.0.1'] });
    expect((await ask('/v1/messages', from('192.0.2.1'))).status).toBe(200);
    expect((await ask('/v1/messages', from('192.0.2.2'))).status).toBe(200);
    expect((await ask('/v1/messages', from('192.0.2.1'))).status).toBe(429);
  });

  it('count the client behind a proxy that comes over a unix socket, which has no address', async () => {
    await api.server.close();
    const folder = await mkdtemp(join(tmpdir(), 'sp-'));
    const socketPath = join(folder, 'api.sock');
    api = await fresh({ address_rate: 1, listen: `unix:${socketPath}`, trusted_proxies: ['192.0.2.0/24'] });
    await api.server.listen({ path: socketPath });
    const statusFrom = async (forwarded: string | undefined): Promise<number | undefined> => {
      const headers = {
        authorization: `Bearer ${ALICE}`,
        ...(forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }),
      };
      const [response] = await once(
        get({ socketPath, path: '/v1/messages', headers, agent: false }),
        'response',
      );
      response.resume();
      return response.statusCode;
    };
    try {
      expect(await statusFrom('198.51.100.1')).toBe(200);
      expect(await statusFrom('198.51.100.2')).toBe(200);
      expect(await statusFrom('198.51.100.1')).toBe(429);
      // What a client claims in front of what the proxies saw is not believed.
      expect(await statusFrom('203.0.113.1, 198.51.100.2, 192.0.2.1')).toBe(429);
      expect(await statusFrom(undefined)).toBe(200);
      expect(await statusFrom(undefined)).toBe(429);
    } finally {
      await api.server.close();
      await rm(folder, { recursive: true });
    }
  });
});

describe('bearerToken', () => {
  it.each([
    ['Bearer abc', 'abc'],
    ['bearer   abc= ', 'abc='],
    ['Bearer', null],
    ['Bearer a b', null],
    ['Basic abc', null],
    ['Bearer ä', null],
    [undefined, null],
  ])('reads %j as %j', (header, token) => {
    expect(bearerToken(header)).toBe(token);
  });
});
