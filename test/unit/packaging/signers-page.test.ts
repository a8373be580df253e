// docs/dkim-and-spam.md against the tests that run its blocks.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FAMILIES } from '../../../src/doctor/checks/all.ts';
import { blocksOf, readPage } from '../../support/page-blocks.ts';
import { repository } from '../../support/places.ts';

const page = readPage('dkim-and-spam.md');

/** What a test of the lane says of it, the stands that it starts included. */
function lane(): string {
  const folder = join(repository, 'test', 'long', 'signers');
  const tests = readdirSync(folder).map((name) => join(folder, name));
  const stands = ['signers-stand.ts', 'signers-daemons.ts'].map((name) =>
    join(repository, 'test', 'support', name),
  );
  return [...tests, ...stands].map((path) => readFileSync(path, 'utf8')).join('\n');
}

describe('docs/dkim-and-spam.md', () => {
  it('has a name for every block, and each of them is run', () => {
    const blocks = blocksOf(page);
    const indented = page.split('\n').filter((line) => /^ {4}/.test(line));
    const named = [...blocks.values()].flatMap((text) => text.split('\n').filter((line) => line !== ''));
    expect(indented).toHaveLength(named.length);
    expect(blocks.size).toBeGreaterThanOrEqual(16);
    const tests = lane();
    expect([...blocks.keys()].filter((name) => !tests.includes(`'${name}'`))).toEqual([]);
  });

  it('reads blocks as they are copied, and refuses two of one name', () => {
    const two = '<!-- block: a -->\n\n    x = 1\n      -o y\n\n    z\n\nText.\n';
    expect([...blocksOf(`${two}\n<!-- block: b -->\n\n    w\n`)]).toEqual([
      ['a', 'x = 1\n  -o y\n\nz\n'],
      ['b', 'w\n'],
    ]);
    expect(() => blocksOf(two + two)).toThrow('stands twice');
  });

  it('names checks of doctor that there are, and they name the page', () => {
    const checks = Object.values(FAMILIES).flat();
    const named = ['signers', 'listeners_without_filter', 'content_filter_foreign', 'listeners_answer'];
    for (const code of named) {
      expect(page).toContain(`\`${code}\``);
      expect(checks.map((check) => check.code)).toContain(code);
    }
    for (const code of ['signers', 'content_filter_foreign'])
      expect(checks.find((check) => check.code === code)?.mend).toContain('docs/dkim-and-spam.md');
  });
});
