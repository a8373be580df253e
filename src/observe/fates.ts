// How many messages were sealed, passed, deferred, refused and so on in the last minute, hour and day: for /status, which people
// read without Prometheus, and which needs no database.
import { EVENTS, type EventCode } from './events.ts';
import type { Metrics } from './metrics.ts';
import { createWindows, sumOf } from './windows.ts';

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

const WINDOWS = {
  last_minute: { ticks: 1, samples: 6 },
  last_hour: { ticks: 6, samples: 60 },
  last_day: { ticks: 90, samples: 96 },
} as const;

const NONE = Object.fromEntries(Object.keys(EVENTS).map((event) => [event, 0])) as Fates;

export function createFateCounts({ events }: Pick<Metrics, 'events'>): FateCounts {
  const windows = createWindows(WINDOWS, async () => {
    const counted = (await events.get()).values.map(({ labels, value }) => ({
      [String(labels.event)]: value,
    }));
    return sumOf([NONE, ...counted]);
  });
  return { now: async () => (await windows.now()) as FatesOf, close: windows.close };
}

/** Adds up what several processes counted. Pure. */
export function sumOfFates(all: readonly FatesOf[]): FatesOf {
  const sum = (window: keyof FatesOf): Fates => sumOf([NONE, ...all.map((each) => each[window])]) as Fates;
  return { last_minute: sum('last_minute'), last_hour: sum('last_hour'), last_day: sum('last_day') };
}
