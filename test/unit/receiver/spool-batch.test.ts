// Batches of spool files: what they take of the memory budget comes back, and what they hold at once.

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { type BatchContext, runBatch } from '../../../receiver/spool/batch.ts';
import type { Address } from '../../../src/address/address.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { deciderOf, eachOf } from '../../../src/delivery/decide.ts';
import { DirectoryUnavailable, type RecipientFacts } from '../../../src/directory/types.ts';
import { createLogger } from '../../../src/observe/log.ts';
import { createMetrics } from '../../../src/observe/metrics.ts';
import { createBudget } from '../../../src/smtp/server/budget.ts';

const spool = mkdtempSync(join(tmpdir(), 'sealpost-batch-'));
mkdirSync(join(spool, 'new'));
const outgoing = join(spool, 'outgoing');
afterAll(() => rmSync(spool, { recursive: true, force: true }));

type Asked = (name: string, values: readonly unknown[]) => void;
type Query = string | { readonly name: string; readonly values: readonly [unknown[]] };

/** Every file is free, none was tried before, and every user is there. @param asked is told what the database is asked */
function poolOf(asked: Asked = () => undefined): Pool {
  const answers: Readonly<Record<string, (values: readonly unknown[]) => readonly unknown[]>> = {
    'sealpost-spool-claim': (hashes) => hashes.map((hash) => ({ hash })),
    'sealpost-queue-users': (ids) => ids.map((id) => ({ id, quota_bytes: null, quota_messages: null })),
    'sealpost-queue-counts': (ids) =>
      ids.map((id) => ({ user_id: id, messages: '0', bytes: '0', last_number: '0' })),
  };
  return {
    connect: async () => ({
      query: async (query: Query) => {
        const name = typeof query === 'string' ? query : query.name;
        asked(name, typeof query === 'string' ? [] : query.values);
        return { rows: typeof query === 'string' ? [] : (answers[name]?.(query.values[0]) ?? []) };
      },
      release: () => undefined,
    }),
  } as unknown as Pool;
}

/** What is known of an address that is read by the users 1 to `readers`. */
function readBy(readers: number): RecipientFacts {
  return {
    address: 'alice@x.test' as Address,
    resolution: {
      kind: 'alias',
      readers: Array.from({ length: readers }, (_, index) => ({
        kind: 'user',
        user: {
          id: index + 1,
          address: `user${index + 1}@x.test` as Address,
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
      })),
      via: [],
    },
    domain: null,
    domainKeys: [],
  };
}

interface Stage {
  readonly recipient: (path: string) => Promise<RecipientFacts>;
  readonly encrypt: () => Promise<Uint8Array>;
  readonly asked?: Asked;
}

const decider = deciderOf(() => configSchema.parse({}));

function stage({ recipient, encrypt, asked }: Stage) {
  const budget = createBudget(100_000_000);
  const parts: BatchContext = {
    pool: poolOf(asked),
    spool,
    admit: (bytes) => budget.request(bytes),
    timing: () => ({ maxAge: 1e9, leastBackOff: 1000, mostBackOff: 1000, most: 1e8 }),
    engine: {
      directory: {
        recipient,
        invalidate: () => undefined,
        dropAll: () => undefined,
        watch: () => undefined,
        kept: () => 0,
      },
      refresh: async () => undefined,
      tell: () => undefined,
      decider: {
        ...decider,
        forQueue: async (facts, message) =>
          eachOf({
            facts,
            global: configSchema.parse({}).encryption,
            detection: { encrypted: false, because: 'in the queue everything is sealed' },
            message,
            choose: () => ({ state: 'usable', kind: 'openpgp', use: [], leftOut: [], judged: [] }),
          }),
      },
      sealer: { encrypt, giveBack: () => undefined } as unknown as BatchContext['engine']['sealer'],
    },
    logger: createLogger({ level: 'silent' }),
    metrics: createMetrics({ processMetrics: false }),
    outgoingDirectory: outgoing,
  };
  return { parts, budget };
}

function deliver(name: string, to: string, bytes = 5): void {
  const header = `Delivered-To: ${to}\nSubject: x\n\n`;
  writeFileSync(join(spool, 'new', name), `${header}${'x'.repeat(bytes - 1)}\n`);
}

/** Files of the spool that this process has open. */
function openFiles(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(spool);
    } catch {
      return false;
    }
  }).length;
}

