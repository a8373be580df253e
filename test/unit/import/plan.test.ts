import { describe, expect, it } from 'vitest';
import type { Address } from '../../../src/address/address.ts';
import type { AliasRow, UserRow } from '../../../src/import/formats/rows.ts';
import { isSuspicious, makePlan, type Plan, type ReadRows } from '../../../src/import/plan.ts';
import type { Snapshot } from '../../../src/import/snapshot.ts';
import type { BulkKey } from '../../../src/keys/bulk.ts';

const NOTHING: Snapshot = {
  domains: [],
  users: [],
  addresses: [],
  keys: new Map(),
  keyed: new Set(),
  renamed: new Map(),
};

const OURS: Snapshot = {
  ...NOTHING,
  domains: [
    { id: 1, name: 'example.org', class: 'virtual', local: false, fold: true, otherNames: ['example.net'] },
  ],
  users: [
    {
      id: 7,
      address: 'alice@example.org' as Address,
      status: 'active',
      settings: {},
      transport: null,
      quota: 5,
      forwards: [],
    },
  ],
  addresses: [
    {
      id: 20,
      address: 'info@example.org' as Address,
      kind: 'alias',
      own: false,
      targets: [{ target: 'alice@example.org' as Address, userId: 7 }],
    },
    { id: 21, address: 'bob@example.org' as Address, kind: 'contact', own: false, targets: [] },
  ],
};

const user = (address: string, more: Partial<UserRow> = {}): UserRow => ({
  kind: 'user',
  where: `at ${address}`,
  address,
  ...more,
});
const alias = (address: string, ...targets: string[]): AliasRow => ({
  kind: 'alias',
  where: 'w',
  address,
  targets,
});

function key(fingerprint: string, names: readonly string[], more: Partial<BulkKey> = {}): BulkKey {
  return {
    fingerprint,
    kind: 'openpgp',
    names,
    refusal: null,
    lapsed: null,
    digest: `digest of ${fingerprint}`,
    size: 1,
    columns: () => Promise.reject(new Error('nothing is stored here')),
    again: () => Promise.reject(new Error('nothing is stored here')),
    ...more,
  };
}

const REFUSED = { code: 'weak algorithm', fingerprint: 'F', sentence: 'too weak' } as const;

interface Options {
  readonly adds?: boolean;
  readonly expired?: 'take' | 'refuse';
  readonly written?: readonly string[];
}

function planOf(
  rows: Partial<ReadRows>,
  snapshot = OURS,
  { adds = false, expired = 'take', written = [] }: Options = {},
): Promise<Plan> {
  const all = { domains: [], users: [], aliases: [], keys: [], others: [], ...rows };
  return makePlan(
    all,
    snapshot,
    { addsDomains: adds, addsOwners: adds },
    { delimiters: '+', expired, domains: [], written: new Set(written) },
  );
}

/** `outcome kind name` of every row that is told of. */
function words(plan: Plan): string[] {
  return plan.tally.told.map(({ outcome, kind, name }) => `${outcome} ${kind} ${name}`);
}

