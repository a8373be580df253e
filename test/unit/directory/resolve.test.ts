// Who an address is: one table over one small directory, and a few directories of their own for chains and loops.
import { describe, expect, it } from 'vitest';
import { parsePath } from '../../../src/address/normalise.ts';
import { type DirectoryRows, type ResolveOptions, resolveRecipient } from '../../../src/directory/resolve.ts';
import type { RecipientFacts } from '../../../src/directory/types.ts';
import { rowsOf } from './rows.ts';

const rows = rowsOf({
  domains: {
    'example.org': {},
    'case.example': { foldLocalPart: false },
    'keyed.example': { key: true },
    'relay.example': { class: 'relay' },
    'xn--bcher-kva.example': {},
  },
  users: {
    'alice@example.org': { id: 1, key: true },
    'bob@example.org': { id: 2 },
    'carol@example.org': { id: 3, key: true, status: 'disabled' },
    'Dave@case.example': { id: 4, key: true },
    'dave@case.example': { id: 5 },
    'erin@keyed.example': { id: 6 },
    'frank@keyed.example': { id: 7, key: true },
    'gina+fixed@example.org': { id: 8, key: true },
    '"two words"@example.org': { id: 9 },
    'hans@xn--bcher-kva.example': { id: 10 },
    'aa@example.org': { id: 11 },
  },
  aliases: {
    'sales@example.org': ['#1'],
    'team@example.org': ['#1', '#2'],
    'alice+shop@example.org': ['#2'],
    'forward@example.org': ['Out@Elsewhere.example'],
    'mixed@example.org': ['#1', 'out@elsewhere.example', 'keyed@outside.example'],
    'bytext@example.org': ['alice@example.org'],
    'byext@example.org': ['bob+inbox@example.org'],
    'byid@example.org': ['id_1@example.org'],
    'nested@example.org': ['sales@example.org', 'team@example.org'],
    'twice@example.org': ['#1', 'alice@example.org', 'sales@example.org'],
    'dangling@example.org': ['ghost@example.org'],
    'empty@example.org': [],
    'self@example.org': ['self@example.org'],
    'ping@example.org': ['pong@example.org'],
    'pong@example.org': ['ping@example.org'],
    'half@example.org': ['#1', 'ping@example.org'],
    'foreign@example.org': ['#6'],
    '@keyed.example': ['#7'],
    '@relay.example': ['someone@keyed.example'],
    'Upper@case.example': ['#4'],
    'removed@example.org': ['#99'],
    'tosales@keyed.example': ['sales+x@example.org'],
  },
  contacts: {
    'keyed@outside.example': {},
    'keyless@outside.example': { key: false },
    // from before these domains were ours
    'former@example.org': {},
    'former@keyed.example': {},
    'alice+former@example.org': {},
    'id_2@example.org': {},
    'id_98@example.org': {},
  },
});

const defaults: ResolveOptions = { delimiters: '+', mailboxDomain: '' };

function resolve(
  path: string,
  options: Partial<ResolveOptions> = {},
  from: DirectoryRows = rows,
): RecipientFacts {
  const parts = parsePath(path, 'mx.example');
  if (parts === null) throw new Error(`no address: ${path}`);
  return resolveRecipient(from, parts, { ...defaults, ...options }).facts;
}

/** The facts in one line: kind, readers, `via`, and where domain keys count. */
function line({ resolution, domain, domainKeys }: RecipientFacts): string {
  const readers = 'readers' in resolution ? resolution.readers : [];
  const words = readers.map((reader) => {
    const keys = reader.kind === 'outside' ? [] : reader.keys.map(({ fingerprint }) => fingerprint);
    const name = reader.kind === 'user' ? `user ${reader.user.id}` : `${reader.kind} ${reader.address}`;
    return keys.length === 0 ? name : `${name} [${keys.join(', ')}]`;
  });
  const via = 'via' in resolution && resolution.via.length > 0 ? ` via ${resolution.via.join(' ')}` : '';
  const of = domain === null ? '' : ` in ${domain.name}${domainKeys.length > 0 ? '*' : ''}`;
  return `${resolution.kind}${words.length > 0 ? `: ${words.join(', ')}` : ''}${via}${of}`;
}

