// What the template prints: every number and sentence of the page, in words. Pure.
import { EVENTS } from '../../observe/events.ts';
import { OPERATIONS } from '../../observe/operations.ts';
import type { PassedOf } from '../../observe/passed.ts';
import { CHART_HEIGHT, CHART_WIDTH, type Chart, chartOf, type HourRow, hoursOf } from './chart.ts';
import type { CensusOf, DayOf, PageFacts, SeenStatus } from './facts.ts';
import { flowOf, plaintextOf, type Verdict } from './verdict.ts';
import { bytesOf, clockOf, countOf, momentOf, numberOf, shownOf, spanOf } from './words.ts';

/** Rows of a table: the first cell names the row. */
type Rows = readonly (readonly string[])[];

export interface PageView {
  readonly hostname: string;
  readonly at: string;
  readonly flow: Verdict;
  readonly plaintext: Verdict;
  /** What is wrong now, one sentence each. */
  readonly wrong: readonly string[];
  /** Said where what the database holds is old; null: it is not. */
  readonly stale: string | null;
  readonly day: DayView | null;
  /** Why there is no picture of the last day; null where there is one. */
  readonly noDay: string | null;
  readonly fates: {
    readonly titles: readonly string[];
    readonly rows: Rows;
    readonly note: string | null;
  } | null;
  readonly passed: Rows;
  readonly holds: Rows;
  /** What to do about users and keys. */
  readonly advice: readonly string[];
  /** null: nobody knows yet. */
  readonly problems: readonly ProblemView[] | null;
  readonly runs: Rows;
}

export interface DayView {
  readonly charts: readonly Chart[];
  readonly width: number;
  readonly height: number;
  /** Below the pictures, from left to right. */
  readonly ticks: readonly string[];
  readonly titles: readonly string[];
  readonly hours: readonly HourRow[];
}

