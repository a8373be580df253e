// Addresses made comparable: a table of paths as Postfix sends them, and of what people type.
import { describe, expect, it } from 'vitest';
import { userIdOf } from '../../../src/address/id-address.ts';
import {
  lookupCandidates,
  normaliseDomain,
  normalisePath,
  normaliseTyped,
  parsePath,
  stripExtension,
} from '../../../src/address/normalise.ts';

/** A path on the wire: UTF-8 as latin1. */
const wire = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

describe('a recipient path becomes one canonical address', () => {
  const table: readonly (readonly [path: string, address: string | null])[] = [
    ['alice@example.org', 'alice@example.org'],
    ['Alice@EXAMPLE.Org', 'alice@example.org'],
    ['alice@example.org.', 'alice@example.org'],
    ['alice+lists@example.org', 'alice+lists@example.org'],
    ['"alice"@example.org', 'alice@example.org'],
    ['"a.b"@example.org', 'a.b@example.org'],
    ['"a\\b"@example.org', 'ab@example.org'],
    ['"a b"@example.org', '"a b"@example.org'],
    ['"A B"@example.org', '"a b"@example.org'],
    ['"a\\"b"@example.org', '"a\\"b"@example.org'],
    ['"a\\\\b"@example.org', '"a\\\\b"@example.org'],
    ['"a@b"@example.org', '"a@b"@example.org'],
    ['a@b@example.org', '"a@b"@example.org'],
    ['dot..dot@example.org', '"dot..dot"@example.org'],
    ['.dot@example.org', '".dot"@example.org'],
    ['dot.@example.org', '"dot."@example.org'],
    ['"a".b@example.org', 'a.b@example.org'],
    ['a\\ b@example.org', '"a b"@example.org'],
    ['""@example.org', '""@example.org'],
    ["o'hara!#$%&*/=?^_`{|}~-@example.org", "o'hara!#$%&*/=?^_`{|}~-@example.org"],
    ['@relay.example:alice@example.org', 'alice@example.org'],
    ['@relay.example,@[192.0.2.1]:alice@example.org', 'alice@example.org'],
    ['alice@[127.0.0.1]', 'alice@[127.0.0.1]'],
    ['alice@[IPv6:2001:DB8::1]', 'alice@[ipv6:2001:db8::1]'],
    ['alice@xn--bcher-kva.example', 'alice@xn--bcher-kva.example'],
    ['alice@XN--BCHER-KVA.example', 'alice@xn--bcher-kva.example'],
    [wire('alice@bücher.example'), 'alice@xn--bcher-kva.example'],
    [wire('alice@BÜCHER.example'), 'alice@xn--bcher-kva.example'],
    [wire('Jürgen@example.org'), 'jürgen@example.org'],
    [wire('ju\u0308rgen@example.org'), 'jürgen@example.org'],
    [wire('用户@例え.テスト'), '用户@xn--r8jz45g.xn--zckzah'],
    ['alice@sub_domain.example', 'alice@sub_domain.example'],
    ['postmaster', 'postmaster@mx.example'],
    ['Postmaster', 'postmaster@mx.example'],
    ['', null],
    ['@example.org', null],
    ['alice@', null],
    ['alice@.', null],
    ['alice@a..b', null],
    ['alice@a b', null],
    ['alice@%65xample.org', null],
    ['alice@exa/mple.org', null],
    ['alice@[', null],
    ['alice@[::1', null],
    [`alice@${'a'.repeat(64)}.example`, null],
    ['"alice@example.org', null],
    ['alice\\', null],
    // Nobody's, and yet of this domain.
    ['al\0ice@example.org', 'al\ufffdice@example.org'],
    ['al\nice@example.org', 'al\ufffdice@example.org'],
    ['al\xe4ice@example.org', 'al\ufffdice@example.org'],
    ['alice+\xc2\x85@example.org', 'alice+\ufffd@example.org'],
    ['alice@b\xfccher.example', null],
    // Quotes around quotes: Postfix asks for the name without the outer ones, too.
    ['"\\"alice\\""@example.org', 'alice@example.org'],
    ['"\\"\\\\\\"alice\\\\\\"\\""@example.org', 'alice@example.org'],
    ['"\\"alice"@example.org', '"\\"alice"@example.org'],
  ];
  it.each(table)('%j is %j', (path, address) => {
    expect(normalisePath(path, () => true, 'mx.example')).toBe(address);
  });

  it('keeps the case of local parts where the domain says so', () => {
    const fold = (domain: string) => domain !== 'case.example';
    expect(normalisePath('Alice@CASE.example', fold)).toBe('Alice@case.example');
    expect(normalisePath('Alice@example.org', fold)).toBe('alice@example.org');
  });

  it('has no domain for a bare local part when none is given', () => {
    expect(parsePath('postmaster')).toBeNull();
  });
});