/** Copies of the message that wait in files. */
function waitingFiles(): number {
  return existsSync(outgoing) ? readdirSync(outgoing).length : 0;
}

/** Larger than what is read into memory. */
const LARGE = 5 * 2 ** 20;

describe('a batch in which one lookup fails', () => {
  it('gives back the memory of the messages that were sealed beside it, and leaves every file', async () => {
    let sealed = 0;
    const { parts, budget } = stage({
      recipient: async (path) => {
        if (path === 'alice@x.test') return readBy(1);
        if (path === 'all@x.test') return readBy(3);
        await new Promise((resolve) => setTimeout(resolve, 50));
        throw new DirectoryUnavailable('away');
      },
      encrypt: async () => {
        sealed += 1;
        return Buffer.from('ciphertext');
      },
    });
    const names = ['1.a.x', '2.b.x', '3.c.x'];
    deliver('1.a.x', 'alice@x.test');
    deliver('2.b.x', 'bob@x.test');
    deliver('3.c.x', 'all@x.test', LARGE);
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      await expect(runBatch(names, new Set(), parts)).rejects.toThrow('away');
      expect(sealed).toBe(4 * attempt);
      expect([budget.used(), openFiles(), waitingFiles()]).toEqual([0, 0, 0]);
    }
    expect(readdirSync(join(spool, 'new')).sort()).toEqual(names);
    for (const name of names) rmSync(join(spool, 'new', name));
  });
});

describe('a message with several readers', () => {
  /** Files with its copies at each statement that inserts some, and what was inserted. */
  async function run(encrypt: (copy: number) => Promise<Uint8Array>) {
    const inserted: (readonly [files: number, bytes: number])[] = [];
    let copies = 0;
    const { parts, budget } = stage({
      recipient: async () => readBy(3),
      encrypt: () => {
        copies += 1;
        return encrypt(copies);
      },
      asked: (_name, values) => {
        const bytes = values.find((value) => value instanceof Uint8Array)?.length ?? 0;
        if (bytes > 0) inserted.push([waitingFiles(), bytes]);
      },
    });
    deliver('1.a.x', 'all@x.test');
    const result = await runBatch(['1.a.x'], new Set(), parts);
    expect([budget.used(), openFiles(), waitingFiles()]).toEqual([0, 0, 0]);
    return { result, inserted };
  }

  it('is filed from memory when all its copies are small', async () => {
    const { result, inserted } = await run(async () => Buffer.alloc(1000, 1));
    expect(inserted).toEqual([[0, 3000]]);
    expect(result).toMatchObject({ filed: 3, waiting: [] });
    expect(readdirSync(join(spool, 'new'))).toEqual([]);
  });

  it('is filed from files where they would take too much memory', async () => {
    const { result, inserted } = await run(async (copy) => Buffer.alloc(3 * 2 ** 20, copy));
    // Chunks of 512 KiB, copy by copy; the first one is in memory.
    expect(inserted).toEqual(Array.from({ length: 18 }, () => [2, 512 * 1024]));
    expect(result).toMatchObject({ filed: 3, waiting: [] });
    expect(readdirSync(join(spool, 'new'))).toEqual([]);
  });

  it('waits whole, and leaves no file, when one copy of it cannot be sealed', async () => {
    const { result, inserted } = await run(async (copy) => {
      if (copy === 3) throw new Error('no');
      return Buffer.alloc(5 * 2 ** 20);
    });
    expect(inserted).toEqual([]);
    expect(result).toMatchObject({
      filed: 0,
      waiting: [{ name: '1.a.x', because: 'sealing failed', userIds: [1, 2, 3] }],
    });
    expect(readdirSync(join(spool, 'new'))).toEqual(['1.a.x']);
  });
});
