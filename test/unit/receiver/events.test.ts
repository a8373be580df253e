// The event stream: what waits behind the cursor, then what comes, whatever notifications are lost.
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createEventReader, type ServerEvent } from '../../../client/queue/event-stream.ts';
import { createArrivals } from '../../../receiver/api/arrivals.ts';
import { eventStream } from '../../../receiver/api/events.ts';
import { apiInMemory, idOf, tokenOf } from '../../support/queue-in-memory.ts';

type Api = Awaited<ReturnType<typeof apiInMemory>>;
let api: Api | undefined;
afterEach(async () => {
  await api?.board.close();
  await api?.server.close();
});

const ALICE = { tokenId: 1, userId: 1 };

async function until(holds: () => boolean): Promise<void> {
  for (let n = 0; n < 2000 && !holds(); n += 1) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(holds()).toBe(true);
}

async function open(after: number, prepare: (made: Api) => void = () => undefined, heartbeat = 60_000) {
  const made = await apiInMemory({}, heartbeat);
  api = made;
  made.queue.tokens.set(tokenOf('alice'), 1);
  prepare(made);
  const gone = new AbortController();
  const stream = eventStream(made.context, ALICE, after, gone.signal);
  const read = createEventReader();
  const found: ServerEvent[] = [];
  let comments = '';
  let ended = false;
  const reading = (async () => {
    for await (const text of stream) {
      comments += text.startsWith(':') ? text : '';
      found.push(...read(text));
    }
    ended = true;
  })();
  return { made, gone, reading, found, ended: () => ended, comments: () => comments };
}

const put = (made: Api, number: number, user = 1): void => {
  made.queue.rows.push({ id: idOf(number), user, number, content: Buffer.from('x') });
};

