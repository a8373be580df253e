// What a request for a published key asks: host, name, fingerprint. And the name in the directory.
import { describe, expect, it } from 'vitest';
import {
  advancedDomain,
  domainOfHost,
  hostName,
  localOf,
  readFingerprint,
  readKeyId,
} from '../../../portal/publishing/asked.ts';
import { DIRECTORY_HASH, directoryHash } from '../../../src/address/directory-hash.ts';

describe('the name in the directory', () => {
  // The example of draft-koch-openpgp-webkey-service-21, section 3.1.
  it.each(['Joe.Doe', 'joe.doe', 'JOE.DOE'])('of %s is the same', (local) => {
    expect(directoryHash(local)).toBe('iy9q119eutrkn8s1mk4r39qejnbu3n5q');
    expect(directoryHash(local)).toMatch(DIRECTORY_HASH);
  });
});

describe('a host', () => {
  const table: readonly (readonly [string | undefined, string | null])[] = [
    ['example.org', 'example.org'],
    ['EXAMPLE.org:443', 'example.org'],
    ['example.org:8443', 'example.org'],
    ['example.org.', 'example.org'],
    ['openpgpkey.example.org', 'openpgpkey.example.org'],
    ['[::1]:443', null],
    ['a b', null],
    ['example.org/evil', null],
    ['user@example.org', null],
    ['', null],
    [undefined, null],
    ['a'.repeat(400), null],
  ];
  it.each(table)('%j is %j', (field, name) => {
    expect(hostName(field)).toBe(name);
  });

  it('speaks by the advanced method for the one domain in the path', () => {
    expect(advancedDomain('openpgpkey.example.org', 'Example.org')).toBe('example.org');
    for (const [host, path] of [
      ['example.org', 'example.org'],
      ['openpgpkey.example.org', 'example.net'],
      ['openpgpkey.example.org', ''],
      ['openpgpkey.example.org', '../example.org'],
      [null, 'example.org'],
    ] as const)
      expect(advancedDomain(host, path)).toBeNull();
    expect(domainOfHost('openpgpkey.example.org')).toEqual(['example.org', 'openpgpkey.example.org']);
    expect(domainOfHost('example.org')).toEqual(['example.org']);
  });
});

describe('a name in ?l=', () => {
  const table: readonly (readonly [string, string | null | undefined])[] = [
    ['/x', null],
    ['/x?', null],
    ['/x?m=1', null],
    ['/x?l=Alice', 'Alice'],
    ['/x?v=1&l=alice%2Blists', 'alice+lists'],
    ['/x?l=alice+lists', 'alice+lists'],
    ['/x?l=%C3%A4', 'ä'],
    ['/x?l=', undefined],
    ['/x?l=a&l=b', undefined],
    ['/x?l=%zz', undefined],
    ['/x?l=%ff', undefined],
    [`/x?l=${'a'.repeat(600)}`, undefined],
    [`/x?l=${'%41'.repeat(600)}`, undefined],
  ];
  it.each(table)('of %j is %j', (url, local) => {
    expect(localOf(url)).toBe(local);
  });
});

describe('digits', () => {
  it('are those of a whole fingerprint or key ID', () => {
    expect(readFingerprint('abcd'.repeat(10))).toBe('ABCD'.repeat(10));
    expect(readFingerprint(`0x${'abcd'.repeat(16)}`)).toBe('ABCD'.repeat(16));
    expect(readKeyId('0123456789abcdef')).toBe('0123456789ABCDEF');
    for (const text of ['', 'ABCD1234', 'ABCD'.repeat(11), `${'ABCD'.repeat(10)}%`, 'G'.repeat(40)])
      expect([readFingerprint(text), readKeyId(text)]).toEqual([null, null]);
  });
});
