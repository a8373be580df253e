// The client's requests against servers that misbehave.
import { createServer, type Server as HttpServer, type RequestListener } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, it } from 'vitest';
import { createServerClient, type Server } from '../../../client/queue/http.ts';
import { ServerAway, ServerRefused } from '../../../client/queue/server-errors.ts';

// As node --expose-gc would give it to everybody.
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const servers: HttpServer[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** @param silence milliseconds; the default is long, since a busy machine is silent for a while */
async function clientOf(listener: RequestListener, silence = 60_000): Promise<Server> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  return createServerClient({ url: new URL(`http://127.0.0.1:${port}/`), token: 't', silence });
}

const never = new AbortController().signal;
const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'no error',
    (error) => error,
  );
const away = (message: RegExp) =>
  expect.objectContaining({ name: 'ServerAway', message: expect.stringMatching(message) });

describe('a request of pull', () => {
  it('gives up a server that says nothing, and one that falls silent in the middle, with the time it waited', async () => {
    const dumb = await clientOf(() => undefined, 200);
    expect(await failure(dumb.list(null, never))).toEqual(away(/nothing came for 0\.2 s/));
    const halting = await clientOf((_request, response) => void response.writeHead(200).write('{'), 200);
    expect(await failure(halting.list(null, never))).toEqual(away(/nothing came for 0\.2 s/));
    expect(await failure(halting.batch(['a'], never).next())).toEqual(away(/nothing came for 0\.2 s/));
  });

  it('gives up a server that falls silent, though memory is collected while it waits', {
    tags: ['slow'],
  }, async () => {
    const collecting = setInterval(collectGarbage, 10);
    try {
      for (let time = 0; time < 10; time += 1) {
        const halting = await clientOf((_request, response) => void response.writeHead(200).write('{'), 100);
        expect(await failure(halting.list(null, never))).toEqual(away(/nothing came for 0\.1 s/));
      }
    } finally {
      clearInterval(collecting);
    }
  });

  it('waits for as long as something comes, longer than the silence in all', { tags: ['slow'] }, async () => {
    const slow = await clientOf((_request, response) => {
      const pieces = [...'{"acknowledged":1}'];
      const timer = setInterval(() => {
        const piece = pieces.shift();
        if (piece !== undefined) return void response.write(piece);
        clearInterval(timer);
        response.end();
      }, 150);
    }, 2000);
    expect(await slow.acknowledge(['a'])).toBe(1);
  });

  it('carries the token to nobody else', async () => {
    const asked: (string | undefined)[] = [];
    const other = createServer((request, response) => {
      asked.push(request.headers.authorization);
      response.end('{}');
    });
    servers.push(other);
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = other.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const client = await clientOf((_request, response) =>
      response.writeHead(307, { location: `http://127.0.0.1:${port}/` }).end(),
    );
    expect(await failure(client.list(null, never))).toBeInstanceOf(ServerAway);
    expect(asked).toEqual([]);
  });

  it('ends with the reason of its signal', async () => {
    const dumb = await clientOf(() => undefined);
    const stop = new AbortController();
    const asked = failure(dumb.list(null, stop.signal));
    stop.abort(new Error('stopped by a signal'));
    expect(await asked).toEqual(new Error('stopped by a signal'));
  });

  it('refuses an answer that is none of ours', async () => {
    const web = await clientOf((_request, response) => void response.end('<html>'));
    expect(await failure(web.list(null, never))).toBeInstanceOf(ServerRefused);
    const endless = await clientOf(
      (_request, response) => void response.end(Buffer.alloc(5 * 1024 * 1024, 32)),
    );
    expect(await failure(endless.list(null, never))).toEqual(
      expect.objectContaining({ name: 'ServerRefused', message: expect.stringContaining('too long') }),
    );
  });
});