describe('the plan of an import', () => {
  it.each<[string, Partial<ReadRows>, string[]]>([
    ['a user whom nobody knows', { users: [user('new@example.org')] }, ['added user new@example.org']],
    ['a user as it is', { users: [user('Alice@Example.org', { quota: 5 })] }, []],
    [
      'another quota',
      { users: [user('alice@example.org', { quota: 6 })] },
      ['changed user alice@example.org'],
    ],
    ['a contact that becomes a user', { users: [user('bob@example.org')] }, ['added user bob@example.org']],
    ['a user at an alias', { users: [user('info@example.org')] }, ['refused user info@example.org']],
    ['no address', { users: [user('alice')] }, ['refused user alice']],
    ['a number of somebody', { users: [user('id_9@example.org')] }, ['refused user id_9@example.org']],
    ['a domain that is not ours', { users: [user('a@b.example')] }, ['refused user a@b.example']],
    ['another name of a domain', { users: [user('x@example.net')] }, ['refused user x@example.org']],
    [
      'one address twice, and not alike',
      { users: [user('n@example.org', { quota: 1 }), user('N@example.org', { quota: 2 })] },
      ['added user n@example.org', 'refused user n@example.org'],
    ],
    ['an alias that is there', { aliases: [alias('info@example.org', 'ALICE@example.org')] }, []],
    [
      'another reader of it',
      { aliases: [alias('info@example.org', 'x@y.example')] },
      ['changed alias info@example.org'],
    ],
    [
      'an alias to itself',
      { aliases: [alias('me@example.org', 'me@example.org')] },
      ['refused alias me@example.org'],
    ],
    [
      'an alias with half a target',
      { aliases: [alias('a@example.org', 'alice@example.org', '|cmd')] },
      ['refused alias a@example.org'],
    ],
    [
      'an alias at a user',
      { aliases: [alias('alice@example.org', 'x@y.example')] },
      ['refused alias alice@example.org'],
    ],
  ])('of %s', async (_what, rows, expected) => {
    expect(words(await planOf(rows))).toEqual(expected);
  });

  it('adds to an alias that was here before, and replaces the targets of one that the source made', async () => {
    const rows = { aliases: [alias('info@example.org', 'x@y.example')] };
    const targets = async (snapshot: Snapshot): Promise<string[]> => {
      const found = (await planOf(rows, snapshot)).draft.addresses.get('info@example.org');
      return found?.kind === 'alias' ? found.alias.targets.map(({ target }) => target) : [];
    };
    expect(await targets(OURS)).toEqual(['alice@example.org', 'x@y.example']);
    const own = OURS.addresses.map((each) => ({ ...each, own: true }));
    expect(await targets({ ...OURS, addresses: own })).toEqual(['x@y.example']);
  });

  it('gives a key to users and contacts, and says of nobody’s key that it is', async () => {
    const named = { kind: 'named', except: new Set<string>(), also: [] } as const;
    const rows = {
      keys: [
        {
          row: { where: 'w', owners: named, sealedBefore: true },
          key: key('A', ['alice@example.org', 'x@y.example']),
        },
        {
          row: { where: 'w', owners: { kind: 'known' } as const, sealedBefore: false },
          key: key('B', ['z@y.example']),
        },
      ],
    };
    const plan = await planOf(rows);
    expect(plan.fresh.map(({ fingerprint, owner }) => [fingerprint, owner?.kind])).toEqual([
      ['A', 'user'],
      ['A', 'contact'],
    ]);
    expect(words(plan)).toEqual(['added key A', 'refused key B']);
  });

  it.each<[string, BulkKey, Options, string[]]>([
    [
      'refused',
      key('F', ['alice@example.org'], { refusal: REFUSED }),
      {},
      ['refused key F', 'changed setting alice@example.org'],
    ],
    [
      'expired, and refused for it',
      key('F', ['alice@example.org'], { lapsed: REFUSED }),
      { expired: 'refuse' },
      ['refused key F', 'changed setting alice@example.org'],
    ],
    ['expired, and taken', key('F', ['alice@example.org'], { lapsed: REFUSED }), {}, ['added key F']],
    [
      'refused, of an outside address',
      key('F', ['x@y.example'], { refusal: REFUSED }),
      {},
      ['refused key F', 'changed setting x@y.example'],
    ],
    [
      'unreadable, of an outside address',
      key('F', ['x@y.example'], { refusal: REFUSED, fingerprint: null, size: 0 }),
      {},
      ['refused key a key that cannot be read', 'refused setting x@y.example'],
    ],
  ])(
    'lets nobody who was sealed be in plaintext: a key that is %s',
    async (_what, each, options, expected) => {
      const named = { kind: 'named', except: new Set<string>(), also: [] } as const;
      const rows = { keys: [{ row: { where: 'w', owners: named, sealedBefore: true }, key: each }] };
      expect(words(await planOf(rows, OURS, options))).toEqual(expected);
      // Whoever has another key needs no more.
      const keyed = await planOf(rows, { ...OURS, keyed: new Set(['user:7']) }, options);
      expect(words(keyed)).not.toContain('changed setting alice@example.org');
    },
  );

  it.each([
    ['an outside address', ['x@y.example'], 'contact'],
    ['a domain', ['@example.org'], 'domain'],
  ] as const)('keeps the refused key of %s, disabled: its mail waits', async (_what, addresses, kind) => {
    const refused = key('F', [], { refusal: REFUSED });
    const owners = { kind: 'these', addresses } as const;
    const { fresh } = await planOf({
      keys: [{ row: { where: 'w', owners, sealedBefore: true }, key: refused }],
    });
    expect(fresh.map(({ owner, isKeptDisabled }) => [owner?.kind, isKeptDisabled])).toEqual([[kind, true]]);
  });

  it('says nothing of keys that the same import has written a moment ago, and does not merge them', async () => {
    const rows = {
      keys: ['digest of F', 'another copy'].map((digest) => ({
        row: {
          where: 'w',
          owners: { kind: 'these', addresses: ['alice@example.org'] } as const,
          sealedBefore: true,
        },
        key: key('F', [], { digest }),
      })),
    };
    const known = { id: 3, owner: 'user:7', status: 'active', revoked: false, digest: 'merged' } as const;
    const now = { ...OURS, keys: new Map([['F', [known]]]), keyed: new Set(['user:7']) };
    const written = ['F alice@example.org digest of F', 'F alice@example.org another copy'];
    const { fresh, again, tally } = await planOf(rows, now, { written });
    expect({ fresh, again, told: tally.told }).toEqual({ fresh: [], again: [], told: [] });
    expect((await planOf(rows, now)).again).toHaveLength(2);
  });

  it('tells what is gone: not what is refused, and no key while one cannot be read', async () => {
    const plan = await planOf({
      users: [user('alice@example.org'), user('info@example.org')],
      others: [{ kind: 'refused', of: 'key', name: 'x', where: 'w', because: 'unreadable' }],
    });
    const gone = (kind: 'user' | 'alias' | 'key', name: string, disabled = false) =>
      plan.isGone({ kind, name, id: 1, disabled });
    expect([gone('user', 'alice@example.org'), gone('user', 'info@example.org')]).toEqual([false, false]);
    expect([gone('user', 'zoe@example.org'), gone('user', 'zoe@example.org', true)]).toEqual([true, false]);
    expect([gone('alias', 'a@example.org'), gone('key', 'F alice@example.org')]).toEqual([true, false]);
  });

  it.each([
    [0, 0, false],
    [1, 10, true],
    [5, 100, false],
    [6, 100, true],
  ])('finds %d of %d gone suspicious: %s', (gone, made, expected) => {
    expect(isSuspicious(gone, made)).toBe(expected);
  });
});
