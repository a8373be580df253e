// When another part of a key takes over by itself.
import { describe, expect, it } from 'vitest';
import { subkeyChanges } from '../../../src/enrolment/subkeys.ts';
import type { Window } from '../../../src/keys/facts.ts';

const DAY = 86_400_000;
const WEEK = { from: -7 * DAY, until: 7 * DAY };

/** Days, and the subkey. */
function windows(...given: readonly (readonly [from: number, until: number | null, subkey: string])[]) {
  return given.map(
    ([from, until, subkey]): Window => ({
      from: from * DAY,
      until: until === null ? null : until * DAY,
      subkey,
    }),
  );
}

const TABLE: readonly (readonly [string, readonly Window[], readonly string[]])[] = [
  ['no window', windows(), []],
  ['one subkey for ever', windows([-100, null, 'A']), []],
  ['one that begins within the week: nothing was before', windows([3, null, 'A']), []],
  ['a newer one that begins within the week', windows([-100, 3, 'A'], [3, null, 'B']), ['3: A -> B']],
  ['a newer one that begins at its end', windows([-100, 7, 'A'], [7, null, 'B']), ['7: A -> B']],
  ['a newer one that begins later', windows([-100, 7.1, 'A'], [7.1, null, 'B']), []],
  ['a newer one that began long ago', windows([-100, -8, 'A'], [-8, null, 'B']), []],
  ['a newer one that began a moment ago', windows([-100, -0.1, 'A'], [-0.1, null, 'B']), ['-0.1: A -> B']],
  [
    'an older one that counts again when the newer one has expired',
    windows([-100, -50, 'A'], [-50, 2, 'B'], [2, null, 'A']),
    ['2: B -> A'],
  ],
  ['a gap between two', windows([-100, 1, 'A'], [4, null, 'B']), ['4: A -> B']],
  ['the same one behind a gap', windows([-100, 1, 'A'], [4, null, 'A']), []],
  ['several in a week', windows([-9, 1, 'A'], [1, 2, 'B'], [2, null, 'C']), ['1: A -> B', '2: B -> C']],
];

describe('a subkey that takes over by itself', () => {
  it.each(TABLE)('%s', (_name, given, expected) => {
    const found = subkeyChanges(given, WEEK);
    expect(found.map(({ at, before, after }) => `${at / DAY}: ${before} -> ${after}`)).toEqual(expected);
  });
});
