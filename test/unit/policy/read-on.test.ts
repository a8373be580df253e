// Which addresses check_recipient reads on, and when what was made of one counts.
import { describe, expect, it } from 'vitest';
import { countsReadOn, mayBeReadOn } from '../../../policy/read-on.ts';
import { parsePath } from '../../../src/address/normalise.ts';
import type { Domain, Resolution } from '../../../src/directory/types.ts';

const MACHINE = new Set(['localhost', 'mx.example.org', '[127.0.0.1]']);

describe('an address may be read on', () => {
  it.each([
    ['alice@example.org', true, 'no'],
    ['alice+x@example.org', true, 'no'],
    ['alice@localhost', false, 'yes'],
    ['alice@[127.0.0.1]', false, 'yes'],
    ['alice@elsewhere.example', false, 'by another name'],
    ['alice%example.org@localhost', false, 'yes'],
    ['alice%example.org@example.net', true, 'yes'],
    ['"alice@example.org"@example.net', true, 'yes'],
    ['example.org!alice@example.net', true, 'yes'],
  ] as const)('%s (ours: %s): %s', (path, ours, expected) => {
    const parts = parsePath(path);
    if (parts === null) throw new Error('no address');
    expect(mayBeReadOn(parts, ours, MACHINE)).toBe(expected);
  });
});

const domain = { id: 1, name: 'example.org' } as Domain;
const resolution = (kind: Resolution['kind']) => ({ kind }) as Resolution;

describe('what was made of an address counts', () => {
  it.each([
    ['a user, whatever the domain as written', 'user', domain, false, true],
    ['an alias', 'alias', domain, true, true],
    ['a loop: temporary, as in the filter', 'loop', domain, true, true],
    ['several readers: temporary, as in the filter', 'unclear', null, false, true],
    ['a contact outside: Postfix takes or refuses it', 'contact', null, true, false],
    ['nobody, in a domain of ours that it is written in', 'nobody', domain, true, true],
    ['nobody, where a Unix account may be', 'nobody', domain, false, false],
    ['nobody, and no domain of ours', 'nobody', null, true, false],
  ] as const)('%s', (_what, kind, of, ours, expected) => {
    expect(countsReadOn({ resolution: resolution(kind), domain: of }, ours)).toBe(expected);
  });
});
