// The spool's line of files, with a database that is played and never sweeps: what a look finds while a batch is at work.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { afterAll, expect, it } from 'vitest';
import { type SpoolContext, startSpool } from '../../../receiver/spool/spool.ts';
import { createLogger } from '../../../src/observe/log.ts';
import { createMetrics } from '../../../src/observe/metrics.ts';
import { createBudget } from '../../../src/smtp/server/budget.ts';

const spool = mkdtempSync(join(tmpdir(), 'sealpost-spool-'));
for (const folder of ['new', 'failed']) mkdirSync(join(spool, folder));
afterAll(() => rmSync(spool, { recursive: true, force: true }));

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function until(path: string): Promise<void> {
  for (let waited = 0; !existsSync(path); waited += 10) {
    if (waited > 10_000) throw new Error(`waited in vain for ${path}`);
    await pause(10);
  }
}

it('finds a file that came under a name whose batch was still at work', { tags: ['slow'] }, async () => {
  let commit: () => void = () => undefined;
  const committed = new Promise<void>((resolve) => {
    commit = resolve;
  });
  const pool = {
    connect: async () => ({
      query: async (query: string | { readonly name: string; readonly values: readonly [string[]] }) => {
        if (query === 'COMMIT') await committed;
        const claims = typeof query === 'object' && query.name === 'sealpost-spool-claim';
        return { rows: claims ? query.values[0].map((hash) => ({ hash })) : [] };
      },
      release: () => undefined,
    }),
  } as unknown as Pool;
  const budget = createBudget(1e8);
  const running = startSpool({
    pool,
    spool,
    admit: (bytes) => budget.request(bytes),
    timing: () => ({ maxAge: 1e9, leastBackOff: 1000, mostBackOff: 1000, most: 1e8 }),
    engine: { refresh: async () => undefined } as unknown as SpoolContext['engine'],
    logger: createLogger({ level: 'silent' }),
    metrics: createMetrics({ processMetrics: false }),
    outgoingDirectory: '/nonexistent',
    hostname: 'mx.test',
    maxReceived: () => 50,
    sweepInterval: () => 1e9,
  });
  try {
    writeFileSync(join(spool, 'new', '1.a.x'), '');
    await until(join(spool, 'failed', '1.a.x'));
    writeFileSync(join(spool, 'new', '1.a.x'), '');
    // Longer than from an event to the look that it causes.
    await pause(1000);
    commit();
    await until(join(spool, 'failed', '1.a.x.2'));
    expect(existsSync(join(spool, 'new', '1.a.x'))).toBe(false);
  } finally {
    commit();
    await running.close();
  }
});
