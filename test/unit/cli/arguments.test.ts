// What several commands read and print alike.
import { describe, expect, it } from 'vitest';
import { readQuota } from '../../../src/cli/arguments.ts';
import { readAssignments } from '../../../src/cli/assignments.ts';
import { confirm } from '../../../src/cli/confirm.ts';
import { settingsInWords, table } from '../../../src/cli/table.ts';
import { WrongUsage } from '../../../src/host/exit-codes.ts';
import { readFingerprint, readKeyName } from '../../../src/keys/rows.ts';

describe('a quota', () => {
  it.each([
    ['1GB', 1e9],
    ['512 MiB', 512 * 2 ** 20],
    ['0', 0],
    ['none', null],
    ['', null],
  ])('%j is %j bytes', (text, bytes) => {
    expect(readQuota(text)).toBe(bytes);
  });

  it('that makes no sense is wrong usage', () => {
    expect(() => readQuota('lots')).toThrow(WrongUsage);
    expect(() => readQuota('lots')).toThrow(
      '--quota: found "lots", expected a size such as "50MB", "256MiB" or "10240", or "none"',
    );
  });
});

it('settings that make no sense are wrong usage', () => {
  expect(() => readAssignments(['style=html'], 'user')).toThrow(WrongUsage);
});

describe('a key is named by', () => {
  const v4 = '0123456789ABCDEF0123456789ABCDEF01234567';
  it.each([
    [v4, v4],
    [v4.toLowerCase(), v4],
    [`0x${v4}`, v4],
    ['0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567', v4],
    [v4.match(/../g)?.join(':') ?? '', v4],
    ['A'.repeat(64), 'A'.repeat(64)],
  ])('the fingerprint %s', (typed, fingerprint) => {
    expect(readKeyName(typed)).toEqual({ kind: 'fingerprint', fingerprint });
  });

  it('an address', () => {
    expect(readKeyName('alice@example.org')).toEqual({ kind: 'address', address: 'alice@example.org' });
  });

  it.each([
    [
      '89ABCDEF',
      'found 8 hexadecimal digits, expected a full fingerprint of 40 or 64: key IDs are not unique; see "sealpost key list"',
    ],
    [
      '0x0123456789ABCDEF',
      'found 16 hexadecimal digits, expected a full fingerprint of 40 or 64: key IDs are not unique; see "sealpost key list"',
    ],
    ['alice', 'found "alice", expected a full fingerprint or an address; see "sealpost key list"'],
  ])('never by %s', (typed, message) => {
    expect(() => readKeyName(typed)).toThrow(message);
  });

  it('its fingerprint alone where only that will do', () => {
    expect(() => readFingerprint('alice@example.org')).toThrow(
      'found the address "alice@example.org", expected a full fingerprint; "sealpost key list alice@example.org" shows those of one address',
    );
  });
});

describe('removing', () => {
  it('needs --yes where there is no terminal', async () => {
    const { isTTY } = process.stdin;
    process.stdin.isTTY = false;
    try {
      await expect(confirm('remove the user a@x', false)).rejects.toThrow(
        new WrongUsage('this would remove the user a@x; there is no terminal to ask on: add --yes'),
      );
      await expect(confirm('remove the user a@x', true)).resolves.toBeUndefined();
    } finally {
      process.stdin.isTTY = isTTY;
    }
  });
});

describe('tables', () => {
  it('have columns of equal width and no trailing space', () => {
    expect(
      table([
        ['a', 'bbb', 'c'],
        ['aaa', 'b', ''],
      ]),
    ).toBe('a    bbb  c\naaa  b');
    expect(table([])).toBe('');
  });

  it('print settings as set takes them', () => {
    expect(settingsInWords({ style: 'inline', encrypt: false, hide_key_ids: true })).toBe(
      'style=inline encrypt=off hide_key_ids=on',
    );
  });
});
