import { describe, expect, it } from 'vitest';
import {
  dueNotices,
  type ExpiringKey,
  isTimeToRun,
  lastSlot,
  noticeId,
} from '../../../src/notices/expiring.ts';

const DAY = 86_400_000;
const HOUR = 3_600_000;
/** The daily run, and a moment some hours later, at which this server looks. */
const SLOT = Date.UTC(2026, 5, 10, 8);
const NOW = SLOT + 3 * HOUR;

function key(left: number | null, more: Partial<ExpiringKey> = {}): ExpiringKey {
  return {
    owner: 'user:7',
    ownerName: 'alice@example.org',
    ownerKind: 'user',
    ownerDisabled: false,
    fingerprint: 'A',
    expiresAt: left === null ? null : new Date(SLOT + left),
    revoked: false,
    status: 'active',
    createdAt: new Date(SLOT - 100 * DAY),
    onExpiredKey: 'encrypt',
    outlived: false,
    ...more,
  };
}

function due(
  keys: readonly ExpiringKey[],
  more: { readonly known?: readonly string[]; readonly days?: readonly number[] } = {},
): string {
  return dueNotices({
    keys,
    known: new Set(more.known ?? []),
    days: more.days ?? [30, 7, 1],
    audiences: ['user', 'administrator'],
    slot: SLOT,
    now: NOW,
  })
    .map(({ audience, key: { fingerprint }, days }) => `${audience} ${fingerprint} ${days}`)
    .join(', ');
}

const both = (days: number) => `user A ${days}, administrator A ${days}`;
const id = (audience: 'user' | 'administrator', left: number, days: number) =>
  noticeId(audience, { owner: 'user:7', fingerprint: 'A', expiresAt: new Date(SLOT + left) }, days);

describe('a notice is due for', () => {
  const table: readonly (readonly [name: string, key: ExpiringKey, expected: string])[] = [
    ['no key that never expires', key(null), ''],
    ['no key with 31 days left', key(31 * DAY), ''],
    ['no key with a second more than 30 days left', key(30 * DAY + 1000), ''],
    ['a key with 30 days left', key(30 * DAY), both(30)],
    ['a key with 8 days left, which is the notice of 30 days still', key(8 * DAY), both(30)],
    ['a key with 7 days left', key(7 * DAY), both(7)],
    ['a key that comes within 7 days only after the daily run', key(7 * DAY + HOUR), both(30)],
    ['a key with 2 days left', key(2 * DAY), both(7)],
    ['a key with a day left', key(DAY), both(1)],
    ['a key that expires within the hour', key(3 * HOUR + 1), both(1)],
    ['no key that expires this very moment', key(3 * HOUR), ''],
    ['no key that has expired', key(-DAY), ''],
    ['no key that was revoked', key(DAY, { revoked: true }), ''],
    ['no key that was disabled', key(DAY, { status: 'disabled' }), ''],
    ['no key of a disabled user', key(DAY, { ownerDisabled: true }), ''],
    ['no key that was stored after the daily run', key(DAY, { createdAt: new Date(SLOT + 1) }), ''],
    ['a key that was stored just before', key(DAY, { createdAt: new Date(SLOT) }), both(1)],
    [
      'the administrator alone where it is a contact’s',
      key(DAY, { owner: 'contact:3', ownerKind: 'contact' }),
      'administrator A 1',
    ],
    [
      'the administrator alone where it is a domain’s',
      key(DAY, { owner: 'domain:3', ownerKind: 'domain' }),
      'administrator A 1',
    ],
    [
      'a key beside one that lasts longer: that device has one key only',
      key(DAY, { outlived: true }),
      both(1),
    ],
  ];
  it.each(table)('%s', (_name, one, expected) => {
    expect(due([one])).toBe(expected);
  });

  it('each threshold once, and each reader by itself', () => {
    const known = [id('user', 7 * DAY, 7)];
    expect(due([key(7 * DAY)], { known })).toBe('administrator A 7');
    expect(due([key(7 * DAY)], { known: [...known, id('administrator', 7 * DAY, 7)] })).toBe('');
    // The one of 30 days was given: that of 7 days is another one.
    expect(due([key(7 * DAY)], { known: [id('user', 7 * DAY, 30)] })).toBe(both(7));
  });

  it('a renewed key anew, when its own time comes', () => {
    const known = [id('user', 6 * DAY, 7), id('administrator', 6 * DAY, 7)];
    expect(due([key(400 * DAY)], { known })).toBe('');
    expect(due([key(5 * DAY)], { known })).toBe(both(7));
  });

  it('the thresholds that the administrator chose, in whatever order', () => {
    expect(due([key(50 * DAY)], { days: [14, 60] })).toBe(both(60));
    expect(due([key(10 * DAY)], { days: [14, 60] })).toBe(both(14));
    expect(due([key(1 * DAY)], { days: [60, 14] })).toBe(both(14));
  });

  it('the soonest expiry first', () => {
    const keys = [
      key(6 * DAY, { fingerprint: 'C', ownerKind: 'domain' }),
      key(2 * DAY, { fingerprint: 'B', ownerKind: 'domain' }),
      key(2 * DAY, { fingerprint: 'A', ownerKind: 'domain' }),
    ];
    expect(due(keys)).toBe('administrator A 7, administrator B 7, administrator C 7');
  });
});

describe('the daily moment', () => {
  const at = (text: string) => new Date(text).getTime();
  const table: readonly (readonly [minutes: number, now: string, slot: string])[] = [
    [480, '2026-06-10T08:00:00', '2026-06-10T08:00:00'],
    [480, '2026-06-10T07:59:59', '2026-06-09T08:00:00'],
    [480, '2026-06-10T23:00:00', '2026-06-10T08:00:00'],
    [0, '2026-06-01T00:00:00', '2026-06-01T00:00:00'],
    [1439, '2026-01-01T12:00:00', '2025-12-31T23:59:00'],
  ];
  it.each(table)('of %i minutes after midnight, at %s, was %s', (minutes, now, slot) => {
    expect(lastSlot(minutes, at(now))).toBe(at(slot));
  });

  it.each([
    ['the process has not run yet', null, '2026-06-10T05:00:00', true],
    ['it has come since the last run', '2026-06-10T07:59:30', '2026-06-10T08:00:00', true],
    ['it came a minute before', '2026-06-10T08:00:00', '2026-06-10T08:01:00', false],
    ['what failed is tried again after an hour', '2026-06-10T08:00:00', '2026-06-10T09:00:00', true],
    ['the clock was set back', '2026-06-10T08:00:00', '2026-06-10T06:30:00', true],
  ] as const)('decides when to run: %s', (_why, last, now, due) => {
    const ran = last === null ? null : { at: at(last), slot: lastSlot(480, at(last)) };
    expect(isTimeToRun(ran, 480, at(now))).toBe(due);
  });
});
