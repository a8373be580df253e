// Requests that come a byte at a time: no client may hold a connection of an HTTP server for longer than a request may take.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { createHttpServer, type HttpListener, listenHttp } from '../../../src/http/server.ts';

const TIMEOUT_MS = 300;

let listener: HttpListener | undefined;
const clients: Socket[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await listener?.close(0);
  listener = undefined;
});

/** A server with a short deadline; what became of a client that sends the rest a byte at a time. */
async function trickled(
  beginning: string,
  rest: string,
): Promise<{ readonly ms: number; readonly answer: string }> {
  const logger = pino({ level: 'silent' });
  const server = createHttpServer({
    logger,
    request: 'a request',
    refusal: () => 'no',
    bodyLimitBytes: 100_000,
    maxConnections: 10,
    idleTimeoutMs: 60_000,
    keepAliveMs: 60_000,
    requestTimeoutMs: TIMEOUT_MS,
  });
  server.get('/', async () => ({ got: 'nothing' }));
  server.post('/', async () => ({ got: 'it' }));
  server.post(
    '/unread',
    { onRequest: async (_, reply) => reply.code(401).send({ error: 'no' }) },
    async () => ({}),
  );
  listener = await listenHttp(server, {
    name: 'test',
    title: 'test',
    endpoint: { kind: 'inet', host: '127.0.0.1', port: 0 },
    logger,
  });
  const { endpoint } = listener;
  const client = connect(endpoint.kind === 'inet' ? endpoint.port : 0, '127.0.0.1').on(
    'error',
    () => undefined,
  );
  clients.push(client);
  let answer = '';
  client.on('data', (chunk: Buffer) => {
    answer += chunk.toString();
  });
  await once(client, 'connect');
  const started = performance.now();
  client.write(beginning);
  let at = 0;
  const drip = setInterval(() => {
    if (rest !== '') client.write(rest.charAt(at % rest.length));
    at += 1;
  }, 10);
  // Not events.once, which rejects where the server resets a connection with bytes that it has not read.
  await new Promise((resolve) => client.once('close', resolve));
  clearInterval(drip);
  return { ms: performance.now() - started, answer };
}

describe('a request that comes a byte at a time', () => {
  it.each([
    ['in its request line', 'GET /', 'a'],
    ['that never comes', '', ''],
    ['in its header', 'GET / HTTP/1.1\r\nHost: localhost\r\nX: ', 'a'],
    ['in many header fields', 'GET / HTTP/1.1\r\nHost: localhost\r\n', 'X: y\r\n'],
    [
      'in its body',
      'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 90000\r\n\r\n"',
      'a',
    ],
    [
      'in its chunks',
      'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
      '1\r\n1\r\n',
    ],
    [
      'in a body that is refused unread',
      'POST /unread HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 90000\r\n\r\n"',
      'a',
    ],
    [
      'as the second one of its connection',
      'GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\nX: ',
      'a',
    ],
  ])('%s, ends at the deadline', async (_, beginning, rest) => {
    const { ms, answer } = await trickled(beginning, rest);
    expect(ms).toBeGreaterThan(TIMEOUT_MS * 0.9);
    expect(ms).toBeLessThan(TIMEOUT_MS * 10);
    expect(answer).not.toContain('"it"');
  });
});