describe('a recipient resolves to', () => {
  const table: readonly (readonly [path: string, facts: string])[] = [
    // users
    ['alice@example.org', 'user: user 1 [user 1] in example.org'],
    ['Alice@EXAMPLE.org', 'user: user 1 [user 1] in example.org'],
    ['alice@example.org.', 'user: user 1 [user 1] in example.org'],
    ['"alice"@example.org', 'user: user 1 [user 1] in example.org'],
    ['alice+anything@example.org', 'user: user 1 [user 1] in example.org'],
    ['alice+a+b@example.org', 'user: user 1 [user 1] in example.org'],
    ['alice+@example.org', 'user: user 1 [user 1] in example.org'],
    ['bob@example.org', 'user: user 2 in example.org'],
    ['carol@example.org', 'user: user 3 [user 3] in example.org'],
    ['"two words"@example.org', 'user: user 9 in example.org'],
    ['"Two Words"@example.org', 'user: user 9 in example.org'],
    ['hans@XN--BCHER-KVA.example', 'user: user 10 in xn--bcher-kva.example'],
    [Buffer.from('hans@bücher.example').toString('latin1'), 'user: user 10 in xn--bcher-kva.example'],
    ['@relay.example:alice@example.org', 'user: user 1 [user 1] in example.org'],
    // never a part of an address
    ['lice@example.org', 'nobody in example.org'],
    ['aalice@example.org', 'nobody in example.org'],
    ['a@example.org', 'nobody in example.org'],
    ['aa@example.org', 'user: user 11 in example.org'],
    ['alice@example.or', 'nobody'],
    ['alice@sub.example.org', 'nobody'],
    ['alice@xexample.org', 'nobody'],
    ['alic_@example.org', 'nobody in example.org'],
    ['%@example.org', 'nobody in example.org'],
    // case as the domain says
    ['Dave@case.example', 'user: user 4 [user 4] in case.example'],
    ['dave@case.example', 'user: user 5 in case.example'],
    ['DAVE@case.example', 'nobody in case.example'],
    ['Dave+x@CASE.example', 'user: user 4 [user 4] in case.example'],
    ['Upper@case.example', 'alias: user 4 [user 4] via Upper@case.example in case.example'],
    ['upper@case.example', 'nobody in case.example'],
    // extensions: the more exact entry wins
    ['gina+fixed@example.org', 'user: user 8 [user 8] in example.org'],
    ['gina@example.org', 'nobody in example.org'],
    ['gina+other@example.org', 'nobody in example.org'],
    ['alice+shop@example.org', 'alias: user 2 via alice+shop@example.org in example.org'],
    ['Alice+Shop@example.org', 'alias: user 2 via alice+shop@example.org in example.org'],
    // id addresses
    ['id_1@example.org', 'user: user 1 [user 1] in example.org'],
    ['ID_1@example.org', 'user: user 1 [user 1] in example.org'],
    ['id_1+x@example.org', 'user: user 1 [user 1] in example.org'],
    ['id_6@keyed.example', 'user: user 6 in keyed.example*'],
    ['id_6@example.org', 'user: user 6 in example.org*'],
    ['id_99@example.org', 'nobody in example.org'],
    ['id_99@keyed.example', 'nobody in keyed.example*'],
    ['id_1@outside.example', 'nobody'],
    ['id_01@example.org', 'nobody in example.org'],
    // aliases
    ['sales@example.org', 'alias: user 1 [user 1] via sales@example.org in example.org'],
    ['sales+x@example.org', 'alias: user 1 [user 1] via sales@example.org in example.org'],
    ['team@example.org', 'alias: user 1 [user 1], user 2 via team@example.org in example.org'],
    ['forward@example.org', 'alias: outside Out@elsewhere.example via forward@example.org in example.org'],
    [
      'mixed@example.org',
      'alias: user 1 [user 1], outside out@elsewhere.example, contact keyed@outside.example [contact keyed@outside.example] via mixed@example.org in example.org',
    ],
    ['bytext@example.org', 'alias: user 1 [user 1] via bytext@example.org in example.org'],
    ['byext@example.org', 'alias: user 2 via byext@example.org in example.org'],
    ['byid@example.org', 'alias: user 1 [user 1] via byid@example.org in example.org'],
    [
      'nested@example.org',
      'alias: user 1 [user 1], user 2 via nested@example.org sales@example.org team@example.org in example.org',
    ],
    ['twice@example.org', 'alias: user 1 [user 1] via twice@example.org sales@example.org in example.org'],
    [
      'tosales@keyed.example',
      'alias: user 1 [user 1] via tosales@keyed.example sales@example.org in keyed.example*',
    ],
    ['dangling@example.org', 'alias: outside ghost@example.org via dangling@example.org in example.org'],
    ['empty@example.org', 'alias via empty@example.org in example.org'],
    ['removed@example.org', 'alias: outside user99@gone.example via removed@example.org in example.org'],
    // a user without a key behind an alias of another domain: the keys of the user's own domain count
    ['foreign@example.org', 'alias: user 6 [domain keyed.example] via foreign@example.org in example.org'],
    // loops
    ['self@example.org', 'loop via self@example.org self@example.org in example.org'],
    ['ping@example.org', 'loop via ping@example.org pong@example.org ping@example.org in example.org'],
    [
      'half@example.org',
      'loop via half@example.org ping@example.org pong@example.org ping@example.org in example.org',
    ],
    // catch-alls
    ['erin@keyed.example', 'user: user 6 in keyed.example*'],
    ['erin+x@keyed.example', 'user: user 6 in keyed.example*'],
    ['whoever@keyed.example', 'alias: user 7 [user 7] via @keyed.example in keyed.example*'],
    ['""@keyed.example', 'alias: user 7 [user 7] via @keyed.example in keyed.example*'],
    ['any@relay.example', 'alias: user 7 [user 7] via @relay.example @keyed.example in relay.example'],
    ['any@example.org', 'nobody in example.org'],
    // a contact in a domain that has become ours hides nobody
    ['former@example.org', 'contact: contact former@example.org [contact former@example.org] in example.org'],
    ['former@keyed.example', 'alias: user 7 [user 7] via @keyed.example in keyed.example*'],
    ['alice+former@example.org', 'user: user 1 [user 1] in example.org'],
    ['former+x@keyed.example', 'alias: user 7 [user 7] via @keyed.example in keyed.example*'],
    ['id_2@example.org', 'user: user 2 in example.org'],
    ['id_98@example.org', 'contact: contact id_98@example.org [contact id_98@example.org] in example.org'],
    // contacts and the outside
    ['keyed@outside.example', 'contact: contact keyed@outside.example [contact keyed@outside.example]'],
    ['Keyed@Outside.example', 'contact: contact keyed@outside.example [contact keyed@outside.example]'],
    ['keyed+x@outside.example', 'contact: contact keyed@outside.example [contact keyed@outside.example]'],
    ['keyless@outside.example', 'nobody'],
    ['other@outside.example', 'nobody'],
    ['alice@[127.0.0.1]', 'nobody'],
    ['postmaster', 'nobody'],
  ];
  it.each(table)('%s: %s', (path, facts) => {
    expect(line(resolve(path))).toBe(facts);
  });
});

