import { describe, expect, it } from 'vitest';
import {
  ageOf,
  createVersionTracker,
  type DirectoryVersion,
  MOST_CHANGES,
  type VersionReport,
  versionOf,
  whatIsNew,
} from '../../../src/database/directory-version.ts';
import type { Change } from '../../../src/database/notifications.ts';

const KNOWN: DirectoryVersion = { version: 10, stamp: 'ten', timeline: 2 };

function report(
  now: Partial<VersionReport['now']>,
  changes: readonly (readonly [number, string, string | null])[] = [],
  then: string | null = 'ten',
): VersionReport {
  return {
    now: { version: 10, stamp: 'ten', timeline: 2, floor: 1, ...now },
    then,
    changes: changes.map(([version, table, key]) => ({ version, table, key })),
  };
}

const many = Array.from(
  { length: MOST_CHANGES + 1 },
  (_, index) => [11 + index, 'users', `${index}`] as const,
);

describe('what a report of the version changes', () => {
  it.each<[string, number, VersionReport, string]>([
    ['the same version', 10, report({}), 'nothing'],
    [
      'a newer one: what changed',
      10,
      report({ version: 11, stamp: 'x' }, [[11, 'keys', 'user:1']]),
      'keys user:1',
    ],
    ['a newer one that changed nothing we know of', 10, report({ version: 11, stamp: 'x' }), ''],
    [
      'only what is newer than what has been taken meanwhile',
      8,
      report({ version: 11, stamp: 'x' }, [
        [9, 'users', '1'],
        [11, 'users', '2'],
      ]),
      'users 2',
    ],
    [
      'an older one that was sent before and arrives late',
      9,
      report({ version: 9, stamp: 'nine' }),
      'nothing',
    ],
    [
      'an older one although a newer was known when it was sent: a backup was put in place',
      10,
      report({ version: 9 }),
      'everything',
    ],
    ['the same number with another stamp', 10, report({ stamp: 'other' }), 'everything'],
    [
      'a newer one whose past is not ours',
      10,
      report({ version: 12, stamp: 'x' }, [], 'other'),
      'everything',
    ],
    [
      'a newer one whose past is told no more',
      10,
      report({ version: 12, stamp: 'x', floor: 11 }),
      'everything',
    ],
    ['more changes than are told', 10, report({ version: 9999, stamp: 'x' }, many), 'everything'],
    ['many rows of one table', 10, report({ version: 11, stamp: 'x' }, [[11, 'users', null]]), 'users null'],
    [
      'a table of a newer program',
      10,
      report({ version: 11, stamp: 'x' }, [[11, 'holograms', '1']]),
      'everything',
    ],
    [
      'a server of an older timeline, however many changes it counts',
      10,
      report({ version: 99, timeline: 1 }),
      'behind',
    ],
    ['a server that was promoted', 10, report({ version: 9, timeline: 3 }), 'everything'],
  ])('%s', (_name, asked, told, expected) => {
    const news = whatIsNew(KNOWN, asked, told);
    expect(
      news.kind === 'some' ? news.changes.map(({ table, key }) => `${table} ${key}`).join() : news.kind,
    ).toBe(expected);
  });
});

describe('the version that a statement has seen', () => {
  it.each<[string, number, Partial<DirectoryVersion>, string]>([
    ['what is known', 10, {}, 'known'],
    ['a newer one', 10, { version: 11, stamp: 'x' }, 'other'],
    ['an older one that was asked for before, and arrives late', 9, { version: 9, stamp: 'nine' }, 'known'],
    ['an older one although a newer was known', 10, { version: 9, stamp: 'nine' }, 'other'],
    ['the same number in another history', 10, { stamp: 'other' }, 'other'],
    ['any of an older timeline', 10, { version: 99, timeline: 1 }, 'behind'],
    ['any of a newer timeline', 10, { timeline: 3 }, 'other'],
  ])('%s', (_name, asked, seen, expected) => {
    expect(ageOf(KNOWN, asked, { ...KNOWN, ...seen })).toBe(expected);
  });

  it('is read from text', () => {
    expect(versionOf('12 0a1b 0000001F')).toEqual({ version: 12, stamp: '0a1b', timeline: 31 });
    expect(versionOf('12 0a1b 0000001F 2026-11-29T03:00:00Z')).toEqual({
      version: 12,
      stamp: '0a1b',
      timeline: 31,
      restored_from: '2026-11-29T03:00:00Z',
    });
  });

  it.each([null, undefined, '', '12', '12 x', '12 x 1 more'])('is not taken from %j', (text) => {
    expect(() => versionOf(text)).toThrow('cannot be read');
  });
});

describe('a tracker', () => {
  function tracker() {
    const heard: (Change | null)[] = [];
    const versions = createVersionTracker();
    versions.onChange((change) => heard.push(change));
    return { versions, heard };
  }

  it('counts everything as changed when it hears of a directory for the first time', () => {
    const { versions, heard } = tracker();
    versions.take(0, report({}));
    expect([heard, versions.known()]).toEqual([[null], 10]);
  });

  it('has told its listeners before take() returns', () => {
    const { versions, heard } = tracker();
    versions.take(0, report({}));
    versions.take(10, report({ version: 11, stamp: 'x' }, [[11, 'keys', 'user:1']]));
    expect(heard).toEqual([null, { table: 'keys', key: 'user:1' }]);
  });

  it('refuses what an older primary says, and what is read from one', () => {
    const { versions } = tracker();
    versions.take(0, report({}));
    expect(() => versions.take(10, report({ version: 50, timeline: 1 }))).toThrow(
      'a primary that was replaced',
    );
    expect(() => versions.check({ version: 50, stamp: 'x', timeline: 1 })).toThrow('behind');
    expect(() => versions.check({ version: 9, stamp: 'x', timeline: 2 })).toThrow('behind');
    expect(() => versions.check({ version: 9, stamp: 'x', timeline: 0 })).toThrow('behind');
    for (const good of [
      { version: 10, timeline: 2 },
      { version: 11, timeline: 2 },
      { version: 1, timeline: 3 },
    ])
      expect(() => versions.check({ stamp: 'x', ...good })).not.toThrow();
  });
});
