// Who gets mail for an address that Postfix makes another one of: a table over a directory in memory.
import { describe, expect, it } from 'vitest';
import { type ReadingRules, readingsOf } from '../../../src/address/readings.ts';
import { resolveReadings } from '../../../src/directory/read-on.ts';
import type { DirectoryRows } from '../../../src/directory/resolve.ts';
import type { RecipientFacts } from '../../../src/directory/types.ts';
import { rowsOf } from './rows.ts';

const rules: ReadingRules = {
  percentHack: true,
  bangpath: true,
  dequote: true,
  origin: 'mx.example.net',
  hostname: 'mx.example.net',
  maybeAppended: 'example.net',
};
const machineNames = new Set(['mx.example.net', 'localhost', '[192.0.2.1]', '[ipv6:2001:db8::1]']);

const rows = rowsOf({
  domains: {
    'example.org': {},
    'all.example': {},
    'other.example': {},
    'weiss.example': {},
    'mx2.example.net': {},
  },
  users: {
    'alice@example.org': { id: 1, key: true },
    'news@example.org': { id: 2, key: true },
    'all@all.example': { id: 3, key: true },
    'both@example.org': { id: 4 },
    'both@other.example': { id: 5 },
    'weiss@weiss.example': { id: 6 },
    'a%b@example.org': { id: 7 },
    'here@mx2.example.net': { id: 8 },
  },
  aliases: {
    '@all.example': ['#3'],
    'postmaster@example.org': ['#1'],
    'postmaster@other.example': ['#1'],
    'wanted@all.example': ['#1'],
  },
  contacts: { 'bob@elsewhere.example': {} },
  otherNames: { 'mail.example.org': 'example.org', '[192.0.2.9]': 'example.org' },
});

function facts(
  address: string,
  over: DirectoryRows = rows,
  more: Partial<ReadingRules> = {},
): RecipientFacts {
  const readings = readingsOf(Buffer.from(address, 'utf8').toString('latin1'), { ...rules, ...more });
  return resolveReadings(over, readings, { delimiters: '+', mailboxDomain: '', machineNames }).facts;
}

/** `user 1`, `contact`, `nobody of example.org`, `nobody`, `unclear`. */
function who({ resolution, domain }: RecipientFacts): string {
  if (resolution.kind === 'nobody') return domain === null ? 'nobody' : `nobody of ${domain.name}`;
  if (!('readers' in resolution)) return resolution.kind;
  return resolution.readers
    .map((reader) => (reader.kind === 'user' ? `user ${reader.user.id}` : reader.kind))
    .join(', ');
}