describe('options', () => {
  it('splits at any character of recipient_delimiter', () => {
    expect(line(resolve('alice-x@example.org', { delimiters: '+-' }))).toBe(
      'user: user 1 [user 1] in example.org',
    );
    expect(line(resolve('alice-x@example.org', { delimiters: '+' }))).toBe('nobody in example.org');
  });

  it('splits nothing without recipient_delimiter', () => {
    expect(line(resolve('alice+x@example.org', { delimiters: '' }))).toBe('nobody in example.org');
  });

  it('takes id addresses of mailbox_domain, with the domain of the user', () => {
    const options = { mailboxDomain: 'mailbox.internal' };
    expect(line(resolve('id_1@mailbox.internal', options))).toBe('user: user 1 [user 1] in example.org');
    expect(line(resolve('id_6@mailbox.internal', options))).toBe('user: user 6 in keyed.example*');
    expect(line(resolve('id_99@mailbox.internal', options))).toBe('nobody');
    expect(line(resolve('id_1@mailbox.internal'))).toBe('nobody');
  });

  it('keeps the extension in the address', () => {
    expect(resolve('Alice+Lists@example.org').address).toBe('alice+lists@example.org');
  });
});

describe('long chains', () => {
  const chain = (length: number) =>
    rowsOf({
      domains: { 'x.example': {} },
      users: { 'end@x.example': { id: 1 } },
      aliases: Object.fromEntries(
        Array.from({ length }, (_, index) => [
          `a${index}@x.example`,
          [index + 1 === length ? '#1' : `a${index + 1}@x.example`],
        ]),
      ),
    });

  it('follows ten aliases', () => {
    expect(resolve('a0@x.example', {}, chain(10)).resolution.kind).toBe('alias');
  });

  it('takes eleven for a loop', () => {
    expect(resolve('a0@x.example', {}, chain(11)).resolution.kind).toBe('loop');
    expect(resolve('a1@x.example', {}, chain(11)).resolution.kind).toBe('alias');
  });

  it('counts the longest way also where a part of it was expanded before', () => {
    const rows = rowsOf({
      domains: { 'x.example': {} },
      users: { 'end@x.example': { id: 1 } },
      aliases: {
        'top@x.example': ['a5@x.example', 'a0@x.example'],
        ...Object.fromEntries(
          Array.from({ length: 10 }, (_, index) => [
            `a${index}@x.example`,
            [index === 9 ? '#1' : `a${index + 1}@x.example`],
          ]),
        ),
      },
    });
    expect(resolve('top@x.example', {}, rows).resolution.kind).toBe('loop');
  });

  it('expands a thousand ways to the same reader at once', () => {
    const aliases: Record<string, string[]> = {};
    for (let level = 0; level < 9; level++) {
      for (const name of ['a', 'b', 'c']) {
        aliases[`${name}${level}@x.example`] =
          level === 8 ? ['#1'] : ['a', 'b', 'c'].map((next) => `${next}${level + 1}@x.example`);
      }
    }
    const rows = rowsOf({ domains: { 'x.example': {} }, users: { 'end@x.example': { id: 1 } }, aliases });
    const facts = resolve('a0@x.example', {}, rows);
    expect(line(facts)).toMatch(/^alias: user 1 via /);
  });
});

