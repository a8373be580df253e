// @module-tag slow
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { brokenRules, readImports } from '../../support/house.ts';
import { repository } from '../../support/places.ts';

const ROOMS = ['src', 'filters', 'policy', 'receiver', 'portal', 'client'].filter(
  (room) => tracked(room).length > 0,
);

/** The TypeScript files that git knows below a folder: counted by somebody else than the reader under test. */
function tracked(folder: string): string[] {
  const listed = execFileSync(
    'git',
    ['ls-files', '--cached', '--others', '--exclude-standard', '--', `${folder}/*.ts`],
    { cwd: repository, encoding: 'utf8' },
  );
  const deleted = execFileSync('git', ['ls-files', '--deleted', '--', folder], {
    cwd: repository,
    encoding: 'utf8',
  }).split('\n');
  return listed.split('\n').filter((name) => name !== '' && !deleted.includes(name));
}

describe('the floors of the house', () => {
  const imports = readImports(repository, ROOMS);

  it('are read whole: every file, and every relative import in it', () => {
    expect([...imports.keys()].sort()).toEqual(ROOMS.flatMap(tracked).sort());
    for (const [file, targets] of imports) {
      const text = readFileSync(join(repository, file), 'utf8');
      expect(targets.length, file).toBe(text.split(/\bfrom '\.|^import '\.|\bimport\('\./m).length - 1);
    }
    expect([...imports.values()].flat().filter((target) => !imports.has(target))).toEqual([]);
  });

  it('hold: no import goes up, no circle of files, no knot of folders, no stranger known', () => {
    expect(brokenRules(imports)).toEqual([]);
  });

  it.each([
    ['an arrow that is turned up', 'src/keys/choose.ts', 'src/delivery/plan.ts', /imports up/],
    ['a circle of two files', 'src/address/normalise.ts', 'src/address/pattern.ts', /circle of files/],
    ['a knot of two folders', 'src/observe/log.ts', 'src/config/load.ts', /knot of folders/],
    ['a filter that a lookup daemon knows', 'policy/daemons.ts', 'filters/proxy.ts', /must not know/],
    ['a room that is on no floor', 'src/nowhere/new.ts', 'src/config/load.ts', /is on no floor/],
  ])('fail on %s', (_what, from, to, expected) => {
    const turned = new Map(imports);
    turned.set(from, [...(imports.get(from) ?? []), to]);
    // The other half of a circle or a knot.
    if (expected.source.includes('circle') || expected.source.includes('knot'))
      turned.set(to, [...(imports.get(to) ?? []), from]);
    expect(brokenRules(turned).some((broken) => expected.test(broken))).toBe(true);
  });
});
