// Of which changes a former reader is told.
import { describe, expect, it } from 'vitest';
import { configSchema } from '../../../src/config/schema.ts';
import { type Readers, readerNews, readersSchema } from '../../../src/enrolment/readers.ts';

const GLOBAL = configSchema.parse({}).encryption;
const [A, B] = ['A'.repeat(40), 'B'.repeat(40)];

function readers(more: object = {}): Readers {
  return readersSchema.parse({ keys: [keyOf(A)], user: {}, domain: {}, forwards: [], rules: [], ...more });
}

function keyOf(fingerprint: string, certificate = 'one') {
  return { kind: 'openpgp', fingerprint, certificate };
}

const SUBKEYS: Readonly<Record<string, readonly string[]>> = { one: ['s1'], two: ['s1', 's2'], three: [] };

const TABLE: readonly (readonly [string, Readers, Readers, readonly string[]])[] = [
  ['nothing', readers(), readers(), []],
  ['a key is added', readers(), readers({ keys: [keyOf(A), keyOf(B)] }), ['key added']],
  ['a key is replaced', readers(), readers({ keys: [keyOf(B)] }), ['key added', 'key removed']],
  ['a key is removed, disabled or revoked', readers(), readers({ keys: [] }), ['key removed']],
  ['a key has a new subkey', readers(), readers({ keys: [keyOf(A, 'two')] }), ['subkey added']],
  ['a key has lost a subkey', readers(), readers({ keys: [keyOf(A, 'three')] }), []],
  ['encrypt=off', readers(), readers({ user: { encrypt: false } }), ['setting']],
  ['encrypt=off in the domain', readers(), readers({ domain: { encrypt: false } }), ['setting']],
  [
    'encrypt=off in the domain, on for the user',
    readers({ user: { encrypt: true } }),
    readers({ user: { encrypt: true }, domain: { encrypt: false } }),
    [],
  ],
  ['a stronger setting', readers(), readers({ user: { subject: 'hide' } }), []],
  ['a setting of a newer program', readers(), readers({ user: { unheard_of: 1, encrypt: 'what' } }), []],
  ['a copy elsewhere', readers(), readers({ forwards: ['x@outside.example'] }), ['forward']],
  ['a copy elsewhere is gone', readers({ forwards: ['x@outside.example'] }), readers(), []],
  ['a pass rule', readers(), readers({ rules: [{ id: 1, action: 'pass' }] }), ['pass rule']],
  ['a pass rule is gone', readers({ rules: [{ id: 1, action: 'pass' }] }), readers(), []],
  ['a seal rule', readers(), readers({ rules: [{ id: 1, action: 'seal' }] }), []],
  ['a seal rule is gone', readers({ rules: [{ id: 1, action: 'seal' }] }), readers(), ['seal rule gone']],
];

describe('former readers', () => {
  it.each(TABLE)('%s', (_name, before, after, expected) => {
    const news = readerNews(before, after, GLOBAL, (certificate) => SUBKEYS[certificate] ?? []);
    expect(news.map(({ what }) => what)).toEqual(expected);
  });
});
