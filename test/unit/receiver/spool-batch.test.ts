// A batch of spool files of which one fails: what it has taken of the memory budget comes back.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { type BatchParts, runBatch } from '../../../receiver/spool-batch.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { type Address, DirectoryUnavailable, type RecipientFacts } from '../../../src/directory/types.ts';
import { createLogger } from '../../../src/observe/log.ts';
import { createMetrics } from '../../../src/observe/metrics.ts';
import { createBudget } from '../../../src/smtp/budget.ts';

const spool = mkdtempSync(join(tmpdir(), 'sealpost-batch-'));
mkdirSync(join(spool, 'new'));
afterAll(() => rmSync(spool, { recursive: true, force: true }));

/** Every file is free, and none was tried before. */
const pool = {
  connect: async () => ({
    query: async (query: string | { readonly name: string; readonly values: readonly [string[]] }) => ({
      rows:
        typeof query === 'object' && query.name === 'sealpost-spool-claim'
          ? query.values[0].map((key) => ({ key }))
          : [],
    }),
    release: () => undefined,
  }),
} as unknown as Pool;

const alice: RecipientFacts = {
  address: 'alice@x.test' as Address,
  resolution: {
    kind: 'user',
    readers: [
      {
        kind: 'user',
        user: {
          id: 1,
          address: 'alice@x.test' as Address,
          status: 'active',
          settings: {},
          domain: {
            id: 1,
            name: 'x.test',
            class: 'virtual',
            foldLocalPart: true,
            settings: {},
            transport: null,
            rules: [],
          },
          quotaBytes: null,
          rules: [],
        },
        keys: [],
      },
    ],
    via: [],
  },
  domain: null,
  domainKeys: [],
};

describe('a batch in which one lookup fails', () => {
  it('gives back the memory of the messages that were sealed beside it, and leaves every file', async () => {
    const budget = createBudget(100_000_000);
    let sealed = 0;
    const parts: BatchParts = {
      pool,
      spool,
      admit: (bytes) => budget.request(bytes),
      timing: () => ({ maxAge: 1e9, leastBackOff: 1000, mostBackOff: 1000, most: 1e8 }),
      engine: {
        directory: {
          recipient: async (path) => {
            if (path !== 'alice@x.test') {
              await new Promise((resolve) => setTimeout(resolve, 50));
              throw new DirectoryUnavailable('away');
            }
            return alice;
          },
          invalidate: () => undefined,
          dropAll: () => undefined,
          watch: () => undefined,
        },
        chooser: async () => () => ({ state: 'usable', kind: 'openpgp', use: [], leftOut: [] }),
        sealer: {
          encrypt: async () => {
            sealed += 1;
            return Buffer.from('ciphertext');
          },
        } as unknown as BatchParts['engine']['sealer'],
      },
      global: () => configSchema.parse({}).encryption,
      logger: createLogger({ level: 'silent' }),
      metrics: createMetrics({ processMetrics: false }),
    };
    for (const [name, to] of [
      ['1.a.x', 'alice@x.test'],
      ['2.b.x', 'bob@x.test'],
    ] as const) {
      writeFileSync(join(spool, 'new', name), `Delivered-To: ${to}\nSubject: x\n\nbody\n`);
    }
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      await expect(runBatch(['1.a.x', '2.b.x'], new Set(), parts)).rejects.toThrow('away');
      expect(sealed).toBe(attempt);
      expect(budget.used()).toBe(0);
    }
    expect(readdirSync(join(spool, 'new')).sort()).toEqual(['1.a.x', '2.b.x']);
  });
});
