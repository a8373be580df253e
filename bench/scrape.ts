// What sealpost says of itself on /metrics.
import { EVENT_LOOP_SAMPLING_MS } from '../src/observe/metrics.ts';

/** The lines of one answer. */
export type Scrape = readonly string[];

/** @param port of `observe.listen` */
export async function scrape(port: number): Promise<Scrape> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  if (!response.ok) throw new Error(`/metrics answers ${response.status}`);
  return (await response.text()).split('\n');
}

/** The values of a metric, one for each set of labels that holds `label`. Pure. */
export function metricValues(scraped: Scrape, name: string, label = ''): number[] {
  return scraped
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => line.includes(label))
    .map((line) => Number(line.split(' ').at(-1)));
}

/** sealpost_copies_total with action "seal", over all reasons and processes. Pure. */
export function sealedCopies(scraped: Scrape): number {
  return metricValues(scraped, 'sealpost_copies_total', 'action="seal"').reduce((sum, each) => sum + each, 0);
}

/** A timer of Node.js fires up to a millisecond early: still less means that nothing was recorded. Milliseconds. */
const LEAST_INTERVAL = EVENT_LOOP_SAMPLING_MS - 1.5;

/**
 * The p99 of the event loop's delay since the scrape before, in milliseconds; of several processes the worst. The metric is
 * the time from one sample to the next: the delay is what it is too late by. Pure.
 * @throws Error when there is none
 */
export function eventLoopDelay(scraped: Scrape): number {
  const worst = Math.max(...metricValues(scraped, 'nodejs_eventloop_lag_p99_seconds')) * 1000;
  if (!(worst >= LEAST_INTERVAL)) throw new Error(`/metrics tells no event loop delay (found ${worst} ms)`);
  return Math.max(0, worst - EVENT_LOOP_SAMPLING_MS);
}
