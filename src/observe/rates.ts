// What happened within the last minute, from the counters of the metrics: for /status, which people read without Prometheus.
import type { Metrics } from './metrics.ts';

/** Numbers of the last minute by what was counted, such as `{ accepted: 12, lookups: 340 }`. */
export type LastMinute = Readonly<Record<string, number>>;

export interface Rates {
  /** Shorter than a minute where the process is younger. */
  lastMinute(): Promise<LastMinute>;
  close(): void;
}

const EVERY_MS = 10_000;
const SAMPLES = 6;

/** Looks at the counters every ten seconds. */
export function createRates(metrics: Pick<Metrics, 'messages' | 'lookups' | 'receiverFiled'>): Rates {
  /** Totals, oldest first; the first one is at most a minute old. */
  const samples: LastMinute[] = [];

  async function totals(): Promise<LastMinute> {
    const sum: Record<string, number> = { accepted: 0, temporary: 0, permanent: 0, lookups: 0, filed: 0 };
    const add = (name: string, value: number): void => {
      sum[name] = (sum[name] ?? 0) + value;
    };
    for (const { labels, value } of (await metrics.messages.get()).values) add(String(labels.outcome), value);
    for (const { value } of (await metrics.lookups.get()).values) add('lookups', value);
    for (const { value } of (await metrics.receiverFiled.get()).values) add('filed', value);
    return sum;
  }

  const timer = setInterval(() => {
    void totals().then((now) => {
      samples.push(now);
      if (samples.length > SAMPLES) samples.shift();
    });
  }, EVERY_MS);
  timer.unref();
  return {
    async lastMinute() {
      const now = await totals();
      const before = samples.length < SAMPLES ? {} : (samples[0] ?? {});
      return sumOf([now], [before]);
    },
    close: () => clearInterval(timer),
  };
}

/** Adds up by name what several processes counted, less what is to be taken off. Pure. */
export function sumOf(counts: readonly LastMinute[], less: readonly LastMinute[] = []): LastMinute {
  const sum: Record<string, number> = {};
  for (const each of counts)
    for (const [name, value] of Object.entries(each)) sum[name] = (sum[name] ?? 0) + value;
  for (const each of less)
    for (const [name, value] of Object.entries(each)) sum[name] = (sum[name] ?? 0) - value;
  return sum;
}
