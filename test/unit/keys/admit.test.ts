// Whether an owner gets a key that is new to them: one table for every way in.
import { describe, expect, it } from 'vitest';
import { type Candidate, type OtherKey, refuseCandidate } from '../../../src/keys/admit.ts';
import type { ImportOptions } from '../../../src/keys/import-options.ts';

const OLD: OtherKey = { fingerprint: 'OLD', kind: 'openpgp', source: 'cli' };
const lapsed = { code: 'expired', fingerprint: 'NEW', sentence: 'expired' } as const;
const own: Candidate = {
  fingerprint: 'NEW',
  kind: 'openpgp',
  names: ['alice@example.org'],
  isOwn: (address) => address === 'alice@example.org',
  lapsed: null,
};
const other: Candidate = { ...own, names: ['mallory@example.net'] };
type Wishes = Parameters<typeof refuseCandidate>[3];
const cli: Wishes = { source: 'cli' };
const named = { ...cli, for: 'alice@example.org' } satisfies Partial<ImportOptions>;

type Row = readonly [
  name: string,
  candidate: Candidate,
  others: readonly OtherKey[],
  wishes: Wishes,
  code: string | null,
  kind?: 'user' | 'contact' | 'domain',
];

describe('a new key', () => {
  const rows: readonly Row[] = [
    ['the first one', own, [], cli, null],
    ['the first one, named', own, [], named, null],
    ['a second one', own, [OLD], cli, 'second key'],
    ['a second one, named', own, [OLD], named, 'second key'],
    ['a second one of a portal', own, [{ ...OLD, source: 'portal' }], { source: 'portal' }, 'second key'],
    ['a second one that WKD found', own, [{ ...OLD, source: 'wkd' }], { source: 'wkd' }, 'second key'],
    ['another device', own, [OLD], { ...cli, add: true }, null],
    ['the next one', own, [OLD], { ...cli, replace: true }, null],
    ['of the other kind', { ...own, kind: 'x509' }, [OLD], cli, null],
    ['a second certificate', { ...own, kind: 'x509' }, [{ ...OLD, kind: 'x509' }], cli, 'second key'],
    ['the same one', own, [{ ...OLD, fingerprint: 'NEW' }], cli, null],
    ["somebody else's", other, [], named, 'names others'],
    ["somebody else's, meant", other, [], { ...named, anyName: true }, null],
    ["somebody else's, added", other, [OLD], { ...named, add: true }, 'names others'],
    ["somebody else's, meant, but a second one", other, [OLD], { ...named, anyName: true }, 'second key'],
    [
      'of two people, one of them the owner',
      { ...own, names: [...other.names, ...own.names] },
      [],
      named,
      null,
    ],
    ['that names nobody', { ...own, names: [] }, [], named, null],
    ['from Autocrypt beside a better one', own, [OLD], { source: 'autocrypt', add: true }, 'weaker source'],
    ['from WKD in place of a better one', own, [OLD], { source: 'wkd', replace: true }, 'weaker source'],
    [
      'from the portal in place of a better one',
      own,
      [OLD],
      { source: 'portal', replace: true },
      'weaker source',
    ],
    ['from the portal beside a better one', own, [OLD], { source: 'portal', add: true }, null],
    ['expired, of a user', { ...own, lapsed }, [], cli, null],
    ['expired, beside a good one', { ...own, lapsed }, [OLD], { ...cli, add: true }, null],
    ['expired, beside a good one, without a word', { ...own, lapsed }, [OLD], cli, 'second key'],
    ['expired, in place of another one', { ...own, lapsed }, [OLD], { ...cli, replace: true }, 'expired'],
    ['expired, in place of nothing', { ...own, lapsed }, [], { ...cli, replace: true }, null],
    ['expired, from WKD', { ...own, lapsed }, [], { source: 'wkd' }, 'expired'],
    ['expired, of a contact', { ...own, lapsed }, [], named, 'expired', 'contact'],
    ['expired, of a domain', { ...own, lapsed }, [], named, 'expired', 'domain'],
  ];
  it.each(rows.map((row) => [row[0], row] as const))('%s', (_name, row) => {
    const [, candidate, others, wishes, code, kind = 'user'] = row;
    const refusal = refuseCandidate(candidate, { kind, name: 'alice@example.org' }, others, wishes);
    expect(refusal?.code ?? null).toBe(code);
    if (refusal !== null) expect(refusal.fingerprint).toBe('NEW');
  });
});
