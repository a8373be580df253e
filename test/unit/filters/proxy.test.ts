// The listeners of the filter through reloads: nothing waits for mail in flight, and a reload that fails leaves them as they were.
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ProxyFilter, startProxyFilter } from '../../../filters/proxy.ts';
import { type Config, configSchema } from '../../../src/config/schema.ts';
import type { Engine } from '../../../src/delivery/engine.ts';
import { createLogger } from '../../../src/observe/log.ts';
import { createMetrics } from '../../../src/observe/metrics.ts';
import { eventually, rawClient } from './listener-support.ts';

let folder: string;
let proxy: ProxyFilter;
const clients: ReturnType<typeof rawClient>[] = [];
const metrics = createMetrics({ processMetrics: false });
/** Ends what is in delivery. */
const release: (() => void)[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'proxy-'));
});
afterEach(async () => {
  for (const end of release.splice(0)) end();
  for (const client of clients.splice(0)) client.socket.destroy();
  await proxy.close(0);
  await rm(folder, { recursive: true });
});

function configure(...listen: readonly object[]): Config {
  return configSchema.parse({ filter: { listen, shutdown_grace: '55s' } });
}

const at = (path: string, more: object = {}) => ({
  name: path,
  protocol: 'lmtp',
  address: `unix:${join(folder, path)}`,
  ...more,
});

/** Every message stays in delivery until the end of the test. */
async function start(config: Config): Promise<void> {
  const waits = () => new Promise<never>((_, reject) => release.push(() => reject(new Error('the end'))));
  const deliverer = { deliver: waits, deliverAsOne: waits, abandon: () => undefined };
  proxy = await startProxyFilter(
    config,
    { deliverer } as unknown as Engine,
    createLogger({ level: 'silent' }),
    metrics,
  );
}

function connectTo(path: string) {
  const client = rawClient({ path: join(folder, path) });
  clients.push(client);
  return client;
}

async function mailInFlight(path: string): Promise<void> {
  const client = connectTo(path);
  await client.hello();
  client.write('MAIL FROM:<>\r\nRCPT TO:<a@x.test>\r\nDATA\r\nx\r\n.\r\n');
  await eventually(() => proxy.inFlight() === 1, 'the message is in delivery');
}

describe('a reload', () => {
  it('opens, moves and removes listeners while mail is in flight on those that go', async () => {
    await start(configure(at('moved'), at('removed')));
    await mailInFlight('moved');
    await proxy.reconfigure(configure(at('moved', { protocol: 'smtp' }), at('new')));
    expect(proxy.listeners().map(({ name }) => name)).toEqual(['moved', 'new']);
    expect(await connectTo('moved').reply()).toMatch(/ESMTP/);
    expect(await connectTo('new').reply()).toMatch(/LMTP/);
    expect(await connectTo('removed').reply()).toBe('');
    expect(proxy.inFlight()).toBe(1);
  });

  it('that fails opens at once what it had closed, while mail is in flight there', async () => {
    await start(configure(at('moved'), at('kept')));
    await mailInFlight('moved');
    const taken: Server = createServer().listen(join(folder, 'taken'));
    await expect(
      proxy.reconfigure(configure(at('moved', { protocol: 'smtp' }), at('kept'), at('taken'))),
    ).rejects.toThrow('another process already listens');
    taken.close();
    expect(await connectTo('moved').reply()).toMatch(/LMTP/);
    expect(await connectTo('kept').reply()).toMatch(/LMTP/);
    expect(proxy.listeners().map(({ name }) => name)).toEqual(['kept', 'moved']);
  });

  it('takes the number of connections of a removed listener out of the metrics', async () => {
    await start(configure(at('removed'), at('kept')));
    const counted = async () => (await metrics.connections.get()).values.map(({ labels }) => labels.listener);
    metrics.connections.set({ listener: 'removed' }, 1);
    metrics.connections.set({ listener: 'kept' }, 1);
    await proxy.reconfigure(configure(at('kept')));
    expect(await counted()).not.toContain('removed');
    expect(await counted()).toContain('kept');
  });
});
