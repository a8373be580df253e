// What counters came to within the last minute, hour and so on: totals are sampled at a steady pace, and taken off those of now.

/** Numbers by what was counted, such as `{ accepted: 12, lookups: 340 }`. */
export type Counts = Readonly<Record<string, number>>;

/** How many ticks lie between two samples of a window, and how many samples it keeps. */
export interface Window {
  readonly ticks: number;
  readonly samples: number;
}

export interface Windows<W extends string> {
  /** Of each window; shorter than it where the process is younger. */
  now(): Promise<Readonly<Record<W, Counts>>>;
  close(): void;
}

const TICK_MS = 10_000;

/** Looks at the totals every ten seconds. */
export function createWindows<W extends string>(
  windows: Readonly<Record<W, Window>>,
  totals: () => Promise<Counts>,
): Windows<W> {
  const kept = (Object.entries(windows) as [W, Window][]).map(([name, window]) => ({
    name,
    ...window,
    /** Totals, the oldest first: as old as the window, once there are as many as it keeps. */
    sampled: [] as Counts[],
  }));
  const state = { tick: 0 };

  async function sample(tick: number): Promise<void> {
    const now = await totals();
    for (const { ticks, samples, sampled } of kept) {
      if (tick % ticks !== 0) continue;
      sampled.push(now);
      if (sampled.length > samples) sampled.shift();
    }
  }

  const timer = setInterval(() => {
    state.tick += 1;
    void sample(state.tick);
  }, TICK_MS);
  timer.unref();
  return {
    async now() {
      const all = await totals();
      const since = kept.map(({ name, samples, sampled }) => {
        const before = sampled.length < samples ? [] : sampled.slice(0, 1);
        return [name, sumOf([all], before)];
      });
      return Object.fromEntries(since) as Record<W, Counts>;
    },
    close: () => clearInterval(timer),
  };
}

/** Adds up by name what several processes counted, less what is to be taken off. Pure. */
export function sumOf(counts: readonly Counts[], less: readonly Counts[] = []): Counts {
  const sum: Record<string, number> = {};
  for (const each of counts)
    for (const [name, value] of Object.entries(each)) sum[name] = (sum[name] ?? 0) + value;
  for (const each of less)
    for (const [name, value] of Object.entries(each)) sum[name] = (sum[name] ?? 0) - value;
  return sum;
}