describe('a path with bytes that are no text', () => {
  it.each([
    ['in the extension', 'alice+\xe9t\xe9@example.org', 'alice@example.org'],
    ['a control character in the extension', 'alice+\xc2\x85@example.org', 'alice@example.org'],
    ['in the name', 'al\xefce@example.org', 'nobody-of-that-name@example.org'],
  ])('%s belongs to its domain all the same', (_name, path, like) => {
    expect(line(resolve(path))).toBe(line(resolve(like)));
    expect(resolve(path).domain?.name).toBe('example.org');
  });
});

describe('what was asked', () => {
  it('names every spelling that could have been found, so that a later one is noticed', () => {
    const parts = parsePath('New+x@example.org');
    if (parts === null) throw new Error('no address');
    const { asked } = resolveRecipient(rows, parts, defaults);
    expect([...asked.addresses].sort()).toEqual(
      ['@example.org', 'New+x@example.org', 'New@example.org', 'new+x@example.org', 'new@example.org'].sort(),
    );
    expect([...asked.domains]).toEqual(['example.org']);
  });

  it('follows aliases', () => {
    const parts = parsePath('bytext@example.org');
    if (parts === null) throw new Error('no address');
    expect(resolveRecipient(rows, parts, defaults).asked.addresses).toContain('alice@example.org');
  });
});