describe('the event stream', () => {
  it('begins with what waits behind the cursor, and goes on with what comes', async () => {
    const { made, found } = await open(1, (made) => {
      put(made, 1);
      put(made, 2);
    });
    await until(() => found.length === 1);
    put(made, 3);
    put(made, 4);
    made.board.arrived(1);
    await until(() => found.length === 3);
    expect(found.map(({ id, data }) => [id, JSON.parse(data)])).toEqual(
      [2, 3, 4].map((number) => [
        String(number),
        { id: idOf(number), size: 1, received: '2026-11-25T10:00:00.000Z' },
      ]),
    );
  });

  it("tells nobody of another user's mail", async () => {
    const { made, found } = await open(0);
    await until(() => made.board.streams(1) === 1);
    put(made, 7, 2);
    made.board.arrived(2);
    made.board.arrived(1);
    put(made, 8);
    made.board.arrived(1);
    await until(() => found.length === 1);
    expect(found[0]?.id).toBe('8');
  });

  it('tells of mail that came while notifications were lost, once they are restored', async () => {
    const { made, found } = await open(0);
    await until(() => made.queue.asked.includes('sealpost_list_queue'));
    put(made, 1);
    put(made, 2);
    // No notification came. The connection is back:
    made.board.arrived(null);
    await until(() => found.length === 2);
  });

  it('brings more than one query can, in order', async () => {
    const { found } = await open(0, (made) => {
      for (let number = 1; number <= 250; number += 1) put(made, number);
    });
    await until(() => found.length === 250);
    expect(found.map(({ id }) => Number(id))).toEqual(Array.from({ length: 250 }, (_, index) => index + 1));
  });

  it('keeps the connection alive with comments', async () => {
    const { comments } = await open(0, () => undefined, 10);
    await until(() => comments().split('still here').length > 3);
  });

  it('ends when the token is revoked, and only then', async () => {
    const { made, ended } = await open(0);
    await until(() => made.board.streams(1) === 1);
    made.board.tokensChanged(1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(ended()).toBe(false);
    made.queue.tokens.clear();
    made.board.tokensChanged(1);
    await until(ended);
    expect(made.board.count()).toBe(0);
  });

  it('ends when the token was revoked while the stream was being opened', async () => {
    const { made, ended } = await open(0, (made) => made.queue.tokens.clear());
    await until(ended);
    expect(made.board.count()).toBe(0);
  });

  it('ends when the token is revoked while it brings what waits, however much that is', async () => {
    const made = await apiInMemory();
    api = made;
    made.queue.tokens.set(tokenOf('alice'), 1);
    for (let number = 1; number <= 300; number += 1) put(made, number);
    const stream = eventStream(made.context, ALICE, 0, new AbortController().signal);
    await stream.next();
    await stream.next();
    made.queue.tokens.clear();
    made.board.tokensChanged(1);
    await new Promise((resolve) => setImmediate(resolve));
    let more = 0;
    for await (const _ of stream) more += 1;
    // The rest of the page that one query had brought.
    expect(more).toBe(99);
  });

  it('asks again whether tokens are good where the database gave no answer', async () => {
    let asked = 0;
    const board = createArrivals(async () => {
      asked += 1;
      if (asked === 1) return new Set([1]);
      if (asked < 4) throw new Error('away');
      return new Set();
    }, 1);
    const subscription = board.subscribe(ALICE);
    board.tokensChanged(1);
    expect(await subscription.wait(20_000)).toBe('end');
    expect(asked).toBe(4);
  });

  it('holds no place for a client that left before it began', async () => {
    const made = await apiInMemory();
    api = made;
    eventStream(made.context, ALICE, 0, AbortSignal.abort());
    const gone = new AbortController();
    eventStream(made.context, ALICE, 0, gone.signal);
    expect(made.board.count()).toBe(1);
    gone.abort();
    expect(made.board.count()).toBe(0);
  });

  it('ends with its connection, also while it waits there for the answer to another request', async () => {
    const made = await apiInMemory();
    api = made;
    made.queue.tokens.set(tokenOf('alice'), 1);
    const url = new URL(await made.server.listen({ host: '127.0.0.1', port: 0 }));
    const client = connect(Number(url.port), url.hostname);
    const request = `GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${tokenOf('alice')}\r\n\r\n`;
    client.write(request.repeat(3));
    await until(() => made.board.streams(1) === 3);
    client.destroy();
    await until(() => made.board.count() === 0);
  });

  it('ends when the client is gone, and leaves nothing behind', async () => {
    const { made, gone, ended } = await open(0);
    await until(() => made.board.streams(1) === 1);
    gone.abort();
    await until(ended);
    expect(made.board.count()).toBe(0);
  });

  it('is refused beyond the number that a user may have', async () => {
    const made = await apiInMemory({ max_events: 2 });
    api = made;
    made.queue.tokens.set(tokenOf('alice'), 1);
    const subscriptions = [made.board.subscribe(ALICE), made.board.subscribe(ALICE)];
    const headers = { authorization: `Bearer ${tokenOf('alice')}` };
    const answer = await made.server.inject({ url: '/v1/events', headers });
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([429, '60']);
    for (const subscription of subscriptions) subscription.close();
  });

  it('is refused beyond that number also to requests that come at the same moment', async () => {
    const made = await apiInMemory({ max_events: 2 });
    api = made;
    made.queue.tokens.set(tokenOf('alice'), 1);
    const headers = { authorization: `Bearer ${tokenOf('alice')}` };
    const refused: number[] = [];
    for (let n = 0; n < 5; n += 1)
      made.server.inject({ url: '/v1/events', headers }).then(({ statusCode }) => refused.push(statusCode));
    await until(() => refused.length === 3);
    expect(refused).toEqual([429, 429, 429]);
    expect(made.board.streams(1)).toBe(2);
  });
});

describe('the reader of event streams', () => {
  it.each<[string, readonly string[], readonly ServerEvent[]]>([
    ['an event in one piece', ['id: 1\ndata: a\n\n'], [{ id: '1', data: 'a' }]],
    ['an event cut anywhere', ['i', 'd: 1\nda', 'ta: a\n', '\n'], [{ id: '1', data: 'a' }]],
    ['CRLF, cut between CR and LF', ['data: a\r', '\n\r', '\n'], [{ id: '', data: 'a' }]],
    [
      'bare CR',
      ['data: a\r\rdata: b\r\r:'],
      [
        { id: '', data: 'a' },
        { id: '', data: 'b' },
      ],
    ],
    ['several lines of data', ['data: a\ndata: b\n\n'], [{ id: '', data: 'a\nb' }]],
    ['comments, retry, and unknown fields', [': x\nretry: 5\nevent: y\nz\n\n'], []],
    [
      'an id that stays',
      ['id: 7\ndata: a\n\ndata: b\n\n'],
      [
        { id: '7', data: 'a' },
        { id: '7', data: 'b' },
      ],
    ],
    ['an event without its end', ['data: a\n'], []],
  ])('understands %s', (_, pieces, events) => {
    const read = createEventReader();
    expect(pieces.flatMap((piece) => read(piece))).toEqual(events);
  });

  it('refuses a line without end', () => {
    const read = createEventReader();
    expect(() => read('x'.repeat(100_000))).toThrow('too long');
  });
});
