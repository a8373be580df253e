import { describe, expect, it } from 'vitest';
import { createRation } from '../../../src/pacing/ration.ts';

describe('a ration', () => {
  it('is so many in a span, and tells with the next one how many were left out', () => {
    const ration = createRation(2, 1000);
    expect([0, 1, 2, 999].map(ration.next)).toEqual([0, 0, null, null]);
    expect([1000, 1001, 1002].map(ration.next)).toEqual([2, 0, null]);
    expect(ration.next(5000)).toBe(1);
  });

  it('begins anew when the clock is set back', () => {
    const ration = createRation(1, 1000);
    expect([10_000, 10_001, 5000].map(ration.next)).toEqual([0, null, 1]);
  });
});
