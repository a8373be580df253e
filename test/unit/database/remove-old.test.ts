import { describe, expect, it } from 'vitest';
import { nextBatch, removeOld } from '../../../src/database/remove-old.ts';

describe('rows whose time is over', () => {
  it.each([
    [1000, 20, 2000],
    [1000, 100, 1000],
    [1000, 400, 500],
    [20_000, 1, 20_000],
    [1000, Number.POSITIVE_INFINITY, 125],
    [1, 5000, 1],
  ])('%d at once, which took %d ms, are followed by %d', (last, took, next) => {
    expect(nextBatch(last, took)).toBe(next);
  });

  const OLD = { table: 'deliveries', condition: 'accepted_at < $1', values: ['then'], order: 'accepted_at' };

  it('are removed batch by batch until fewer are left than were asked for', async () => {
    const asked: unknown[] = [];
    let left = 12_500;
    const query = async (_text: string, values: unknown[]) => {
      asked.push(values[1]);
      const gone = Math.min(left, Number(values[1]));
      left -= gone;
      return { rowCount: gone };
    };
    expect(await removeOld({ query } as never, OLD, () => 0)).toBe(12_500);
    expect(asked).toEqual([1000, 2000, 4000, 8000]);
  });

  it('are removed fewer at a time where a statement meets its deadline, and a single one that does is an error', async () => {
    const asked: number[] = [];
    const cancelled = Object.assign(new Error('statement timeout'), { code: '57014' });
    const query = async (_text: string, values: unknown[]) => {
      asked.push(Number(values[1]));
      if (Number(values[1]) > 20) throw cancelled;
      return { rowCount: 3 };
    };
    expect(await removeOld({ query } as never, OLD, () => 0)).toBe(3);
    expect(asked).toEqual([1000, 125, 15]);
    const never = async () => {
      throw cancelled;
    };
    await expect(removeOld({ query: never } as never, OLD, () => 0)).rejects.toBe(cancelled);
  });
});
