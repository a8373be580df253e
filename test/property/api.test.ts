// The HTTP interface, asked anything: it never fails, never gives out what is another user's, and never loses a message.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiInMemory, idOf, tokenOf } from '../support/queue-in-memory.ts';

const ALICE = tokenOf('alice');
const SECRET = 'only for bob';
let api: Awaited<ReturnType<typeof apiInMemory>>;

beforeAll(async () => {
  api = await apiInMemory({ token_rate: 1e6, address_rate: 1e6, refused_rate: 1e6 });
  api.queue.tokens.set(ALICE, 1).set(tokenOf('bob'), 2);
  api.queue.rows.push(
    { id: idOf(1), user: 1, number: 1, content: Buffer.from('for alice') },
    { id: idOf(2), user: 2, number: 1, content: Buffer.from(SECRET) },
  );
});
afterAll(() => api.server.close());

const word = fc.oneof(
  fc.constantFrom(
    idOf(1),
    idOf(2),
    'f'.repeat(32),
    '',
    '0',
    '-1',
    '1e9',
    '..',
    '%00',
    '%2e%2e%2f',
    'null',
    '999999999999999999',
  ),
  fc.string({ maxLength: 40 }).map(encodeURIComponent),
);
const path = fc.oneof(
  fc.constantFrom('/v1/messages', '/v1/batch', '/v1/acknowledge', '/v1/openapi.json', '/v1/events/', '/'),
  word.map((id) => `/v1/messages/${id}`),
  fc.array(word, { maxLength: 4 }).map((words) => `/${words.join('/')}`),
);
const query = fc.oneof(
  fc.constant(''),
  fc.record({ after: word, limit: word }).map(({ after, limit }) => `?after=${after}&limit=${limit}`),
  fc.array(word, { maxLength: 3 }).map((words) => `?${words.join('&')}`),
);
const headerText = fc
  .string({ unit: 'grapheme-ascii', maxLength: 60 })
  .map((text) => text.replace(/[^ -~]/g, ''));
const authorization = fc.oneof(
  { weight: 4, arbitrary: fc.constant(`Bearer ${ALICE}`) },
  headerText.map((text) => `Bearer ${text}`),
  headerText,
);
const body = fc.oneof(
  fc.record({ ids: fc.array(fc.oneof(word, fc.anything()), { maxLength: 5 }) }),
  fc.anything(),
);

function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? '';
  } catch {
    return '[1';
  }
}

describe('any request', () => {
  it('gets one of the documented answers, and nothing of another user', async () => {
    const request = fc.record({
      method: fc.constantFrom('GET', 'POST', 'DELETE', 'PUT', 'HEAD', 'PATCH', 'OPTIONS'),
      path,
      query,
      authorization,
      lastEventId: headerText,
      type: fc.oneof(fc.constant('application/json'), headerText),
      body,
      raw: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(request, async (asked) => {
        const url = `${asked.path}${asked.query}`;
        // An event stream does not end; its own tests are elsewhere.
        fc.pre(!/^\/+v1\/events\/?(?:\?|$)/.test(url));
        const answer = await api.server.inject({
          method: asked.method as 'GET',
          url,
          headers: {
            authorization: asked.authorization,
            'last-event-id': asked.lastEventId,
            ...(asked.method === 'GET' || asked.method === 'HEAD' ? {} : { 'content-type': asked.type }),
          },
          ...(asked.method === 'GET' || asked.method === 'HEAD'
            ? {}
            : { payload: asked.raw ? String(asked.lastEventId) : jsonOf(asked.body) }),
        });
        expect([200, 204, 400, 401, 404, 413, 414, 415]).toContain(answer.statusCode);
        expect(answer.payload).not.toContain(SECRET);
        expect(api.queue.rows.some(({ id }) => id === idOf(2))).toBe(true);
      }),
      { numRuns: 400 },
    );
  });
});