describe('mail for', () => {
  it.each([
    // Operators of routing, in a domain of ours or of the machine.
    ['alice%example.org@localhost', 'user 1'],
    ['"alice@example.org"@mx.example.net', 'user 1'],
    ['alice@example.org@localhost', 'user 1'],
    ['example.org!alice@mx.example.net', 'user 1'],
    ['@localhost:alice%example.org@mx.example.net', 'user 1'],
    ['"@localhost:alice@example.org"@mx.example.net', 'user 1'],
    ['alice%example.org%localhost%example.org@[192.0.2.1]', 'user 1'],
    ['localhost!example.org!alice@other.example', 'user 1'],
    ['ALICE+list%EXAMPLE.ORG@LOCALHOST', 'user 1'],
    ['alice%example.org.@localhost.', 'user 1'],
    ['alice%example.org@', 'user 1'],
    ['"!example.org!al ice"@localhost', 'user 1'],
    ['alice%mail.example.org@[IPv6:2001:DB8:0::1]', 'user 1'],
    ['alice%example.org', 'user 1'],
    // Other names of a domain, and the machine's own.
    ['news@mail.example.org', 'user 2'],
    ['news+x@[192.0.2.9]', 'user 2'],
    ['news@localhost', 'user 2'],
    ['news', 'user 2'],
    ['news@[192.0.2.1]', 'user 2'],
    ['id_1@localhost', 'user 1'],
    ['nobody@mail.example.org', 'nobody of example.org'],
    ['nobody@localhost', 'nobody'],
    ['root', 'nobody'],
    // The catch-all has no name of its own there.
    ['anything@localhost', 'nobody'],
    // Several of ours have the name: the same reader, or it is not known who.
    ['postmaster@localhost', 'user 1'],
    ['both@localhost', 'unclear'],
    // The exact spelling always wins.
    ['a%b@example.org', 'user 7'],
    ['a%b@localhost', 'user 7'],
    ['a%b%example.org@localhost', 'user 7'],
    // A catch-all, and somebody else or the same one inside.
    ['alice%example.org@all.example', 'unclear'],
    ['all%all.example@all.example', 'user 3'],
    ['x%y@all.example', 'user 3'],
    ['x%all.example@all.example', 'user 3'],
    ['nobody%example.org@all.example', 'user 3'],
    ['wanted%all.example@all.example', 'unclear'],
    ['wanted%all.example%all.example@all.example', 'unclear'],
    ['bob%elsewhere.example@all.example', 'unclear'],
    ['carol%elsewhere.example@all.example', 'user 3'],
    // So with a name that is found without an extension in which Postfix may read on.
    ['alice+x%other.example@example.org', 'user 1'],
    ['alice+both%other.example@example.org', 'user 1'],
    ['alice+news%example.org@localhost', 'user 1'],
    ['weiss.example!weiss+x!y@example.org', 'user 6'],
    ['both+x%other.example@example.org', 'unclear'],
    // The domain that was read last decides for nobody; an outside one decides nothing.
    ['nobody%other.example@example.org', 'nobody of other.example'],
    ['nobody%elsewhere.example@example.org', 'nobody of example.org'],
    ['bob%elsewhere.example@localhost', 'contact'],
    ['bob@elsewhere.example', 'contact'],
    // Of others, nothing is read on.
    ['alice%example.org@elsewhere.example', 'nobody'],
    ['example.org!alice@elsewhere.example', 'nobody'],
    ['bounce+alice=example.org@lists.example', 'nobody'],
    ['"alice@example.org"@elsewhere.example', 'nobody'],
    ['SRS0=xx=yy=example.org=alice@elsewhere.example', 'nobody'],
    ['alice%elsewhere.example%example.org@localhost', 'nobody of example.org'],
    // Case folding of names and domains.
    ['weiß@weiss.example', 'user 6'],
    ['weiß@weiß.example', 'user 6'],
    ['WEIẞ%weiß.example@localhost', 'user 6'],
    ['alıce@example.org', 'nobody of example.org'],
    // append_dot_mydomain.
    ['here%mx2@localhost', 'user 8'],
    // No address at all.
    ['', 'nobody'],
    ['"alice@example.org', 'nobody'],
    ['alice@exa mple.org', 'nobody'],
    ['alice%example.org@exa mple.org', 'nobody'],
  ])('%s is for %s', (address, expected) => {
    expect(who(facts(address))).toBe(expected);
  });

  it('an address that is nested too deep waits, unless somebody has it on the way', () => {
    const nested = (address: string) => `${address}${'%localhost'.repeat(30)}@localhost`;
    expect(facts(nested('alice%example.org'))).toMatchObject({
      resolution: { kind: 'unclear', because: 'the address is nested too deep' },
    });
    expect(who(facts(`x%all.example${'%all.example'.repeat(30)}@all.example`))).toBe('unclear');
    expect(who(facts(`${'localhost!'.repeat(30)}x@elsewhere.example`))).toBe('nobody');
  });

  it.each([
    ['alice%example.org@localhost', { percentHack: false }],
    ['example.org!alice@localhost', { bangpath: false }],
    ['"alice@example.org"@localhost', { dequote: false }],
  ])('%s is not read on where main.cf forbids it', (address, more) => {
    expect(who(facts(address, rows, more))).toBe('nobody');
  });

  it('a name of the machine is for the domain that Postfix delivers for by itself', () => {
    const local = rowsOf({
      domains: { 'example.org': {}, 'other.example': { local: true } },
      users: { 'both@example.org': { id: 4 }, 'both@other.example': { id: 5 } },
    });
    expect(who(facts('both@localhost', local))).toBe('user 5');
  });

  it('a name that too many domains have waits', () => {
    const names = Array.from({ length: 30 }, (_, index) => `d${index}.example`);
    const many = rowsOf({
      domains: Object.fromEntries(names.map((name) => [name, {}])),
      users: { 'x@d0.example': { id: 1 } },
      aliases: Object.fromEntries(names.map((name) => [`info@${name}`, ['#1']])),
    });
    expect(who(facts('info@localhost', many))).toBe('unclear');
  });
});

describe('what was read on', () => {
  it('tells each step and what it rests on', () => {
    expect(facts('alice+x%mail.example.org%localhost@mx.example.net').readOn).toEqual({
      steps: [
        { address: 'alice+x%mail.example.org%localhost@mx.example.net', restsOn: 'as written' },
        { address: 'alice+x%mail.example.org@localhost', restsOn: 'a percent sign' },
        { address: 'alice+x@mail.example.org', restsOn: 'a percent sign' },
        { address: 'alice+x@example.org', restsOn: 'another name of the domain' },
      ],
    });
    expect(facts('news@localhost').readOn?.steps.at(-1)).toEqual({
      address: 'news@example.org',
      restsOn: 'a name of this machine',
    });
  });

  it('is not told where the address counts as it is written', () => {
    for (const address of [
      'alice+x@example.org',
      'nobody@example.org',
      'x%y@all.example',
      'bob@elsewhere.example',
    ])
      expect(facts(address).readOn).toBeUndefined();
  });

  it('keeps the address as it was asked for, beside the domain of the one who gets the mail', () => {
    expect(facts('Nobody%other.example@example.org')).toMatchObject({
      address: 'nobody%other.example@example.org',
      domain: { name: 'other.example' },
    });
  });
});

describe('a recipient whom Postfix may know, and nobody of ours is', () => {
  it.each([
    ['root@localhost', true],
    ['root', true],
    ['root+x@[192.0.2.1]', true],
    ['root%localhost@mx.example.net', true],
    // Somebody of ours, or nobody in a domain of ours.
    ['news@localhost', undefined],
    ['root@example.org', undefined],
    ['root%example.org@localhost', undefined],
    // Outside, also by way of this machine.
    ['root@elsewhere.example', undefined],
    ['root%elsewhere.example@localhost', undefined],
    ['both@localhost', undefined],
  ] as const)('is told apart: %s', (address, told) => {
    expect(facts(address).unknownHere).toBe(told);
  });
});
