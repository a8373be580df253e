// Who greets at our listeners, as doctor sees it.
import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { readListeners } from '../../../src/doctor/readers/network.ts';
import { configOf } from './world.ts';

const servers: ReturnType<typeof createServer>[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** @returns what doctor has against a listener that greets so */
async function failureOf(greeting: string): Promise<string | null | undefined> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end(greeting);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  const config = configOf('after-queue-lmtp');
  const listen = config.filter.listen.map((each) => ({
    ...each,
    address: { kind: 'inet', host: '127.0.0.1', port } as const,
  }));
  const loaded = { config: { ...config, filter: { ...config.filter, listen } } };
  const ask = (() => Promise.resolve(loaded)) as unknown as Parameters<typeof readListeners>[0];
  return (await readListeners(ask))[0]?.failure;
}

describe('a listener of sealpost', () => {
  it.each([
    ['sealpost itself', '220 mx.example.org LMTP sealpost\r\n', null],
    [
      'amavis, which has its port',
      '220 [127.0.0.1] ESMTP amavisd-new service ready\r\n',
      /^that is not sealpost: it says "220 \[127\.0\.0\.1\] ESMTP amavisd-new/,
    ],
    ['sealpost in a host name', '220 sealpost.example.org ESMTP Postfix\r\n', /^that is not sealpost/],
    ['sealpost, busy', '421 4.3.2 too many connections\r\n', /421 4\.3\.2/],
  ])('greeted by %s', async (_, greeting, failure) => {
    const found = await failureOf(greeting);
    if (failure === null) expect(found).toBeNull();
    else expect(found).toMatch(failure);
  });
});
