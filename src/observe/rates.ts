// What happened within the last minute, from the counters of the metrics: for /status, which people read without Prometheus.
import type { Metrics } from './metrics.ts';
import { type Counts, createWindows } from './windows.ts';

export interface Rates {
  /** Numbers by what was counted. Shorter than a minute where the process is younger. */
  lastMinute(): Promise<Counts>;
  close(): void;
}

const WINDOWS = { last_minute: { ticks: 1, samples: 6 } } as const;

export function createRates(metrics: Pick<Metrics, 'messages' | 'lookups' | 'receiverFiled'>): Rates {
  const windows = createWindows(WINDOWS, async () => {
    const sum: Record<string, number> = { accepted: 0, temporary: 0, permanent: 0, lookups: 0, filed: 0 };
    const add = (name: string, value: number): void => {
      sum[name] = (sum[name] ?? 0) + value;
    };
    for (const { labels, value } of (await metrics.messages.get()).values) add(String(labels.outcome), value);
    for (const { value } of (await metrics.lookups.get()).values) add('lookups', value);
    for (const { value } of (await metrics.receiverFiled.get()).values) add('filed', value);
    return sum;
  });
  return { lastMinute: async () => (await windows.now()).last_minute, close: windows.close };
}
