// What the long tests of the portal's times go by: a difference shows, and the noise of a busy machine is none.
import { expect, it } from 'vitest';
import { differenceOf, tellsNothing } from '../../support/paired-times.ts';

/** The same numbers each time. */
function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

function times(count: number, seed: number, more: number, spread: number): readonly number[] {
  const next = noise(seed);
  return Array.from({ length: count }, () => 300 + more + spread * next());
}

it.each([
  ['a quiet machine, no difference', 0, 0.5, true],
  ['a quiet machine, a difference', 2, 0.5, false],
  ['a busy machine, no difference', 0, 400, true],
  ['a busy machine, a difference that shows', 80, 400, false],
] as const)('%s', (_name, more, spread, expected) => {
  const difference = differenceOf(times(500, 1, more, spread), times(500, 2, 0, spread));
  expect(tellsNothing(difference, 1)).toBe(expected);
  expect(difference.low).toBeLessThanOrEqual(difference.median);
  expect(difference.high).toBeGreaterThanOrEqual(difference.median);
});

it('a few pairs say nothing', () => {
  expect(() => differenceOf([1], [1])).toThrow('1 pairs say nothing');
});