export interface ProblemView {
  readonly event: string;
  readonly level: string;
  readonly meaning: string;
  readonly when: string;
  readonly often: string;
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const DAY_S = 86_400;
/** What is read every 15 s and is older than this was not read for a reason. */
const STALE_MS = 60_000;
/** The count of users and keys takes its time, and rests up to a quarter of an hour. */
const STALE_CENSUS_MS = 20 * MINUTE_MS;
const MOST_REASONS = 20;
const MOST_PROBLEMS = 12;
const MOST_LISTENERS = 40;

export function viewOf(facts: PageFacts): PageView {
  const { hostname, now, status } = facts;
  return {
    hostname,
    at: momentOf(now),
    flow: flowOf(facts),
    plaintext: plaintextOf(facts),
    wrong: wrongOf(facts),
    stale: staleOf(facts),
    ...dayViewOf(facts),
    fates: fatesOf(status),
    passed: passedOf(status.plaintext),
    holds: holdsOf(status, now),
    advice: adviceOf(status.census ?? null),
    problems: problemsOf(status, now),
    runs: runsOf(status),
  };
}

function wrongOf({ health, status }: PageFacts): readonly string[] {
  const unanswered = health === null ? ['the check of /readyz gives no answer in time'] : [];
  const reasons = new Set(
    [...unanswered, ...(health?.reasons ?? []), ...(status.complaints ?? [])].map(shownOf),
  );
  return [...reasons].slice(0, MOST_REASONS);
}

function staleOf({ now, day, status: { census } }: PageFacts): string | null {
  if (day !== null && now - day.at > STALE_MS)
    return `The database has not answered since ${momentOf(day.at)} (${spanOf((now - day.at) / 1000)} ago). What it holds is shown as it was then.`;
  if (census != null && now - census.at > STALE_CENSUS_MS)
    return `Users, keys and the queue are shown as they were at ${momentOf(census.at)}; they could not be counted since.`;
  return null;
}

/** These have a picture always, the others when there were some. */
const CHARTED = ['sealed', 'passed', 'deferred'] as const;
const TICKS = [0, 6, 12, 18] as const;

function dayViewOf({ day, keepsHistory }: PageFacts): Pick<PageView, 'day' | 'noDay'> {
  if (!keepsHistory)
    return {
      day: null,
      noDay: 'No history is kept: trace.keep is "0". The table below counts since serve was started.',
    };
  return day === null
    ? { day: null, noDay: 'Not read from the database yet.' }
    : { day: drawn(day), noDay: null };
}

function drawn({ from, counts }: DayOf): DayView {
  const others = Object.keys(EVENTS).filter(
    (event) =>
      !(CHARTED as readonly string[]).includes(event) && (counts[event] ?? []).some((each) => each > 0),
  );
  const events = [...CHARTED, ...others];
  const none = new Array<number>(CHART_WIDTH * 5).fill(0);
  return {
    charts: events.map((event) => chartOf(event, counts[event] ?? none, from)),
    width: CHART_WIDTH,
    height: CHART_HEIGHT,
    ticks: [...TICKS.map((hours) => clockOf((from + hours * 60) * MINUTE_MS).slice(0, 5)), 'now'],
    titles: events,
    hours: hoursOf(counts, events, from),
  };
}

const SPANS = [
  ['last_minute', 'minute', 60],
  ['last_hour', 'hour', 3600],
  ['last_day', 'day', DAY_S],
] as const;
const USUAL: readonly string[] = [...CHARTED, 'refused'];

function fatesOf({ fates, uptime_seconds = 0 }: SeenStatus): PageView['fates'] {
  if (fates === undefined) return null;
  const rows = Object.keys(EVENTS)
    .map((event) => ({
      event,
      counts: SPANS.map(([span]) => fates[span][event as keyof typeof EVENTS]),
    }))
    .filter(({ event, counts }) => USUAL.includes(event) || counts.some((count) => count > 0))
    .map(({ event, counts }) => [event, ...counts.map(numberOf)]);
  const young = uptime_seconds < DAY_S;
  return {
    titles: SPANS.map(([, title, seconds]) => `${title}${uptime_seconds < seconds ? ' *' : ''}`),
    rows,
    note: young ? `* since serve was started, ${spanOf(uptime_seconds)} ago` : null,
  };
}

/** Beside the words of decisions: those that the first lines warn of. */
const WARNED: ReadonlySet<string> = new Set(['by_choice', 'unknown_address']);

const WHY_PASSED: Readonly<Record<string, string>> = {
  no_key: 'no key (on_missing_key)',
  encryption_off: 'encrypt is off',
  already_encrypted: 'encrypted when it came',
  rule: 'a rule says pass',
  key_expired: 'the key has expired (on_expired_key)',
  key_unusable: 'the key cannot be used (on_unusable_key)',
};

function passedOf(plaintext: PassedOf | undefined): Rows {
  if (plaintext === undefined) return [];
  const { last_hour, last_day } = plaintext;
  return Object.keys(last_day)
    .filter((because) => !WARNED.has(because) && (last_day[because] ?? 0) > 0)
    .sort((one, other) => (last_day[other] ?? 0) - (last_day[one] ?? 0))
    .map((because) => [
      WHY_PASSED[because] ?? because.replaceAll('_', ' '),
      numberOf(last_hour[because] ?? 0),
      numberOf(last_day[because] ?? 0),
    ]);
}

function holdsOf({ census, spools }: SeenStatus, now: number): Rows {
  const files = (spools ?? []).reduce((sum, spool) => sum + spool.files, 0);
  const spool =
    spools === undefined || spools.length === 0
      ? []
      : [['Spool', countOf(files, 'file waits', 'files wait')]];
  if (census == null) return [['Users and keys', 'not counted yet'], ...spool];
  const { users, keys, keys_expiring, queue } = census;
  const waiting = queue.oldest === null ? '' : `, the oldest for ${spanOf((now - queue.oldest) / 1000)}`;
  return [
    ['Users with a key', numberOf(users.with_key)],
    ['Users without a key', numberOf(users.without_key)],
    ['Keys that can be used', numberOf(keys.usable)],
    ...Object.entries(keys_expiring).map(([within, count]) => [
      `Expire within ${within.replace('d', ' days')}`,
      numberOf(count),
    ]),
    ['Keys expired', numberOf(keys.expired)],
    ['Keys revoked', numberOf(keys.revoked)],
    ['Keys disabled', numberOf(keys.disabled)],
    ['Queue', `${countOf(queue.messages, 'message')}, ${bytesOf(queue.bytes)}${waiting}`],
    ...spool,
    ['Counted', `${momentOf(census.at)}`],
  ];
}

function adviceOf(census: CensusOf | null): readonly string[] {
  if (census === null) return [];
  const { users, keys_expiring } = census;
  return [
    ...(users.without_key === 0
      ? []
      : ['"sealpost user list --without-key" names the users without a key; the page names nobody.']),
    ...((keys_expiring['30d'] ?? 0) === 0
      ? []
      : ['"sealpost key list --expiring 30d" names the keys that expire.']),
  ];
}

function problemsOf({ problems = [], fates }: SeenStatus, now: number): PageView['problems'] {
  if (fates === undefined && problems.length === 0) return null;
  return problems
    .filter(({ last }) => now - last < DAY_MS)
    .slice(0, MOST_PROBLEMS)
    .map(({ event, level, count, last }) => ({
      event,
      level: level === 'warn' ? 'warning' : level,
      meaning: meaningOf(event),
      when: `${clockOf(last)}, ${spanOf((now - last) / 1000)} ago`,
      often: countOf(count, 'line'),
    }));
}

function meaningOf(event: string): string {
  if (!Object.hasOwn(OPERATIONS, event)) return 'unknown to this version';
  return OPERATIONS[event as keyof typeof OPERATIONS].replaceAll('`', '"');
}

function runsOf(status: SeenStatus): Rows {
  const { version, uptime_seconds, config, next_hop, listeners = [], in_flight, workers, replica } = status;
  return [
    [
      'sealpost',
      version === undefined ? 'starting' : `${version}, running for ${spanOf(uptime_seconds ?? 0)}`,
    ],
    ...(workers === undefined ? [] : [['Workers', numberOf(workers.length)]]),
    ...(config === undefined ? [] : [['Configuration', shownOf(config ?? 'no file: the defaults hold')]]),
    ...(next_hop === undefined ? [] : [['Next hop', shownOf(next_hop)]]),
    ...(in_flight === undefined
      ? []
      : [['In flight', `${countOf(in_flight.transactions, 'message')}, ${bytesOf(in_flight.bytes)}`]]),
    ...(replica === undefined
      ? []
      : [
          [
            'Replica',
            replica.lag_seconds === null ? 'cannot be asked' : `${replica.lag_seconds.toFixed(1)} s behind`,
          ],
        ]),
    ...listeners
      .slice(0, MOST_LISTENERS)
      .map(({ name, address, connections }) => [
        `Listener ${shownOf(name)}`,
        `${shownOf(address)}, ${countOf(connections, 'connection')}`,
      ]),
  ];
}
