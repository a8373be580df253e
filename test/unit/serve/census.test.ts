// How often the directory is counted.
import type { Pool } from 'pg';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createLogger } from '../../../src/observe/log.ts';
import { createMetrics } from '../../../src/observe/metrics.ts';
import { createCensus } from '../../../src/serve/census.ts';
import { waitUntil } from '../../support/child.ts';

const EVERY_MS = 10;
const closes: (() => void)[] = [];
afterEach(() => {
  for (const close of closes.splice(0)) close();
});

/** A database whose count takes so long, and that answers nothing else while it is away. */
function censusOf(took: () => number) {
  const state = { away: false, counts: 0 };
  const answer = async () => {
    if (state.away) throw new Error('the database does not answer');
    return { rows: [] };
  };
  const client = {
    async query(asked: string | { readonly text: string }) {
      if (typeof asked === 'string') return { rows: [] };
      state.counts += 1;
      await new Promise((resolve) => setTimeout(resolve, took()));
      return answer();
    },
    release: () => undefined,
  };
  const census = createCensus(
    {
      pool: { query: answer, connect: async () => client } as unknown as Pool,
      refresh: async () => undefined,
      stateDir: '/nowhere',
      metrics: createMetrics(),
      logger: createLogger({ level: 'silent' }),
    },
    EVERY_MS,
  );
  closes.push(census.close);
  return { census, state };
}

describe('users and keys', () => {
  it('are counted seldom where a count takes long', async () => {
    const { census, state } = censusOf(() => 30);
    await waitUntil('a count', 5000, () => census.known() !== null);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(state.counts).toBe(1);
  });

  it('are counted again at once when a database is back that was away for so long', async () => {
    let took = 100;
    const { census, state } = censusOf(() => took);
    await waitUntil('a count to begin', 5000, () => state.counts === 1);
    state.away = true;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(census.known()).toBe(null);
    took = 0;
    state.away = false;
    // A hundred times what the failed count took would be ten seconds.
    await vi.waitFor(() => expect(census.known()).not.toBe(null), 3000);
  });
});
