// docs/enrolment-attacks.md against the tests that it names.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { repository } from '../../support/places.ts';

const page = readFileSync(join(repository, 'docs/enrolment-attacks.md'), 'utf8');

/** What has to be attacked at least. */
const KINDS = [
  'Enumeration in words',
  'Enumeration in time',
  'Link scanners',
  'CSRF',
  'Swapping or adding a key',
  'Weakening a setting',
  'Stopping a recovery for ever',
  'Forging the trusted header',
  'Replayed and crossed tokens',
  'Two browsers at once',
  'Several nodes',
  'Markup and control characters',
  'Key bombs',
  'SSRF by key fetch',
  'Foreign Host',
  'Clickjacking',
  'Backscatter',
  '10,000 requests',
  'The database going away',
  'A letter sealed to a lost key',
];

interface Row {
  readonly kind: string;
  readonly number: number;
  readonly cells: readonly string[];
  readonly file: string;
  readonly title: string;
}

const rows = page.split(/^## /m).flatMap((section) => {
  const [kind = ''] = section.split('\n');
  return section.split('\n').flatMap((line): readonly Row[] => {
    const cells = line.split('|').map((cell) => cell.trim());
    const [, file = '', title = ''] = /^`([^`]+)`: (.+)$/.exec(cells[5] ?? '') ?? [];
    return /^\d+$/.test(cells[1] ?? '') ? [{ kind, number: Number(cells[1]), cells, file, title }] : [];
  });
});

const sources = new Map<string, string>();

function sourceOf(file: string): string {
  const known = sources.get(file);
  if (known !== undefined) return known;
  const path = join(repository, file);
  const text = existsSync(path) ? withoutComments(readFileSync(path, 'utf8')) : '';
  sources.set(file, text);
  return text;
}

/** A test that is commented out is none. */
function withoutComments(text: string): string {
  return text.replace(/^\s*(?:\/\/|\/?\*).*$/gm, '');
}

const literal = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

/** Whether a file has a test of that title: `it('...'`, `it.for(...)('...'`, or a named row of a table whose title is "%s". */
function hasTest(source: string, title: string): boolean {
  const quoted = `(['"\`])${literal(title)}\\1`;
  const own = new RegExp(`(?:\\bit|\\))\\(\\s*${quoted},`);
  const row = new RegExp(`\\[\\s*${quoted},`);
  return own.test(source) || (/\bit\.(?:each|for)\([A-Z]+\)\('%s'/.test(source) && row.test(source));
}

describe('the page of attacks on enrolment', () => {
  it('has at least forty, numbered in their order, with who attempts them and what they get', () => {
    expect(rows.length).toBeGreaterThanOrEqual(40);
    expect(rows.map(({ number }) => number)).toEqual(rows.map((_, index) => index + 1));
    for (const { number, cells } of rows) {
      expect(cells, `attack ${number}`).toHaveLength(7);
      expect(
        cells.slice(1, 6).every((cell) => cell !== ''),
        `attack ${number}`,
      ).toBe(true);
    }
    expect(new Set(rows.map(({ cells }) => cells[2])).size).toBe(rows.length);
  });

  it('has some of every kind', () => {
    expect(KINDS.filter((kind) => !rows.some((row) => row.kind === kind))).toEqual([]);
  });

  it('names a test for each, which is there', () => {
    const missing = rows.filter(({ file, title }) => !hasTest(sourceOf(file), title));
    expect(missing.map(({ number, file, title }) => `${number}: ${file}: ${title}`)).toEqual([]);
  });

  it('would miss a test that is not there', () => {
    const source =
      "it('one', () => 1);\nit.for([1, 2])('two %s', () => 2);\n// it('three', () => 3);\nexpect('four');";
    expect(
      ['one', 'two %s', 'three', 'four', 'on'].map((title) => hasTest(withoutComments(source), title)),
    ).toEqual([true, true, false, false, false]);
  });
});
