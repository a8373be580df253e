// The table `event_minutes`: how many recipients had each fate in each minute, for charts of the last day. Counted in memory and
// added to the table every few seconds, in a statement of its own: the rows are shared by all processes, and one that holds them
// for as long as a batch of events takes would let the others wait.

import type { Pool } from 'pg';
import { removeOld } from './remove-old.ts';

export interface MinuteCounter {
  /** Counts one recipient. Never throws, never waits. @param at Unix milliseconds */
  count(at: number, event: string): void;
  /** Adds what is left to the table. Never throws. */
  close(): Promise<void>;
}

/** The minutes of one day, oldest first. */
export interface EventHistory {
  /** The first minute: Unix time divided by 60 s. */
  readonly from: number;
  /** By event: one number for each minute, the last one being that of now. Events without any are missing. */
  readonly counts: Readonly<Record<string, readonly number[]>>;
}

export const MINUTES_A_DAY = 1440;

const MINUTE_MS = 60_000;
const EVERY_MS = 5_000;
const KEEP_MS = 2 * 86_400_000;
/** Minutes and fates that wait in memory while the database is away: those of two days. */
const MOST_WAITING = 20_000;

// Sorted, so that two processes that add to the same rows take them in one order. Without a flush, as the events.
const ADD = `INSERT INTO event_minutes (minute, event, count)
  SELECT to_timestamp(minute * 60), event, count FROM unnest($1::float8[], $2::text[], $3::bigint[]) AS told(minute, event, count)
   WHERE (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL
   ORDER BY minute, event
  ON CONFLICT (minute, event) DO UPDATE SET count = event_minutes.count + excluded.count`;

interface Counted {
  readonly minute: number;
  readonly event: string;
  count: number;
}

interface State {
  readonly pool: Pick<Pool, 'query'>;
  waiting: Map<string, Counted>;
  timer: NodeJS.Timeout | undefined;
  writing: Promise<void>;
}

export function createMinuteCounter(pool: Pick<Pool, 'query'>): MinuteCounter {
  const state: State = { pool, waiting: new Map(), timer: undefined, writing: Promise.resolve() };
  return {
    count(at, event) {
      add(state, { minute: Math.floor(at / MINUTE_MS), event, count: 1 });
      state.timer ??= setTimeout(() => flush(state), EVERY_MS);
    },
    async close() {
      flush(state);
      await state.writing;
      clearTimeout(state.timer);
    },
  };
}

function add({ waiting }: State, { minute, event, count }: Counted): void {
  const key = `${minute} ${event}`;
  const known = waiting.get(key);
  if (known !== undefined) known.count += count;
  else if (waiting.size < MOST_WAITING) waiting.set(key, { minute, event, count });
}

function flush(state: State): void {
  clearTimeout(state.timer);
  state.timer = undefined;
  state.writing = state.writing.then(() => writeWaiting(state));
}

/**
 * What is not written waits for the next time: of an outage the chart shows what was deferred meanwhile. A statement whose answer is
 * lost may count twice.
 */
async function writeWaiting(state: State): Promise<void> {
  if (state.waiting.size === 0) return;
  const counted = [...state.waiting.values()];
  state.waiting = new Map();
  try {
    await state.pool.query({
      name: 'sealpost-event-minutes',
      text: ADD,
      values: [
        counted.map(({ minute }) => minute),
        counted.map(({ event }) => event),
        counted.map(({ count }) => count),
      ],
    });
  } catch {
    for (const each of counted) add(state, each);
    state.timer ??= setTimeout(() => flush(state), EVERY_MS);
  }
}

/** Removes what is older than two days. @param now Unix milliseconds */
export async function forgetMinutes(pool: Pick<Pool, 'query'>, now: number): Promise<void> {
  await removeOld(pool, {
    table: 'event_minutes',
    condition: 'minute < to_timestamp($1::float8 / 1000)',
    values: [now - KEEP_MS],
    order: 'minute',
  });
}

/** Reads the last day: by the primary key, and some thousand rows at most. @param now Unix milliseconds */
export async function readHistory(pool: Pick<Pool, 'query'>, now: number): Promise<EventHistory> {
  const from = Math.floor(now / MINUTE_MS) - MINUTES_A_DAY + 1;
  const { rows } = await pool.query<{ event: string; offsets: number[]; counts: number[] }>({
    name: 'sealpost-event-history',
    text: `SELECT event, array_agg((extract(epoch FROM minute) / 60)::int - $1::int) AS offsets,
                  array_agg(count::float8) AS counts
             FROM event_minutes
            WHERE minute >= to_timestamp($1::float8 * 60) AND minute < to_timestamp(($1::float8 + $2::float8) * 60)
            GROUP BY event`,
    values: [from, MINUTES_A_DAY],
  });
  return { from, counts: Object.fromEntries(rows.map((row) => [row.event, inOrder(row)])) };
}

/** One number for each minute of the day; 0 where the table has none. */
function inOrder({ offsets, counts }: { offsets: readonly number[]; counts: readonly number[] }): number[] {
  const day = new Array<number>(MINUTES_A_DAY).fill(0);
  for (const [index, offset] of offsets.entries()) day[offset] = counts[index] ?? 0;
  return day;
}
