// Every line of the log at level info and above has a stable code, and docs/log-events.md has them all.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EVENTS } from '../../../src/observe/events.ts';
import { OPERATIONS } from '../../../src/observe/operations.ts';
import { codeOf, loggedCalls } from '../../support/log-calls.ts';
import { repository } from '../../support/places.ts';

describe('a line of the log', () => {
  // Lines of messages have the codes of EVENTS.
  const others = loggedCalls().filter(({ words }) => !words.startsWith('eventFields('));

  it('has a code that is known', () => {
    expect(others.length).toBeGreaterThan(80);
    const unknown = others.filter((call) => !Object.hasOwn(OPERATIONS, codeOf(call) ?? ''));
    expect(unknown.map(({ place }) => place)).toEqual([]);
  });

  it('has fields in snake_case', () => {
    const fields = others.flatMap(({ place, words }) => {
      const [object = ''] = /^\s*\{[^{}]*\}/.exec(words) ?? [];
      return [...object.matchAll(/[{,]\s*(\w+)(?=\s*[:,}])/g)].map(([, name = '']) => ({ place, name }));
    });
    expect(fields.length).toBeGreaterThan(100);
    expect(fields.filter(({ name }) => /[A-Z]/.test(name))).toEqual([]);
  });

  it('has no hash of an address that anybody can make: a list of addresses would tell whose it is', () => {
    const hashed = others.filter(({ words }) => /^\s*\{[^{}]*\b\w*[hH]ash\b/.test(words));
    expect(hashed.map(({ place }) => place)).toEqual([]);
  });

  it('has a code that some line has, and that no message has', () => {
    const used = new Set(others.map(codeOf));
    expect(Object.keys(OPERATIONS).filter((code) => !used.has(code))).toEqual([]);
    expect(Object.keys(OPERATIONS).filter((code) => Object.hasOwn(EVENTS, code))).toEqual([]);
  });
});

describe('docs/log-events.md', () => {
  it('has every code of the program, with the meaning that the source gives it', () => {
    const page = readFileSync(join(repository, 'docs/log-events.md'), 'utf8');
    const rows = [...page.matchAll(/^\| `(\w+)` \| (.*) \|$/gm)].map(([, code = '', text]) => [code, text]);
    const codes = rows.filter(([code = '']) => Object.hasOwn(OPERATIONS, code));
    expect(Object.fromEntries(codes)).toEqual(OPERATIONS);
  });
});
