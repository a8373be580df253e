import { describe, expect, it } from 'vitest';
import type { Address } from '../../../src/address/address.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { createDecider } from '../../../src/delivery/decide.ts';
import { keyAddressOf, keyDoorOf } from '../../../src/delivery/key-address.ts';
import { resolveRecipient } from '../../../src/directory/resolve.ts';
import type { Domain, Reader, RecipientFacts, Resolution } from '../../../src/directory/types.ts';

const KEY = { local: 'keys', delimiters: '+' };
const DOMAIN: Domain = {
  id: 1,
  name: 'example.org',
  class: 'virtual',
  foldLocalPart: true,
  settings: {},
  transport: null,
  rules: [],
};
const NOBODY: Resolution = { kind: 'nobody' };
const KEYS: Reader = {
  kind: 'user',
  user: {
    id: 7,
    address: 'keys@example.org' as Address,
    status: 'active',
    settings: {},
    domain: DOMAIN,
    quotaBytes: null,
    rules: [],
  },
  keys: [],
};
const USER: Resolution = { kind: 'user', readers: [KEYS], via: [] };
const aliasOf = (name: string): Resolution => ({ kind: 'alias', readers: [KEYS], via: [name as Address] });

function facts(address: string, resolution = NOBODY, domain: Domain | null = DOMAIN): RecipientFacts {
  return { address: address as Address, resolution, domain, domainKeys: [] };
}

describe('a letter to the key address', () => {
  it.each<[string, RecipientFacts, string]>([
    ['is taken where nobody has the address', facts('keys@example.org'), 'takes'],
    ['is taken in upper case', facts('KEYS@example.org'), 'takes'],
    ['is taken with an extension', facts('keys+mine@example.org'), 'takes'],
    ['is taken in a relay domain', facts('keys@example.org', NOBODY, { ...DOMAIN, class: 'relay' }), 'takes'],
    ['is for the user of that name', facts('keys@example.org', USER), 'closed'],
    ['is for that user with an extension, too', facts('keys+mine@example.org', USER), 'closed'],
    ['is for the alias of that name', facts('keys@example.org', aliasOf('keys@example.org')), 'closed'],
    ['is read, and goes on to the catch-all', facts('keys@example.org', aliasOf('@example.org')), 'reads'],
    [
      'is read, and goes on where Postfix has aliases and accounts of its own',
      facts('keys@example.org', NOBODY, { ...DOMAIN, local: true }),
      'reads',
    ],
    [
      'is read, and goes on where the next hop knows its recipients',
      facts('keys@example.org', NOBODY, { ...DOMAIN, acceptsUnknown: true }),
      'reads',
    ],
    ['is mail as any other in a foreign domain', facts('keys@example.org', NOBODY, null), 'closed'],
    ['is not one to another name', facts('keysmith@example.org'), 'closed'],
    ['is not one to a name that ends like it', facts('my.keys@example.org'), 'closed'],
    ['is not one to an extension of that name', facts('bob+keys@example.org'), 'closed'],
    [
      'is one where Postfix makes the address of it',
      {
        ...facts('keys%example.org@mx.example.org'),
        readOn: { steps: [{ address: 'keys@example.org' as Address, restsOn: 'percent_hack' }] },
      },
      'takes',
    ],
    [
      'is none where Postfix makes another address of it',
      {
        ...facts('keys@example.org'),
        readOn: { steps: [{ address: 'bob@example.org' as Address, restsOn: 'percent_hack' }] },
      },
      'closed',
    ],
    [
      'waits with any other where it is not clear whose the address is',
      facts('keys@example.org', { kind: 'unclear', because: 'the address is nested too deep' }),
      'closed',
    ],
  ])('%s', (_name, given, expected) => {
    expect(keyDoorOf(given, KEY)).toBe(expected);
  });

  it('is one to the name that portal.key_address says, where portal.url is set', () => {
    const config = configSchema.parse({
      recipient_delimiter: '-',
      portal: { url: 'https://k.example', key_address: 'pgp' },
    });
    expect(keyAddressOf(config)).toEqual({ local: 'pgp', delimiters: '-' });
    expect(keyAddressOf(configSchema.parse({}))).toBeNull();
    expect(keyDoorOf(facts('keys@example.org'), null)).toBe('closed');
  });

  it('is recognised in what the directory itself says of a catch-all and of an alias', () => {
    const rows = {
      domains: new Map([['example.org', DOMAIN]]),
      otherNames: new Map(),
      namesakes: new Map(),
      addresses: new Map([
        ['@example.org', { id: 1, address: '@example.org' as Address, kind: 'alias' as const, userId: null }],
      ]),
      targets: new Map([[1, [{ target: 'x@outside.example', targetUserId: null }]]]),
      users: new Map(),
      keys: new Map(),
    };
    const options = { delimiters: '+', mailboxDomain: '' };
    const resolved = (local: string) =>
      resolveRecipient(rows, { local, domain: 'example.org' }, options).facts;
    expect(keyDoorOf(resolved('keys'), KEY)).toBe('reads');
    expect(keyDoorOf(resolved('Keys+x'), KEY)).toBe('reads');
    expect(keyDoorOf(resolved('bob'), KEY)).toBe('closed');
  });
});

describe('the decision on it', () => {
  const decider = createDecider({
    inspect: () => Promise.reject(new Error('no key')),
    global: () => configSchema.parse({}).encryption,
    keyAddress: () => KEY,
  });
  const seen = { detection: { encrypted: false as const, because: 'text/plain' }, message: null };

  it('takes it, and tells so', async () => {
    const decision = await decider.copy(facts('keys@example.org'), seen);
    expect(decision).toMatchObject({ action: 'take', because: 'key address' });
    expect(decision.readForKeys).toBeUndefined();
  });

  it('waits until a restored database is accepted: whose key it is may be missing', async () => {
    const restored = { ...facts('keys@example.org'), restoredFrom: '2026-01-01T00:00:00Z' };
    expect(await decider.copy(restored, seen)).toMatchObject({
      action: 'defer',
      because: 'restored from a backup',
    });
  });

  it('is as ever beside it, where somebody else may have the address', async () => {
    const decision = await decider.copy(facts('keys@example.org', NOBODY, { ...DOMAIN, local: true }), seen);
    expect(decision).toMatchObject({ action: 'pass', because: 'no key', readForKeys: true });
  });
});
