import { describe, expect, it } from 'vitest';
import { eventLoopDelay, metricValues, sealedCopies } from '../../../bench/scrape.ts';
import { createMetrics } from '../../../src/observe/metrics.ts';

const SCRAPED = [
  '# TYPE sealpost_copies_total counter',
  'sealpost_copies_total{action="seal",because="a key"} 20',
  'sealpost_copies_total{action="seal",because="another key"} 3',
  'sealpost_copies_total{action="pass",because="no key"} 5',
  'nodejs_eventloop_lag_p99_seconds 0.0123',
  'nodejs_eventloop_lag_p90_seconds 0.011',
];

describe('what the benchmark reads on /metrics', () => {
  it('adds up the sealed copies over all reasons', () => {
    expect(sealedCopies(SCRAPED)).toBe(23);
    expect(sealedCopies([])).toBe(0);
  });

  it('takes a metric by its whole name, and all of its labels', () => {
    expect(metricValues(SCRAPED, 'sealpost_copies_total')).toEqual([20, 3, 5]);
    expect(metricValues(SCRAPED, 'nodejs_eventloop_lag')).toEqual([]);
  });

  it('tells the worst delay of the event loop in milliseconds', () => {
    expect(eventLoopDelay([...SCRAPED, 'nodejs_eventloop_lag_p99_seconds{worker="2"} 0.025'])).toBeCloseTo(
      15,
    );
  });

  it('takes an idle process, whose samples come when they are due, as not delayed', async () => {
    expect(eventLoopDelay(['nodejs_eventloop_lag_p99_seconds 0.0098'])).toBe(0);
    const { registry } = createMetrics();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(eventLoopDelay((await registry.metrics()).split('\n'))).toBeGreaterThanOrEqual(0);
  });

  it('refuses a delay that no timer can have measured', () => {
    expect(() => eventLoopDelay(['nodejs_eventloop_lag_p99_seconds 5e-7'])).toThrow(/no event loop delay/);
    expect(() => eventLoopDelay([])).toThrow(/no event loop delay/);
  });
});
