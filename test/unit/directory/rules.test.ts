import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_PATTERN, matchesPattern } from '../../../src/address/pattern.ts';
import {
  type RawRule,
  readHeaderPattern,
  readSenderPattern,
  ruleOf,
  rulesOf,
} from '../../../src/directory/rule-rows.ts';

describe('a pattern', () => {
  const table: readonly (readonly [pattern: string, text: string, matches: boolean])[] = [
    ['alert', 'alert', true],
    ['alert', 'an alert', false],
    ['alert', 'alerts', false],
    ['*alert*', 'an Alert!', true],
    ['ALERT*', 'alert: disk', true],
    ['*', '', true],
    ['*', 'anything', true],
    ['', '', true],
    ['', 'x', false],
    ['?', 'x', true],
    ['?', '', false],
    ['?', '\u{1f511}', true],
    ['a*b*c', 'abc', true],
    ['a*b*c', 'a1b2c', true],
    ['a*b*c', 'acb', false],
    ['a*a', 'a', false],
    ['a*aa', 'aaa', true],
    ['*ab', 'aab', true],
    ['*.example', 'mail.example', true],
    ['*.example', 'example', false],
    ['x\\*y', 'x*y', true],
    ['x\\*y', 'x1y', false],
    ['x\\?', 'x?', true],
    ['back\\\\slash', 'back\\slash', true],
    ['a.c', 'abc', false],
    ['[ab]', 'a', false],
    ['straße*', 'STRASSE', false],
    ['caf\u00e9', 'cafe\u0301', true],
    ['*one*two*', 'two one', false],
    ['?*?', 'a', false],
    ['?*?', 'ab', true],
  ];
  it.each(table)('%j on %j: %s', (pattern, text, matches) => {
    expect(matchesPattern(pattern, text)).toBe(matches);
  });

  it('says what a regular expression of the same meaning says', () => {
    const alphabet = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 });
    const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 12 });
    fc.assert(
      fc.property(alphabet, text, (pattern, subject) => {
        const same = new RegExp(`^${pattern.replace(/\*/g, '.*').replace(/\?/g, '.')}$`);
        expect(matchesPattern(pattern, subject)).toBe(same.test(subject));
      }),
      { numRuns: 2000 },
    );
  });

  it('of the worst kind on a header of the greatest size takes no longer than the two are long', () => {
    const subject = 'a'.repeat(100_000);
    // Where a backtracking matcher needs longer than the universe is old.
    expect(matchesPattern(`${'*a'.repeat(MAX_PATTERN / 2 - 1)}*b`, subject)).toBe(false);
    expect(matchesPattern(`*${'a'.repeat(MAX_PATTERN - 3)}b*`, subject)).toBe(false);
  });
});

describe('a sender pattern as typed', () => {
  const table: readonly (readonly [typed: string, canonical: string])[] = [
    ['bank.example', '*@bank.example'],
    ['@bank.example', '*@bank.example'],
    [' Billing@Bank.Example ', 'billing@bank.example'],
    ['*@*.bank.example', '*@*.bank.example'],
    ['news-*@bank.example', 'news-*@bank.example'],
    ['bücher.example', '*@xn--bcher-kva.example'],
    ['*@*.bücher.example', '*@*.xn--bcher-kva.example'],
    ['*', '*@*'],
    ['<>', '<>'],
  ];
  it.each(table)('%j is kept as %j', (typed, canonical) => {
    expect(readSenderPattern(typed)).toBe(canonical);
  });

  it.each([
    '',
    'a b@bank.example',
    'x@',
    'x@bank..example',
    '*@b*ü.example',
    '<a@bank.example>',
    'a\u0000@b.example',
  ])('%j is refused', (typed) => {
    expect(() => readSenderPattern(typed)).toThrow(/expected a pattern such as "bank\.example"/);
  });

  it('is refused where it is longer than any address', () => {
    expect(() => readSenderPattern(`${'a'.repeat(300)}@bank.example`)).toThrow(/expected at most 256/);
  });
});

describe('a header pattern as typed', () => {
  it('is a name and a pattern for the value', () => {
    expect(readHeaderPattern('List-Id: *announce*')).toEqual({ name: 'list-id', pattern: '*announce*' });
    expect(readHeaderPattern('Subject:[alert] *')).toEqual({ name: 'subject', pattern: '[alert] *' });
    expect(readHeaderPattern('X-Ref: a:b')).toEqual({ name: 'x-ref', pattern: 'a:b' });
  });

  it.each(['List-Id', ': x', 'List Id: x', 'List-Id:', 'List-Id: a\nb', 'Ü: x'])('%j is refused', (typed) => {
    expect(() => readHeaderPattern(typed)).toThrow(/such as "List-Id: \*announce\*"/);
  });
});

describe('rules as stored', () => {
  const row: RawRule = {
    id: 1,
    position: 2,
    action: 'pass',
    sender: '*@bank.example',
    header_name: null,
    header_pattern: null,
    larger_than: null,
  };

  it('come in the order of their positions, equal ones by number', () => {
    const rows = [row, { ...row, id: 9, position: 1 }, { ...row, id: 4, position: 1 }];
    expect(rulesOf(rows).map(({ id }) => id)).toEqual([4, 9, 1]);
    expect(rulesOf(null)).toEqual([]);
  });

  it('with an action that this version does not know are an error, never "no rule"', () => {
    expect(() => ruleOf({ ...row, action: 'quarantine' })).toThrow(/rule 1/);
  });
});
