// How many messages were sealed, passed, deferred, refused and so on in the last minute, hour and day: for /status, which people
// read without Prometheus, and which needs no database.
import { EVENTS, type EventCode } from './events.ts';
import type { Metrics } from './metrics.ts';
import { sumOf } from './rates.ts';

/** By event, one for each recipient. */
export type Fates = Readonly<Record<EventCode, number>>;

export interface FatesOf {
  readonly last_minute: Fates;
  readonly last_hour: Fates;
  /** Shorter, as the others, where the process is younger. */
  readonly last_day: Fates;
}

export interface FateCounts {
  now(): Promise<FatesOf>;
  close(): void;
}

const TICK_MS = 10_000;

/** A span, and how many ticks lie between two of its samples. */
const SPANS = {
  last_minute: { ticks: 1, samples: 6 },
  last_hour: { ticks: 6, samples: 60 },
  last_day: { ticks: 90, samples: 96 },
} as const;

type Span = keyof typeof SPANS;

const NONE = Object.fromEntries(Object.keys(EVENTS).map((event) => [event, 0])) as Fates;

/** Looks at the counters every ten seconds. */
export function createFateCounts({ events }: Pick<Metrics, 'events'>): FateCounts {
  /** Totals, the oldest first; the first one is as old as the span. */
  const kept: Readonly<Record<Span, Fates[]>> = { last_minute: [], last_hour: [], last_day: [] };
  const state = { tick: 0 };

  async function totals(): Promise<Fates> {
    const counted = (await events.get()).values.map(({ labels, value }) => ({
      [String(labels.event)]: value,
    }));
    return sumOf([NONE, ...counted]) as Fates;
  }

  async function keep(tick: number): Promise<void> {
    const now = await totals();
    for (const span of Object.keys(SPANS) as Span[]) {
      if (tick % SPANS[span].ticks !== 0) continue;
      kept[span].push(now);
      if (kept[span].length > SPANS[span].samples) kept[span].shift();
    }
  }

  const timer = setInterval(() => {
    state.tick += 1;
    void keep(state.tick);
  }, TICK_MS);
  timer.unref();
  const since = (span: Span, now: Fates): Fates => {
    const before = kept[span].length < SPANS[span].samples ? undefined : kept[span][0];
    return sumOf([now], before === undefined ? [] : [before]) as Fates;
  };
  return {
    async now() {
      const all = await totals();
      return {
        last_minute: since('last_minute', all),
        last_hour: since('last_hour', all),
        last_day: since('last_day', all),
      };
    },
    close: () => clearInterval(timer),
  };
}

/** Adds up what several processes counted. Pure. */
export function sumOfFates(all: readonly FatesOf[]): FatesOf {
  const sum = (span: Span): Fates => sumOf([NONE, ...all.map((each) => each[span])]) as Fates;
  return { last_minute: sum('last_minute'), last_hour: sum('last_hour'), last_day: sum('last_day') };
}
