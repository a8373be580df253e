// One connection of the lookup daemons, over a real socket: order, pipelining, back-pressure, ends.
import { connect, createServer, type Server, type Socket } from 'node:net';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { AT_ONCE, type RequestProtocol, serveRequests } from '../../../policy/serve-requests.ts';
import { createTcpTableDecoder } from '../../../policy/tcp-table-codec.ts';
import type { Decoded } from '../../../policy/wire.ts';

const open: (Server | Socket)[] = [];
afterEach(() => {
  for (const each of open) {
    if ('destroy' in each) each.destroy();
    else each.close();
  }
  open.length = 0;
});

const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function client(answer: RequestProtocol<string>['answer'], stuckAfter?: number): Promise<Socket> {
  const protocol = { decoder: createTcpTableDecoder, malformed: () => undefined, answer };
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.push(socket);
    serveRequests(socket, protocol, pino({ level: 'silent' }), stuckAfter);
  });
  return connected(server);
}

async function connected(server: Server): Promise<Socket> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(server);
  const address = server.address();
  const socket = connect(typeof address === 'object' && address !== null ? address.port : 0, '127.0.0.1');
  open.push(socket);
  socket.on('error', () => undefined);
  return socket;
}

function everything(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
    });
    socket.on('close', () => resolve(text));
  });
}

describe('a connection', () => {
  it('answers in the order of the requests, however long each takes', async () => {
    const socket = await client(async (key) => {
      await later(key === 'slow' ? 50 : 0);
      return Buffer.from(`200 ${key}\n`);
    });
    const all = everything(socket);
    socket.end('get slow\nget fast\nput x y\nget last\n');
    expect((await all).replace(/500 .*/, '500')).toBe('200 slow\n200 fast\n500\n200 last\n');
  });
  it('gives others their turn after so many answers, whatever came in one go', async () => {
    const answeredIn: number[] = [];
    let turn = 0;
    let over = false;
    const count = (): void => {
      turn += 1;
      if (!over) setImmediate(count);
    };
    const socket = await client((key) => {
      answeredIn.push(turn);
      return Buffer.from(`200 ${key}\n`);
    });
    const all = everything(socket);
    count();
    // Lines that are no request count, too.
    socket.end('get a\nput b\n'.repeat(4000));
    expect(await all).toBe(
      '200 a\n500 put%20is%20not%20supported:%20these%20tables%20are%20read-only\n'.repeat(4000),
    );
    over = true;
    const inTurns = new Map<number, number>();
    for (const each of answeredIn) inTurns.set(each, (inTurns.get(each) ?? 0) + 1);
    expect(Math.max(...inTurns.values())).toBeLessThanOrEqual(AT_ONCE / 2);
  });

  it('mixes answers that are there with answers that come', async () => {
    const socket = await client((key) => {
      const reply = Buffer.from(`200 ${key}\n`);
      return Number(key) % 3 === 0 ? later(1).then(() => reply) : reply;
    });
    const all = everything(socket);
    const keys = Array.from({ length: 300 }, (_, index) => String(index));
    socket.end(keys.map((key) => `get ${key}\n`).join(''));
    expect(await all).toBe(keys.map((key) => `200 ${key}\n`).join(''));
  });
  it('closes without a reply where there is none to give', async () => {
    const socket = await client(() => null);
    const all = everything(socket);
    socket.write('get a\nget b\n');
    expect(await all).toBe('');
  });
  it('stops reading from a client that does not read, and goes on when it does', {
    tags: ['slow'],
  }, async () => {
    let asked = 0;
    const reply = Buffer.from(`200 ${'x'.repeat(2000)}\n`);
    const socket = await client(() => {
      asked += 1;
      return reply;
    });
    socket.pause();
    const total = 50_000;
    for (let sent = 0; sent < total; sent += 1000) socket.write('get a\n'.repeat(1000));
    // A busy machine takes its time until the buffers between us are full.
    let early = -1;
    while (early !== asked) {
      early = asked;
      await later(300);
    }
    await later(100);
    expect(asked).toBe(early);
    expect(asked).toBeLessThan(total);
    let bytes = 0;
    const done = new Promise<void>((resolve) => {
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes === total * reply.length) resolve();
      });
    });
    socket.resume();
    await done;
    expect(asked).toBe(total);
  });
  it('is closed when the client leaves its answers unread for too long', { tags: ['slow'] }, async () => {
    const socket = await client(() => Buffer.from(`200 ${'x'.repeat(4000)}\n`), 100);
    socket.pause();
    const closed = new Promise((resolve) => socket.on('close', resolve));
    for (let sent = 0; sent < 20; sent += 1) socket.write('get a\n'.repeat(1000));
    await later(1000);
    socket.resume();
    await closed;
  });
  it('does not wait for ever for a client that has ended its side and reads nothing', async () => {
    const afterwards = {
      kind: 'error',
      reply: Buffer.alloc(64 * 2 ** 20),
      reason: 'last',
      close: true,
    } as const;
    const requests: Decoded<string>[] = [{ kind: 'request', request: 'first' }, afterwards];
    const decoder = () => ({
      push: () => undefined,
      next: () => requests.shift() ?? null,
      buffered: () => 0,
    });
    let closed: (value: unknown) => void = () => undefined;
    const closing = new Promise((resolve) => {
      closed = resolve;
    });
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      open.push(socket);
      socket.on('close', closed);
      const answer = (): Promise<Buffer> =>
        new Promise((resolve) => socket.on('end', () => resolve(Buffer.from('200 x\n'))));
      const protocol = { decoder, malformed: () => undefined, answer };
      serveRequests(socket, protocol, pino({ level: 'silent' }), 50);
    });
    const socket = await connected(server);
    socket.pause();
    socket.end('anything');
    await closing;
  });
  it('stays open while nobody asks', async () => {
    const socket = await client(() => Buffer.from('200 x\n'), 50);
    let closed = false;
    socket.on('close', () => {
      closed = true;
    });
    await later(300);
    expect(closed).toBe(false);
    const answer = new Promise((resolve) =>
      socket.once('data', (chunk: Buffer) => resolve(chunk.toString())),
    );
    socket.write('get a\n');
    expect(await answer).toBe('200 x\n');
  });
  it('bears a client that resets in the middle of an answer', async () => {
    const socket = await client(() => later(50).then(() => Buffer.from('200 x\n')));
    await new Promise<void>((resolve) => socket.write('get a\nget b\n', () => resolve()));
    socket.resetAndDestroy();
    await later(150);
    const next = await client(() => Buffer.from('200 y\n'));
    const all = everything(next);
    next.end('get a\n');
    expect(await all).toBe('200 y\n');
  });
});
