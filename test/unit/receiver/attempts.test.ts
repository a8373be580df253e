import { describe, expect, it } from 'vitest';
import { backOff, nameHash } from '../../../receiver/spool/attempts.ts';

describe('the back-off of a spool file', () => {
  it('doubles from the least to the most, and stays there', () => {
    expect([1, 2, 3, 4, 5, 1000].map((attempts) => backOff(attempts, 30, 240))).toEqual([
      30, 60, 120, 240, 240, 240,
    ]);
    expect(backOff(0, 30, 240)).toBe(30);
  });
});

describe("the hash of a spool file's name", () => {
  it('tells nothing of it', () => {
    expect(nameHash('1764096000.V801I1.mx.example.org')).toMatch(/^[0-9a-f]{64}$/);
  });
});
