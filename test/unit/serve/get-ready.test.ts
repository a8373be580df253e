import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { configSchema } from '../../../src/config/schema.ts';
import { BEGUN_ALONE } from '../../../src/delivery/begun.ts';
import type { Engine } from '../../../src/delivery/engine.ts';
import { createLogger } from '../../../src/observe/log.ts';
import { type GetReadyOptions, getReady } from '../../../src/serve/get-ready.ts';
import type { Reply } from '../../../src/smtp/types.ts';
import { waitUntil } from '../../support/child.ts';

const NOBODY = { address: null, resolution: { kind: 'nobody' }, domain: null, domainKeys: [] };
const never = new Promise<never>(() => undefined);

/** A serve of three users that is starting. */
function starting({ refusal = null, hangs = false }: { refusal?: Reply | null; hangs?: boolean } = {}) {
  const state = { clients: undefined as number | undefined, stopping: false };
  const asked: string[] = [];
  const logged: string[] = [];
  const engine = {
    connect: async () =>
      refusal === null ? [] : [{ nextHop: configSchema.parse({}).filter.next_hop, reply: refusal }],
    database: {
      pool: {
        query: async () => ({ rows: ['a', 'b', 'c'].map((name) => ({ address: `${name}@example.org` })) }),
      },
    },
    directory: {
      recipient: async (path: string) => {
        if (hangs) await never;
        asked.push(path);
        return NOBODY;
      },
    },
    decider: { prepare: async () => undefined },
    memory: {
      begin: async () => BEGUN_ALONE,
      remember: async () => undefined,
      forget: () => undefined,
    },
  } as unknown as Engine;
  const options: GetReadyOptions = {
    config: configSchema.parse({ hostname: 'mx.example.org' }),
    engine,
    clients: () => state.clients,
    stopping: () => state.stopping,
    logger: createLogger({ level: 'info', destination: { write: (line) => logged.push(line) } }),
  };
  const users = () => asked.filter((path) => path.endsWith('@example.org'));
  return { options, state, users, logged };
}

describe('getting ready', () => {
  it('reads the keys of a few users before anybody is greeted', async () => {
    const { options, users, state } = starting();
    await getReady(options);
    expect(users()).toEqual(['a@example.org', 'b@example.org', 'c@example.org']);
    state.stopping = true;
  });

  it('does not hold the listeners up while the database is slow', async () => {
    const { options, state } = starting({ hangs: true });
    await expect(Promise.race([getReady(options), sleep(5000, 'held up')])).resolves.toBeUndefined();
    state.stopping = true;
  });

  it('gives way to clients, and goes on when they are gone', async () => {
    const { options, state, users } = starting();
    state.clients = 1;
    await getReady(options);
    expect(users()).toEqual([]);
    state.clients = 0;
    await waitUntil('all to be read', 5000, () => users().length === 3);
    state.stopping = true;
  });

  it('ends with the process, also while it gives way', async () => {
    const { options, state, users } = starting();
    state.clients = 1;
    await getReady(options);
    state.stopping = true;
    state.clients = 0;
    await sleep(200);
    expect(users()).toEqual([]);
  });

  it('says so where the next hop does not answer', async () => {
    const text = 'Cannot connect to smtp:127.0.0.1:10026: connection refused';
    const { options, state, logged } = starting({ refusal: { code: 451, enhanced: '4.4.1', text } });
    await getReady(options);
    await waitUntil('the log', 5000, () => logged.length > 0);
    expect(logged.join('')).toContain('connection refused');
    expect(logged.join('')).toContain('"next_hop":"smtp:127.0.0.1:10026"');
    expect(logged.join('')).toContain('"level":"info"');
    state.stopping = true;
  });
});
