// Every line of the log at level info and above has a stable code, and docs/log-events.md has them all.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EVENTS } from '../../../src/observe/events.ts';
import { OPERATIONS } from '../../../src/observe/operations.ts';
import { repository } from '../../support/places.ts';

const FOLDERS = ['src', 'filters', 'policy', 'receiver', 'portal'];
/** `logger.warn(`, `context.logger?.info(`, `log[level](`; not Math.log and console.log. */
const CALL = /\b(?:\w*[lL]ogger|log)\??(?:\.(?:info|warn|error|fatal)|\[[^\]]*\])\(/g;

interface Call {
  readonly place: string;
  readonly words: string;
}

function callsIn(path: string): readonly Call[] {
  const text = readFileSync(join(repository, path), 'utf8');
  return [...text.matchAll(CALL)].map(({ index, 0: name }) => {
    const line = text.slice(0, index).split('\n').length;
    return { place: `${path}:${line}`, words: text.slice(index + name.length, index + name.length + 400) };
  });
}

const calls = FOLDERS.flatMap((folder) =>
  readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => callsIn(join(folder, name))),
);
/** The code of a call: the first thing in its fields, or the last one behind spread fields. */
const codeOf = ({ words }: Call): string | undefined => /^\s*\{[^{}]*?\bevent: '(\w+)'/.exec(words)?.[1];

describe('a line of the log', () => {
  // Lines of messages have the codes of EVENTS.
  const others = calls.filter(({ words }) => !words.startsWith('eventFields('));

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
