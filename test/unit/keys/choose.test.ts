// The choice among a recipient's keys, as a table: pure, no cryptography.
import { describe, expect, it } from 'vitest';
import type { KeyKind } from '../../../src/directory/types.ts';
import { chooseKeys, type InspectedKey } from '../../../src/keys/choose.ts';
import type { CertificateFacts, Flaw, Window } from '../../../src/keys/facts.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2030, 0, 15);

function facts(change: Partial<CertificateFacts>): CertificateFacts {
  return {
    fingerprint: 'F',
    version: 4,
    algorithm: { name: 'ed25519' },
    created: NOW - 100 * DAY,
    expires: null,
    revoked: false,
    userIds: [],
    encryptionKeys: [],
    aead: false,
    windows: [],
    flaw: null,
    newestRevoked: false,
    sealing: new Uint8Array([1]),
    ...change,
  };
}

function key(
  fingerprint: string,
  what: Partial<CertificateFacts> | null,
  status: 'active' | 'disabled' = 'active',
): InspectedKey {
  return {
    key: {
      kind: 'openpgp',
      fingerprint,
      certificate: new Uint8Array(),
      status,
      source: 'cli',
      createdAt: new Date(0),
    },
    facts: what === null ? null : facts({ ...what, fingerprint }),
  };
}

const window = (from: number, until: number | null): Window => ({ from, until, subkey: 'S' });
const valid = (name: string) => key(name, { windows: [window(NOW - DAY, null)] });
const expired = (name: string, until = NOW - DAY) => key(name, { windows: [window(NOW - 9 * DAY, until)] });
const flawed = (name: string, flaw: Flaw) => key(name, { flaw });
const revoked = (name: string) => flawed(name, { kind: 'revoked' });

interface Expected {
  readonly state: string;
  readonly use?: readonly (readonly [fingerprint: string, at: number])[];
  readonly leftOut?: readonly string[];
}

const table: readonly (readonly [name: string, keys: readonly InspectedKey[], expected: Expected])[] = [
  ['no key is known', [], { state: 'missing' }],
  ['one is valid', [valid('A')], { state: 'usable', use: [['A', NOW]] }],
  [
    'several devices',
    [valid('A'), valid('B')],
    {
      state: 'usable',
      use: [
        ['A', NOW],
        ['B', NOW],
      ],
    },
  ],
  [
    'a good one among bad ones',
    [revoked('A'), valid('B'), expired('C'), key('D', { windows: [window(0, null)] }, 'disabled')],
    { state: 'usable', use: [['B', NOW]], leftOut: ['C expired on 2030-01-14', 'A revoked', 'D disabled'] },
  ],
  [
    'it is valid until this very moment',
    [key('A', { windows: [window(0, NOW)] })],
    { state: 'expired', use: [['A', NOW - 1000]] },
  ],
  [
    'it is valid one second longer',
    [key('A', { windows: [window(0, NOW + 1000)] })],
    { state: 'usable', use: [['A', NOW]] },
  ],
  [
    'it becomes valid now',
    [key('A', { windows: [window(NOW, null)] })],
    { state: 'usable', use: [['A', NOW]] },
  ],
  [
    'it becomes valid later',
    [key('A', { windows: [window(NOW + DAY, null)] })],
    { state: 'unusable', leftOut: ['A not valid before 2030-01-16'] },
  ],
  ['it has expired', [expired('A')], { state: 'expired', use: [['A', NOW - DAY - 1000]] }],
  [
    'all have expired',
    [expired('A'), expired('B', NOW - 2 * DAY)],
    {
      state: 'expired',
      use: [
        ['A', NOW - DAY - 1000],
        ['B', NOW - 2 * DAY - 1000],
      ],
    },
  ],
  [
    'its last window counts when several are over',
    [key('A', { windows: [window(NOW - 9 * DAY, NOW - 8 * DAY), window(NOW - 5 * DAY, NOW - 2 * DAY)] })],
    { state: 'expired', use: [['A', NOW - 2 * DAY - 1000]] },
  ],
  [
    'it is over now but comes back',
    [key('A', { windows: [window(0, NOW - DAY), window(NOW + DAY, null)] })],
    { state: 'expired', use: [['A', NOW - DAY - 1000]] },
  ],
  [
    'it was valid for less than a second',
    [key('A', { windows: [window(NOW - DAY, NOW - DAY + 500)] })],
    { state: 'expired', use: [['A', NOW - DAY]] },
  ],
  [
    'it has expired and its newest subkey is revoked',
    [key('A', { windows: [window(0, NOW - DAY)], newestRevoked: true })],
    { state: 'unusable', leftOut: ['A its last encryption subkey is revoked'] },
  ],
  [
    'its newest subkey is revoked and an older one is valid',
    [key('A', { windows: [window(0, null)], newestRevoked: true })],
    { state: 'usable', use: [['A', NOW]] },
  ],
  ['it is revoked', [revoked('A')], { state: 'unusable', leftOut: ['A revoked'] }],
  [
    'it is disabled',
    [key('A', { windows: [window(0, null)] }, 'disabled')],
    { state: 'unusable', leftOut: ['A disabled'] },
  ],
  [
    'it is disabled and expired',
    [key('A', { windows: [window(0, NOW - DAY)] }, 'disabled')],
    { state: 'unusable', leftOut: ['A disabled'] },
  ],
  [
    'it cannot be read',
    [key('A', null)],
    { state: 'unusable', leftOut: ['A the stored certificate cannot be read'] },
  ],
  [
    'it is weak',
    [flawed('A', { kind: 'weak', what: 'DSA' })],
    { state: 'unusable', leftOut: ['A DSA is too weak'] },
  ],
  [
    'it rests on SHA-1',
    [flawed('A', { kind: 'sha1', acceptable: true })],
    { state: 'unusable', leftOut: ['A its self-signatures rest on SHA-1 or MD5'] },
  ],
  [
    'it has no user ID',
    [flawed('A', { kind: 'no user ID' })],
    { state: 'unusable', leftOut: ['A no valid user ID'] },
  ],
  [
    'it cannot encrypt',
    [flawed('A', { kind: 'no encryption key', because: 'none of its keys may encrypt' })],
    { state: 'unusable', leftOut: ['A none of its keys may encrypt'] },
  ],
  [
    'one has expired and one is revoked: the revoked one is left out, the rest has expired',
    [revoked('A'), expired('B')],
    { state: 'expired', use: [['B', NOW - DAY - 1000]], leftOut: ['A revoked'] },
  ],
  [
    'one has expired and one is disabled',
    [key('A', { windows: [window(0, null)] }, 'disabled'), expired('B')],
    { state: 'expired', use: [['B', NOW - DAY - 1000]], leftOut: ['A disabled'] },
  ],
  [
    'every one is bad in its own way',
    [revoked('A'), key('B', null)],
    { state: 'unusable', leftOut: ['A revoked', 'B the stored certificate cannot be read'] },
  ],
];

