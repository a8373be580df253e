// How things may stand when somebody looks at the page, as a running serve would say it: for tests of the page, and for looking at it.
import type { DayOf, PageFacts, SeenStatus } from '../../src/http/page/facts.ts';
import { EVENTS } from '../../src/observe/events.ts';
import type { Fates } from '../../src/observe/fates.ts';

export const NOON = Date.UTC(2026, 10, 30, 2, 13, 5);
const MINUTE = 60_000;
const DAY_MINUTES = 1440;

/** All of them 0, but for these. */
export function fates(some: Partial<Fates> = {}): Fates {
  const none = Object.fromEntries(Object.keys(EVENTS).map((event) => [event, 0])) as Fates;
  return { ...none, ...some };
}

/** A working day with its hours, and an outage of twenty minutes in the evening. */
export function busyDay(at = NOON): DayOf {
  const from = Math.floor(at / MINUTE) - DAY_MINUTES + 1;
  const rate = (minute: number): number => {
    const hour = (((from + minute) / 60) % 24) + ((minute * 7) % 13) / 13;
    return Math.max(
      2,
      Math.round(60 * Math.exp(-((hour - 11) ** 2) / 18) + 35 * Math.exp(-((hour - 16) ** 2) / 10)),
    );
  };
  const outage = (minute: number): boolean => minute >= 1000 && minute < 1020;
  const minutes = Array.from({ length: DAY_MINUTES }, (_, minute) => minute);
  return {
    at: at - 4000,
    from,
    counts: {
      sealed: minutes.map((minute) => (outage(minute) ? 0 : rate(minute))),
      passed: minutes.map((minute) => (outage(minute) ? 0 : Math.round(rate(minute) / 9))),
      deferred: minutes.map((minute) => (outage(minute) ? rate(minute) : minute % 400 === 0 ? 1 : 0)),
    },
  };
}

export const STATUS: SeenStatus = {
  version: '0.1.0',
  uptime_seconds: 400_000,
  config: '/etc/sealpost/sealpost.toml',
  next_hop: 'smtp:127.0.0.1:10026',
  in_flight: { transactions: 2, bytes: 91_000 },
  listeners: [
    { name: 'lmtp', address: '127.0.0.1:10024', connections: 4 },
    { name: 'smtp', address: '127.0.0.1:10025', connections: 0 },
    { name: 'check_recipient', address: '127.0.0.1:2244', connections: 12 },
    { name: 'observe', address: '127.0.0.1:9321', connections: 1 },
  ],
  takes_mail: true,
  fates: {
    last_minute: fates({ sealed: 14, passed: 2 }),
    last_hour: fates({ sealed: 903, passed: 88, deferred: 3, refused: 1 }),
    last_day: fates({ sealed: 41_204, passed: 4210, deferred: 611, refused: 12, duplicate: 2 }),
  },
  plaintext: {
    last_hour: { by_choice: 0, unknown_address: 0, no_key: 70, encryption_off: 4, already_encrypted: 14 },
    last_day: { by_choice: 0, unknown_address: 0, no_key: 3800, encryption_off: 90, already_encrypted: 320 },
  },
  problems: [],
  census: {
    at: NOON - 12_000,
    users: { with_key: 1204, without_key: 88 },
    keys: { usable: 1310, expired: 12, revoked: 3, disabled: 1 },
    keys_expiring: { '7d': 2, '30d': 11, '90d': 40 },
    queue: { messages: 0, bytes: 0, oldest: null },
  },
};

const day = busyDay();

/** Everything is well. */
export const WELL: PageFacts = {
  hostname: 'mx1.example.org',
  now: NOON,
  health: { ready: true, reasons: [] },
  status: STATUS,
  day,
  keepsHistory: true,
};

/** The database was lost half an hour ago, and somebody put markup wherever anything could be put. */
export const AWAY: PageFacts = {
  ...WELL,
  health: null,
  status: {
    ...STATUS,
    fates: {
      last_minute: fates({ deferred: 12 }),
      last_hour: fates({ sealed: 402, passed: 40, deferred: 390 }),
      last_day: fates({ sealed: 39_000, passed: 4000, deferred: 1001 }),
    },
    next_hop: 'smtp:<script>alert(1)</script>:25',
    complaints: [
      'the database takes no rows: no answer within 10 s',
      'the next hop smtp:127.0.0.1:10026 gives no session: 421 <img src=x onerror=alert(1)> says bob@outside.example \u202eevil',
    ],
    plaintext: {
      last_hour: { by_choice: 2, unknown_address: 1, rule: 2, no_key: 40 },
      last_day: { by_choice: 12, unknown_address: 3, rule: 12, no_key: 4000 },
    },
    problems: [
      { event: 'database_lost', level: 'error', count: 31, last: NOON - 20_000 },
      { event: 'events_lost', level: 'warn', count: 2, last: NOON - 60_000 },
      { event: 'passed_by_choice', level: 'warn', count: 12, last: NOON - 700_000 },
      { event: 'passed_unknown', level: 'warn', count: 3, last: NOON - 5_000_000 },
      { event: 'config_odd', level: 'warn', count: 1, last: NOON - 400_000_000 },
    ],
    spools: [{ files: 12, oldest: null }],
    census: {
      at: NOON - 1_900_000,
      users: { with_key: 912_004, without_key: 87_996 },
      keys: { usable: 1_310_000, expired: 12_000, revoked: 3000, disabled: 100 },
      keys_expiring: { '7d': 200, '30d': 1100, '90d': 4000 },
      queue: { messages: 123_456, bytes: 98_765_432_100, oldest: NOON - 900_000_000 },
    },
  },
  day: { ...day, at: NOON - 1_800_000 },
};

/** Just started, and nothing is known. */
export const STARTING: PageFacts = {
  ...WELL,
  health: { ready: false, reasons: ['the database is being opened'] },
  status: {
    version: '0.1.0',
    uptime_seconds: 1,
    listeners: [],
    complaints: ['the database is being opened'],
  },
  day: null,
};
