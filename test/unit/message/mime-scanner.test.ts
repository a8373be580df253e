// Delimiter lines of nested multiparts (RFC 2046, section 5.1).
import { describe, expect, it } from 'vitest';
import { nextDelimiter } from '../../../src/message/mime-scanner.ts';

const ACTIVE = new Map([
  ['outer', 0],
  [' in', 1],
]);

function find(text: string, active: ReadonlyMap<string, number> = ACTIVE) {
  const body = Buffer.from(text, 'latin1');
  const found = nextDelimiter(body, 0, body.length, active);
  return found === null ? null : [found.boundary, found.closing, found.before, found.after];
}

describe('the next delimiter', () => {
  it.each([
    ['at the very beginning', '--outer\r\nx', ['outer', false, 0, 9]],
    ['behind a text', 'x\r\n--outer\r\n', ['outer', false, 1, 12]],
    ['behind lines that are none', '--\r\n--o\r\n--outerx\r\n--outer\r\n', ['outer', false, 17, 28]],
    ['that closes', '\n--outer--\n', ['outer', true, 0, 11]],
    ['with white space behind it', '--outer \t\r\n', ['outer', false, 0, 11]],
    ['with white space before it', '-- in\n', [' in', false, 0, 6]],
    ['without a line ending', '--outer--', ['outer', true, 0, 9]],
    ['in front of nothing', '--', null],
    ['in a line that is too long', `--outer${' '.repeat(1000)}\n`, null],
  ])('is found %s', (_about, text, found) => {
    expect(find(text)).toEqual(found);
  });

  it('is looked for by its first byte: other lines with two hyphens are not decoded', () => {
    const body = Buffer.from(`${'--\r\n--x\r\n-- x\r\n'.repeat(1000)}--outer\r\n`);
    let decoded = 0;
    body.toString = (...parameters) => {
      decoded += 1;
      return Buffer.prototype.toString.apply(body, parameters);
    };
    expect(nextDelimiter(body, 0, body.length, new Map([['outer', 0]]))?.boundary).toBe('outer');
    expect(decoded).toBe(1);
  });
});