describe('choosing keys when', () => {
  it.each(table)('%s', (_name, keys, expected) => {
    const choice = chooseKeys(keys, NOW);
    expect(choice.state).toBe(expected.state);
    expect(choice.use.map(({ fingerprint, at }) => [fingerprint, at])).toEqual(expected.use ?? []);
    expect(choice.leftOut.map(({ fingerprint, because }) => `${fingerprint} ${because}`)).toEqual(
      expected.leftOut ?? [],
    );
  });

  it('gives the engine the sealing part of the certificate, never the stored bytes', () => {
    expect(chooseKeys([valid('A')], NOW).use[0]?.certificate).toEqual(new Uint8Array([1]));
  });
});

describe('choosing between an OpenPGP key and an X.509 certificate', () => {
  const x509 = ({ key: stored, facts: known }: InspectedKey): InspectedKey => ({
    key: { ...stored, kind: 'x509' },
    facts: known,
  });
  const cases: readonly (readonly [
    name: string,
    keys: readonly InspectedKey[],
    prefer: KeyKind,
    expected: readonly [state: string, kind: KeyKind, use: string, leftOut: string],
  ])[] = [
    ['takes the preferred kind', [valid('P'), x509(valid('S'))], 'openpgp', ['usable', 'openpgp', 'P', '']],
    ['takes the other preference', [valid('P'), x509(valid('S'))], 'x509', ['usable', 'x509', 'S', '']],
    [
      'takes every key of the kind, and none of the other',
      [x509(valid('S')), valid('P'), x509(valid('T'))],
      'x509',
      ['usable', 'x509', 'S T', ''],
    ],
    ['takes what is there', [x509(valid('S'))], 'openpgp', ['usable', 'x509', 'S', '']],
    [
      'takes a valid one of the other kind before an expired one',
      [expired('P'), x509(valid('S'))],
      'openpgp',
      ['usable', 'x509', 'S', 'P'],
    ],
    [
      'takes a valid one of the other kind before a dead one',
      [revoked('P'), x509(valid('S'))],
      'openpgp',
      ['usable', 'x509', 'S', 'P'],
    ],
    [
      'takes the preferred kind also of two that have expired',
      [expired('P'), x509(expired('S'))],
      'x509',
      ['expired', 'x509', 'S', ''],
    ],
    [
      'takes an expired certificate where the key is dead',
      [revoked('P'), x509(expired('S'))],
      'openpgp',
      ['expired', 'x509', 'S', 'P'],
    ],
    [
      'finds nothing where all are dead',
      [revoked('P'), x509(key('S', null))],
      'openpgp',
      ['unusable', 'openpgp', '', 'P S'],
    ],
  ];
  it.each(cases)('%s', (_name, keys, prefer, expected) => {
    const { state, kind, use, leftOut } = chooseKeys(keys, NOW, prefer);
    const names = (some: readonly { readonly fingerprint: string }[]) =>
      some.map(({ fingerprint }) => fingerprint).join(' ');
    expect([state, kind, names(use), names(leftOut)]).toEqual(expected);
  });
});
