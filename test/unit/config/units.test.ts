// Sizes, durations, endpoints and next hops as people write them.
import { describe, expect, test } from 'vitest';
import {
  formatEndpoint,
  formatNextHop,
  parseDuration,
  parseEndpoint,
  parseNextHop,
  parseSize,
} from '../../../src/config/units.ts';

describe('a size', () => {
  test.each([
    ['0', 0],
    ['10240', 10_240],
    ['1B', 1],
    ['50MB', 50_000_000],
    ['50mb', 50_000_000],
    ['256 MiB', 268_435_456],
    ['1.5KiB', 1536],
    ['2TB', 2e12],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSize(text)).toEqual({ ok: true, value: bytes });
  });

  test.each(['', 'MB', '-1', '1e3', '50 M', '50MBs', '0x10', '99999TB', 'NaN', 'Infinity'])(
    '%j is none',
    (text) => {
      expect(parseSize(text).ok).toBe(false);
    },
  );
});

describe('a duration', () => {
  test.each([
    ['250ms', 250],
    ['900s', 900_000],
    ['1.5m', 90_000],
    ['1 h', 3_600_000],
    ['6d', 518_400_000],
    ['1w', 604_800_000],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toEqual({ ok: true, value: ms });
  });

  test.each(['', '900', '-5s', '5 minutes', '5M', '1h30m', 's'])('%j is none', (text) => {
    expect(parseDuration(text).ok).toBe(false);
  });
});

describe('an address', () => {
  test.each([
    ['127.0.0.1:10024', '127.0.0.1:10024'],
    ['[127.0.0.1]:10024', '127.0.0.1:10024'],
    ['inet:127.0.0.1:10024', '127.0.0.1:10024'],
    ['[::1]:24', '[::1]:24'],
    ['localhost:1', 'localhost:1'],
    ['[mx1.example.org]:65535', 'mx1.example.org:65535'],
    ['unix:/run/sealpost/lmtp.sock', 'unix:/run/sealpost/lmtp.sock'],
  ])('%s is %s', (text, written) => {
    const parsed = parseEndpoint(text);
    expect(parsed.ok && formatEndpoint(parsed.value)).toBe(written);
  });

  test.each([
    '',
    '10024',
    ':10024',
    '127.0.0.1',
    '127.0.0.1:0',
    '127.0.0.1:65536',
    '::1:24',
    '[::zz]:24',
    '*:24',
    'mx 1:24',
    'unix:',
    'unix:lmtp.sock',
    `unix:/${'x'.repeat(107)}`,
    'unix:/a\0b',
  ])('%j is none', (text) => {
    expect(parseEndpoint(text).ok).toBe(false);
  });
});

describe('a next hop', () => {
  test.each(['smtp:127.0.0.1:10026', 'lmtp:[::1]:24', 'lmtp:unix:/run/dovecot/lmtp'])('%s is one', (text) => {
    const parsed = parseNextHop(text);
    expect(parsed.ok && formatNextHop(parsed.value)).toBe(text);
  });

  test.each(['', '127.0.0.1:10026', 'esmtp:127.0.0.1:25', 'smtp:', 'lmtp:unix:private/lmtp'])(
    '%j is none',
    (text) => {
      expect(parseNextHop(text).ok).toBe(false);
    },
  );
});
