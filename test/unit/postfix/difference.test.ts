// What a wiring brought is taken out again, and what somebody changed since stays.
// @module-tag slow
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { takenOut } from '../../../src/postfix/difference.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sp-difference-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text, 'latin1');
  return path;
};

const BEFORE = 'one = 1\ntwo =\n# Why.\n  2\nthree = \xfc\n';
const AFTER = 'one = 1\ntwo = ours\n# Why.\nthree = \xfc\n\n# Ours.\nfour = ours\nfive = ours\n';

describe('a change that is taken out of a file', () => {
  it.each([
    ['leaves what was there', BEFORE, AFTER, AFTER, BEFORE],
    [
      'leaves a line that was changed',
      BEFORE,
      AFTER,
      AFTER.replace('one = 1', 'one = 7'),
      BEFORE.replace('1', '7'),
    ],
    ['leaves a line right behind it', BEFORE, AFTER, `${AFTER}six = 6\n`, `${BEFORE}six = 6\n`],
    [
      'leaves a line right above it',
      BEFORE,
      AFTER,
      AFTER.replace('two', 'zero = 0\ntwo'),
      BEFORE.replace('two', 'zero = 0\ntwo'),
    ],
    [
      'leaves a line behind a file that had no newline at its end',
      BEFORE.slice(0, -1),
      AFTER,
      `${AFTER}six = 6\n`,
      `${BEFORE}six = 6\n`,
    ],
  ])('%s', async (_name, before, after, now, expected) => {
    const result = await takenOut(file('now', now), file('after', after), file('before', before));
    expect(result?.toString('latin1')).toBe(expected);
  });

  it.each([
    ['was changed itself', AFTER.replace('four = ours', 'four = mine')],
    ['stands there twice', `${AFTER}\n# Ours.\nfour = ours\nfive = ours\n`],
    ['is gone already', `${BEFORE}six = 6\n`],
  ])('is not guessed at where it %s', async (_name, now) => {
    expect(await takenOut(file('now', now), file('after', AFTER), file('before', BEFORE))).toBeNull();
  });
});
