import { describe, expect, it } from 'vitest';
import { fromAddress } from '../../../client/decrypt/verdict.ts';

const mail = (...fields: string[]): Buffer => Buffer.from(`${fields.join('\r\n')}\r\n\r\nbody\r\n`, 'latin1');

describe('the address in From', () => {
  it.each([
    ['bare', 'carol@example.net', 'carol@example.net'],
    ['in angle brackets, in lower case', 'Carol <Carol@Example.NET>', 'carol@example.net'],
    ['beside an address in a name', '"alice@example.org" <mallory@example.net>', 'mallory@example.net'],
    [
      'beside an address in a nested comment',
      '(a (alice@example.org)) mallory@example.net',
      'mallory@example.net',
    ],
    ['behind a comma that should be quoted', 'Doe, Carol <carol@example.net>', 'carol@example.net'],
    ['two', 'carol@example.net, dave@example.net', null],
    ['none', 'Carol', null],
    ['half of one', 'carol@ <@example.net>', null],
  ])('%s', (_what, value, address) => {
    expect(fromAddress(mail(`From: ${value}`))).toBe(address);
  });

  it('is nobody’s where there are two fields, or none', () => {
    expect(fromAddress(mail('From: carol@example.net', 'From: dave@example.net'))).toBeNull();
    expect(fromAddress(mail('To: carol@example.net'))).toBeNull();
  });

  it('needs neither stack nor patience for a name as long as a header may be; what is longer is no header', () => {
    const named = (quotes: number) => mail(`From: "${'\\"'.repeat(quotes)}" <carol@example.net>`);
    expect(fromAddress(named(500_000))).toBe('carol@example.net');
    expect(fromAddress(named(2_000_000))).toBeNull();
    expect(fromAddress(mail(`From: ${'x'.repeat(4_000_000)}`))).toBeNull();
  });
});
