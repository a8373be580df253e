// docs/troubleshooting.md has what to do for everything that the log wants a person to hear of.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EVENTS } from '../../../src/observe/events.ts';
import { OPERATIONS } from '../../../src/observe/operations.ts';
import { codeOf, loggedCalls } from '../../support/log-calls.ts';
import { repository } from '../../support/places.ts';

const text = (path: string): string => readFileSync(join(repository, path), 'utf8');
const [, becauseTable = '', codeTables = ''] =
  /\nWhy mail waits or is refused:\n([\s\S]*?)\n## ([\s\S]*)$/.exec(text('docs/troubleshooting.md')) ?? [];
const [messageTable = ''] = text('docs/troubleshooting.md').split('\nWhy mail waits or is refused:\n');

interface Row {
  readonly names: readonly string[];
  readonly meaning: string;
  readonly what: string;
}

function rowsOf(table: string): readonly Row[] {
  return [...table.matchAll(/^\| (`.+?) \| (.+?) \| (.+) \|$/gm)]
    .filter(([, first = '']) => first !== '`because`')
    .map(([, first = '', meaning = '', what = '']) => ({
      names: [...first.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
      meaning,
      what,
    }));
}

/** Reasons for which mail is sealed, or needs no seal. */
const SEALED = new Set(['usable key', 'expired key used', 'already encrypted']);

/** The words of a union of a source. */
function wordsOf(path: string, union: RegExp): readonly string[] {
  return [...(union.exec(text(path))?.[1] ?? '').matchAll(/'([^']+)'/g)].map(([, each = '']) => each);
}

/** Something that is typed. */
const COMMAND =
  /`(?:sealpost [a-z]|(?:journalctl|systemctl|postqueue|postconf|postsuper|ss|df|ls|sysctl) )[^`]*`/;

const codes = rowsOf(`${messageTable}\n${codeTables}`);
const reasons = rowsOf(becauseTable);

describe('docs/troubleshooting.md', () => {
  it('has every code that is logged at level warn and above', () => {
    const wanted = new Set(
      loggedCalls().flatMap((call) => (call.level === 'info' ? [] : (codeOf(call) ?? []))),
    );
    expect(wanted.size).toBeGreaterThan(70);
    const there = new Set(codes.flatMap(({ names }) => names));
    expect([...wanted].filter((code) => !there.has(code))).toEqual([]);
  });

  it('has every fate of a message', () => {
    const there = rowsOf(messageTable).flatMap(({ names }) => names);
    expect(there.toSorted()).toEqual(Object.keys(EVENTS).toSorted());
  });

  it('has each code once, and no other', () => {
    const there = codes.flatMap(({ names }) => names);
    expect(there.filter((code) => !Object.hasOwn(OPERATIONS, code) && !Object.hasOwn(EVENTS, code))).toEqual(
      [],
    );
    expect(there.toSorted()).toEqual([...new Set(there)].toSorted());
  });

  it('has every reason for which mail waits or is refused', () => {
    const wanted = [
      ...wordsOf('src/delivery/decision.ts', /type Because =([\s\S]*?);/),
      ...wordsOf('src/delivery/fate.ts', /type Hindrance =([\s\S]*?);/),
      ...wordsOf('receiver/queue/decide.ts', /type Obstacle =([\s\S]*?);/).filter(
        (each) => each !== 'because',
      ),
      ...[...text('src/delivery/tell-not-taken.ts').matchAll(/: \[\s*'([^']+)',/g)].map(
        ([, each = '']) => each,
      ),
      'next hop',
    ].filter((each) => !SEALED.has(each));
    const there = reasons.flatMap(({ names }) => names);
    expect(wanted.length).toBeGreaterThan(28);
    expect(there.toSorted()).toEqual([...new Set(wanted)].toSorted());
  });

  it('says of each what it means, and what to type', () => {
    expect(codes.length + reasons.length).toBeGreaterThan(85);
    for (const { names, meaning, what } of [...codes, ...reasons]) {
      expect(meaning.length, names[0]).toBeGreaterThan(15);
      expect(what, names[0]).toMatch(COMMAND);
    }
  });
});
