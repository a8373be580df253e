// What several workers say as one, what each of them may use, and what one that is started anew is told.
import cluster from 'node:cluster';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { describe, expect, it, vi } from 'vitest';
import { configSchema } from '../../../src/config/schema.ts';
import { shareOf, warningsAboutShares } from '../../../src/serve/share.ts';
import { combinedHealth, combinedStatus } from '../../../src/serve/worker-link.ts';
import { createWorkers } from '../../../src/serve/workers.ts';

describe('the share of a worker', () => {
  it('divides memory and connections, and leaves everything else as it is', () => {
    const config = configSchema.parse({
      database: { pool_size: 10 },
      filter: { memory_budget: '256MB', max_connections: 501 },
    });
    const share = shareOf(config, 2);
    expect(share.database.pool_size).toBe(5);
    expect(share.filter.memory_budget).toBe(config.filter.memory_budget / 2);
    expect(share.filter.max_connections).toBe(251);
    expect(share.filter.next_hop_connections).toBe(25);
    expect(share.filter.max_message_size).toBe(config.filter.max_message_size);
    expect({ ...share, filter: null, database: null }).toEqual({ ...config, filter: null, database: null });
  });

  it('is never nothing', () => {
    const config = configSchema.parse({ filter: { next_hop_connections: 1 } });
    expect(shareOf(config, 8).filter.next_hop_connections).toBe(1);
  });

  it.each([
    ['10', 64, 2],
    ['one that was asked for', 64, 1],
  ])('has two database connections at least, unless fewer are configured: %s', (_, workers, expected) => {
    const config = configSchema.parse({ database: { pool_size: expected === 1 ? 1 : 10 } });
    expect(shareOf(config, workers).database.pool_size).toBe(expected);
  });

  it.each([
    ['the budget suffices', '256MB', '50MB', 5, 51.2e6],
    ['a message is larger than an even share', '256MB', '50MB', 8, 50e6],
    ['a message is larger than the whole budget', '40MB', '50MB', 8, 40e6],
  ])(
    'of memory holds the largest message, as the whole would: %s',
    (_, budget, largest, workers, expected) => {
      const config = configSchema.parse({ filter: { memory_budget: budget, max_message_size: largest } });
      expect(shareOf(config, workers).filter.memory_budget).toBe(expected);
    },
  );

  it('is warned about when the sum is more than the budget', () => {
    const config = configSchema.parse({ filter: { memory_budget: '256MB', max_message_size: '50MB' } });
    expect(warningsAboutShares(config, 1)).toEqual([]);
    expect(warningsAboutShares(config, 5)).toEqual([]);
    expect(warningsAboutShares(config, 8)).toEqual([
      'filter.memory_budget: found 256MB for 8 workers; expected 400MB (8 times filter.max_message_size): ' +
        'each worker takes 50MB, 400MB in all; raise it, or start fewer workers',
    ]);
  });
});

const status = (pid: number, connections: number) => ({
  pid,
  version: '1.0',
  listeners: [{ name: 'lmtp', address: '127.0.0.1:10024', connections }],
  last_minute: { accepted: connections },
  in_flight: { transactions: connections, bytes: 100, late: 0 },
});

describe('the status of all workers', () => {
  it('adds up connections and what is in flight, and names each worker', () => {
    expect(combinedStatus([status(11, 2), status(12, 3)])).toEqual({
      version: '1.0',
      pid: process.pid,
      workers: [
        { pid: 11, in_flight: { transactions: 2, bytes: 100, late: 0 } },
        { pid: 12, in_flight: { transactions: 3, bytes: 100, late: 0 } },
      ],
      listeners: [{ name: 'lmtp', address: '127.0.0.1:10024', connections: 5 }],
      last_minute: { accepted: 5 },
      in_flight: { transactions: 5, bytes: 200, late: 0 },
    });
  });
});

describe('a worker that is not well', () => {
  it('is in the status of all, whichever of them it is, and two with one trouble say it once', () => {
    const ill = { ...status(12, 3), complaints: ['mail is deferred'] };
    expect(combinedStatus([status(11, 2), ill, ill])).toMatchObject({ complaints: ['mail is deferred'] });
  });
});

describe('the health of all workers', () => {
  const well = { ready: true, reasons: [] };
  const ill = { ready: false, reasons: ['the database does not answer'] };
  it.each([
    ['all are ready', [well, well], 2, { ready: true, reasons: [] }],
    ['one is not', [well, ill], 2, ill],
    ['both have the same trouble: it is said once', [ill, ill], 2, ill],
    ['one is missing', [well], 1, { ready: false, reasons: ['1 of 2 workers are not running'] }],
    ['one is silent', [well], 2, { ready: false, reasons: ['1 of 2 workers did not answer in time'] }],
    [
      'one is missing and the other in trouble',
      [ill],
      1,
      { ready: false, reasons: ['the database does not answer', '1 of 2 workers are not running'] },
    ],
  ])('%s', (_, healths, running, expected) => {
    expect(combinedHealth(healths, running, 2)).toEqual(expected);
  });
});

describe('a worker that was starting while the others read the configuration again', () => {
  it('reads it again when it is ready', { tags: ['slow'] }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'workers-'));
    const [go, log] = [join(folder, 'go'), join(folder, 'log')];
    vi.stubEnv('WORKER_GO', go);
    vi.stubEnv('WORKER_LOG', log);
    cluster.setupPrimary({ exec: join(import.meta.dirname, 'worker-child.mjs'), execArgv: [] });
    await writeFile(go, '');
    const workers = createWorkers(1, pino({ level: 'silent' }));
    await workers.start(new Promise(() => undefined));
    const lines = async () => (await readFile(log, 'utf8')).trim().split('\n');
    const until = (count: number) =>
      vi.waitFor(async () => expect(await lines()).toHaveLength(count), { timeout: 20_000 });
    try {
      await workers.reload();
      expect((await lines()).slice(1)).toEqual(['reload']);
      await rm(go);
      process.kill(Number((await lines())[0]?.split(' ')[1]), 'SIGKILL');
      await until(3);
      expect(workers.running()).toBe(0);
      await workers.reload();
      await writeFile(go, '');
      await until(4);
      expect((await lines()).at(-1)).toBe('reload');
    } finally {
      await workers.stop(5000);
      vi.unstubAllEnvs();
      await rm(folder, { recursive: true });
    }
  });
});
