// Content-Type as RFC 2045 writes it, and as others do.
import { describe, expect, it } from 'vitest';
import {
  contentTypeShape,
  parseContentType,
  parseTransferEncoding,
  rawParameters,
} from '../../../src/message/content-type.ts';
import { quickest } from '../../fixtures/processor-time.ts';

function read(value: string) {
  const parsed = parseContentType(value);
  return (
    parsed && [
      `${parsed.type}/${parsed.subtype}`,
      Object.fromEntries(parsed.parameters),
      parsed.ambiguous ? 'ambiguous' : 'clear',
    ]
  );
}

describe('parseContentType', () => {
  it.each([
    ['text/plain', 'text/plain', {}, 'clear'],
    ['TEXT/Plain; Charset=UTF-8', 'text/plain', { charset: 'UTF-8' }, 'clear'],
    ['multipart/mixed ; boundary = "a b"', 'multipart/mixed', { boundary: 'a b' }, 'clear'],
    ['multipart/mixed; boundary="a\\"b;c"', 'multipart/mixed', { boundary: 'a"b;c' }, 'clear'],
    ['text/plain; a="\\\\\\"\\b\\\n"', 'text/plain', { a: '\\"b\n' }, 'clear'],
    ['text/plain; a="open\\"', 'text/plain', {}, 'ambiguous'],
    ['(c) text (c (n)) / (c) plain (;x=y); a=b (c)', 'text/plain', { a: 'b' }, 'clear'],
    ['text/plain; a=b;', 'text/plain', { a: 'b' }, 'clear'],
    ['text/plain;; a=b', 'text/plain', { a: 'b' }, 'clear'],
    ["application/x; name*0*=utf-8''r%C3%A9", 'application/x', { 'name*0*': "utf-8''r%C3%A9" }, 'clear'],
    ['text/plain; a=1; A=2', 'text/plain', { a: '1' }, 'ambiguous'],
    ['text/plain; a', 'text/plain', {}, 'ambiguous'],
    ['text/plain charset=utf-8', 'text/plain', {}, 'ambiguous'],
    ['text/plain; a="open', 'text/plain', {}, 'ambiguous'],
    ['text/plain; a=b (open', 'text/plain', { a: 'b' }, 'ambiguous'],
    ['text/plain; a=b@c', 'text/plain', { a: 'b' }, 'ambiguous'],
  ])('reads %s', (value, type, parameters, clarity) => {
    expect(read(value)).toEqual([type, parameters, clarity]);
  });

  it.each(['', 'text', 'text/', '/plain', '"text/plain"', ';;=";', '(open'])(
    'reads nothing from "%s"',
    (value) => {
      expect(parseContentType(value)).toBeNull();
    },
  );

  it('is linear: 100,000 brackets, quotes or semicolons take less than a second', () => {
    for (const piece of ['(', '"', ';', '\\', '( ', '"\\', 'a=b;', '()']) {
      const value = `text/plain; ${piece.repeat(100_000 / piece.length)}`;
      const spent = quickest(1000, () => [parseContentType(value), contentTypeShape(value)]);
      expect(spent, piece).toBeLessThan(1000);
    }
  });
});

describe('a value longer than 102,400 bytes', () => {
  const long = (bytes: number) => `text/plain; a="${'x'.repeat(bytes - 16)}"`;

  it('is not taken apart', () => {
    expect(parseContentType(long(102_400))).toMatchObject({ subtype: 'plain', ambiguous: false });
    expect(parseContentType(long(102_401))).toBeNull();
    expect(rawParameters(long(102_400))).toHaveLength(1);
    expect(rawParameters(long(102_401))).toEqual([]);
  });

  it('has a type, and counts as open at its end', () => {
    expect(contentTypeShape(long(102_400))).toEqual({ typeEnd: 10, closed: true });
    expect(contentTypeShape(long(102_401))).toEqual({ typeEnd: 10, closed: false });
    expect(contentTypeShape(`text/plain;${'a=b;'.repeat(50_000)}`)).toEqual({ typeEnd: 10, closed: false });
  });
});

describe('contentTypeShape', () => {
  it.each([
    [' text/plain; a="b;"', ' text/plain', true],
    [' text/plain; a="open', ' text/plain', false],
    [' text/plain (open', ' text/plain', false],
    [' text', ' text', true],
    ['\r\n multipart/mixed;\r\n\tboundary=x', '\r\n multipart/mixed', true],
  ])('of "%s"', (value, upTo, closed) => {
    expect(contentTypeShape(value)).toEqual({ typeEnd: upTo.length, closed });
  });
});

describe('parseTransferEncoding', () => {
  it.each([
    ['base64', 'base64'],
    [' Quoted-Printable (really)', 'quoted-printable'],
    ['', '7bit'],
    ['x-uuencode', 'x-uuencode'],
    ['base64; x', null],
    ['8 bit', null],
  ])('of "%s"', (value, encoding) => {
    expect(parseTransferEncoding(value)).toBe(encoding);
  });
});
