// Why copies went on as they came in, in the last hour and day: what a person asks who fears that plaintext gets out.
import type { Metrics } from './metrics.ts';
import { type Counts, createWindows, sumOf } from './windows.ts';

/**
 * By the word of the decision, in snake_case (`no_key`, `already_encrypted`, ...); beside them, and counted there as well:
 * `by_choice` (a key is known, or a rule decides, and a setting lets plaintext pass) and `unknown_address` (nobody has the address,
 * in a domain of ours). Shorter where the process is younger.
 */
export interface PassedOf {
  readonly last_hour: Counts;
  readonly last_day: Counts;
}

export interface PassedCounts {
  now(): Promise<PassedOf>;
  close(): void;
}

const WINDOWS = {
  last_hour: { ticks: 6, samples: 60 },
  last_day: { ticks: 90, samples: 96 },
} as const;

const NONE: Counts = { by_choice: 0, unknown_address: 0 };

export function createPassedCounts({
  copies,
  plaintextByChoice,
  plaintextUnknown,
}: Pick<Metrics, 'copies' | 'plaintextByChoice' | 'plaintextUnknown'>): PassedCounts {
  const totals = async (): Promise<Counts> => {
    const because = (await copies.get()).values
      .filter(({ labels }) => labels.action === 'pass')
      .map(({ labels, value }) => ({ [String(labels.because).replaceAll(' ', '_')]: value }));
    const chosen = (await plaintextByChoice.get()).values.map(({ value }) => ({ by_choice: value }));
    const unknown = (await plaintextUnknown.get()).values.map(({ value }) => ({ unknown_address: value }));
    return sumOf([NONE, ...because, ...chosen, ...unknown]);
  };
  const windows = createWindows(WINDOWS, totals);
  return { now: () => windows.now(), close: windows.close };
}

/** Adds up what several processes counted. Pure. */
export function sumOfPassed(all: readonly PassedOf[]): PassedOf {
  const sum = (window: keyof PassedOf): Counts => sumOf([NONE, ...all.map((each) => each[window])]);
  return { last_hour: sum('last_hour'), last_day: sum('last_day') };
}
