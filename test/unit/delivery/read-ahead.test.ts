import { describe, expect, it } from 'vitest';
import type { RecipientFacts } from '../../../src/directory/types.ts';
import { readAhead } from '../../../src/serve/read-ahead.ts';

const FACTS: RecipientFacts = { address: null, resolution: { kind: 'nobody' }, domain: null, domainKeys: [] };

/** A server with so many addresses. */
function server(count: number, { failing, broken }: { failing?: string; broken?: number } = {}) {
  const asked: string[] = [];
  let inspected = 0;
  const parts = {
    database: {
      pool: {
        query: async (_text: string, [limit]: readonly [number]) => ({
          rows: Array.from({ length: Math.min(count, limit) }, (_, index) => ({
            address: `user${index + 1}@example.org`,
          })),
        }),
      },
    },
    directory: {
      recipient: async (path: string) => {
        if (path === failing) throw new Error('the database is away');
        asked.push(path);
        return FACTS;
      },
    },
    decider: {
      prepare: async (facts: RecipientFacts) => {
        expect(facts).toBe(FACTS);
        inspected += 1;
        if (inspected === broken) throw new Error('this key cannot be inspected now');
      },
    },
  } as unknown as Parameters<typeof readAhead>[0];
  return { parts, asked, inspected: () => inspected };
}

describe('what is read ahead', () => {
  it.each([
    { addresses: 0, read: 0 },
    { addresses: 3, read: 3 },
    { addresses: 1000, read: 1000 },
    { addresses: 1001, read: 0 },
  ])('of $addresses addresses is $read', async ({ addresses, read }) => {
    const { parts, asked, inspected } = server(addresses);
    expect(await readAhead(parts, async () => true)).toBe(read);
    expect([asked.length, inspected()]).toEqual([read, read]);
  });

  it('begins with the oldest, and ends when it is told so', async () => {
    const { parts, asked } = server(10);
    const answers = [true, true, false];
    expect(await readAhead(parts, async () => answers.shift() ?? true)).toBe(2);
    expect(asked).toEqual(['user1@example.org', 'user2@example.org']);
  });

  it('goes on behind a key that cannot be inspected', async () => {
    const { parts } = server(10, { broken: 2 });
    expect(await readAhead(parts, async () => true)).toBe(10);
  });

  it('ends without an error where one cannot be read', async () => {
    const { parts } = server(10, { failing: 'user4@example.org' });
    expect(await readAhead(parts, async () => true)).toBe(3);
  });
});
