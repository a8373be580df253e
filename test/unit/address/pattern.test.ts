import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchesPattern, subjectOf } from '../../../src/address/pattern.ts';
import { quickest } from '../../fixtures/processor-time.ts';

/** The same question, asked by trying everything. */
function matchesByTrying(pattern: string, text: string): boolean {
  if (pattern === '') return text === '';
  if (pattern.startsWith('*'))
    return (
      matchesByTrying(pattern.slice(1), text) || (text !== '' && matchesByTrying(pattern, text.slice(1)))
    );
  return (
    text !== '' &&
    (pattern[0] === '?' || pattern[0] === text[0]) &&
    matchesByTrying(pattern.slice(1), text.slice(1))
  );
}

const units = (characters: string, most: number) =>
  fc.string({ unit: fc.constantFrom(...characters), maxLength: most });

describe('a pattern', () => {
  it('matches what it matches when everything is tried', () => {
    fc.assert(
      fc.property(units('ab*?', 8), units('abc', 10), (pattern, text) => {
        expect(matchesPattern(pattern, text)).toBe(matchesByTrying(pattern, text));
      }),
      { numRuns: 2000 },
    );
  });

  it.each([31, 32, 33, 63, 64, 65, 96, 127, 200, 250])(
    'finds a piece of %i characters, wild ones among them, in the middle of a text',
    (length) => {
      const piece = `${'ab'.repeat(length)}`.slice(0, length - 1);
      const wild = `${piece.slice(0, -1)}?`;
      expect(matchesPattern(`x*${wild}z*y`, `x${piece.slice(1)}${piece}z---y`)).toBe(true);
      expect(matchesPattern(`x*${wild}z*y`, `x${piece.slice(1)}${piece}---y`)).toBe(false);
    },
  );

  it('takes no longer for a text that nearly matches everywhere', () => {
    const subject = subjectOf('a'.repeat(100_000));
    expect(quickest(60, () => matchesPattern(`*${'a'.repeat(250)}b*`, subject))).toBeLessThan(60);
  });
});