describe('what a person types becomes the same address', () => {
  const table: readonly (readonly [typed: string, address: string | null])[] = [
    ['alice@example.org', 'alice@example.org'],
    ['  Alice@Example.ORG ', 'alice@example.org'],
    ['<alice@example.org>', 'alice@example.org'],
    ['alice@bücher.example', 'alice@xn--bcher-kva.example'],
    ['@example.org', '@example.org'],
    ['@Bücher.example', '@xn--bcher-kva.example'],
    ['"a b"@example.org', '"a b"@example.org'],
    ['alice', null],
    ['', null],
    ['""@example.org', null],
    ['alice@ex ample', null],
    ['al\u0000ice@example.org', null],
    ['al\ud800ice@example.org', null],
  ];
  it.each(table)('%j is %j', (typed, address) => {
    expect(normaliseTyped(typed)).toBe(address);
  });
});

describe('domain names', () => {
  const table: readonly (readonly [text: string, name: string | null])[] = [
    ['Example.ORG', 'example.org'],
    ['faß.de', 'xn--fa-hia.de'],
    ['ｅxample.org', 'example.org'],
    ['a。b', 'a.b'],
    ['localhost', 'localhost'],
    ['127.0.0.1', '127.0.0.1'],
    ['%61.com', null],
    ['ä%61.com', null],
    ['ex ample', null],
    ['ä b.com', null],
    ['http://ä.com', null],
    ['ä.com/x', null],
    ['ä@b.com', null],
    ['\u200d.com', null],
    ['a'.repeat(254), null],
    ['', null],
  ];
  it.each(table)('%j is %j', (text, name) => {
    expect(normaliseDomain(text)).toBe(name);
  });
});

describe('extensions are split as split_addr(3) does', () => {
  const table: readonly (readonly [local: string, delimiters: string, bare: string | null])[] = [
    ['alice+lists', '+', 'alice'],
    ['alice+a+b', '+', 'alice'],
    ['alice+', '+', 'alice'],
    ['alice', '+', null],
    ['+alice', '+', null],
    ['alice-lists', '+', null],
    ['alice-lists', '-', 'alice'],
    ['alice-a+b', '+-', 'alice'],
    ['alice+a-b', '-+', 'alice'],
    ['alice+x', '', null],
    ['postmaster+x', '+', 'postmaster'],
    ['Mailer-Daemon', '-', null],
    ['double-bounce', '-', null],
    ['owner-list', '-', null],
    ['owner-list', '+', null],
    ['owner-list+x', '+', 'owner-list'],
    ['list-request', '-', null],
    ['list-request+x', '+', 'list-request'],
    ['-request', '-', null],
    ['a-request-b', '-', 'a'],
  ];
  it.each(table)('%j by %j is %j', (local, delimiters, bare) => {
    expect(stripExtension(local, delimiters)).toBe(bare);
  });

  it("gives the look-ups in Postfix's order", () => {
    expect(lookupCandidates({ local: 'Alice+Lists', domain: 'example.org' }, '+', true)).toEqual([
      'alice+lists@example.org',
      'alice@example.org',
      '@example.org',
    ]);
  });
});

describe('id addresses', () => {
  it.each([
    ['id_123', 123],
    ['ID_7', 7],
    ['id_0', 0],
    ['id_007', null],
    ['id_2147483648', null],
    ['id_99999999999', null],
    ['id_', null],
    ['id_1x', null],
    ['xid_1', null],
  ])('%j names user %j', (local, id) => {
    expect(userIdOf(local)).toBe(id);
  });
});
