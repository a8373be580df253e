import { expect, it } from 'vitest';
import { pagesOf } from '../../../src/database/pages.ts';

async function numbers(of: number, limit: number | null, after: number | null) {
  const asked: number[] = [];
  const read = async (last: number | null, count: number) => {
    asked.push(count);
    const from = last ?? 0;
    return Array.from({ length: Math.min(count, of - from) }, (_, index) => from + index + 1);
  };
  const got: number[] = [];
  for await (const page of pagesOf(read, (row) => row, { after, limit })) got.push(...page);
  return { got, asked };
}

it.each([
  [0, null, null, 0],
  [1, null, null, 1],
  [1000, null, null, 1000],
  [2500, null, null, 2500],
  [2500, 1200, null, 1200],
  [2500, null, 2400, 100],
  [2500, 7, 2490, 7],
  [5, 7, null, 5],
] as const)(
  'reads a list of %i to its end or the limit %s behind %s: %i rows',
  async (of, limit, after, count) => {
    const { got, asked } = await numbers(of, limit, after);
    expect(got).toEqual(Array.from({ length: count }, (_, index) => (after ?? 0) + index + 1));
    expect(Math.max(...asked)).toBeLessThanOrEqual(1000);
  },
);
