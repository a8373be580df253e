// What the lookup bench has measured, as rows, findings and a chart.
import type { LoadFigure } from './lookups-client.ts';
import type { Finding, PartResult, Row } from './rows.ts';

export const KEYS = 20_000;
export const SMALL = 1000;
export const CONNECTIONS = 100;

/** The load that a directory of so many addresses took. */
export interface Figures {
  readonly addresses: number;
  readonly cached: LoadFigure;
  readonly uncached: LoadFigure;
}

export interface Measured {
  readonly total: number;
  /** Microseconds per key. */
  readonly cached: number;
  readonly uncached: number;
  readonly pgsql: number;
  /** pgsql: with a query that knows no aliases. */
  readonly simplest: number;
  readonly small: Figures;
  readonly large: Figures;
  readonly questions: number;
  readonly before: number;
  readonly after: number;
}

export function report(measured: Measured): PartResult {
  const { total, cached, uncached, pgsql, simplest, small, large } = measured;
  return {
    rows: [
      { work: 'one key by postmap: sealpost, cached', figures: { ms: cached / 1000 } },
      { work: 'one key by postmap: sealpost, not cached', figures: { ms: uncached / 1000 } },
      { work: "one key by postmap: Postfix's pgsql:, the same answers", figures: { ms: pgsql / 1000 } },
      { work: "one key by postmap: Postfix's pgsql:, users only", figures: { ms: simplest / 1000 } },
      ...[small, large].flatMap(loadRows),
      { work: 'resident memory of serve before', figures: { 'peak MB': measured.before } },
      { work: `the same after ${measured.questions} more lookups`, figures: { 'peak MB': measured.after } },
    ],
    findings: findingsOf(measured),
    charts: [
      {
        name: 'maps',
        title: 'One key by postmap, microseconds',
        kind: 'bars',
        xTitle: '',
        yTitle: 'microseconds',
        points: [
          { series: '', x: 'sealpost, cached', y: cached },
          { series: '', x: 'sealpost, not cached', y: uncached },
          { series: '', x: 'pgsql:, the same answers', y: pgsql },
          { series: '', x: 'pgsql:, users only', y: simplest },
        ],
      },
    ],
    notes: [
      `virtual_alias on ${total} addresses, ${KEYS} keys by \`postmap -q -\`; Postfix's own \`pgsql:\` map asks the same PostgreSQL for the ` +
        'same answers (id addresses, forwards, alias targets), and with the simplest query, which knows users only. Every answer was checked.',
    ],
  };
}

function loadRows({ addresses, cached, uncached }: Figures): Row[] {
  const row = (kind: string, { perSecond, p50, p99 }: LoadFigure): Row => ({
    work: `lookups on ${CONNECTIONS} connections, ${addresses} addresses, ${kind}`,
    figures: { 'lookups/s': perSecond, 'p50 ms': p50, 'p99 ms': p99 },
  });
  return [row('cached', cached), row('not cached', uncached)];
}

function findingsOf({ total, cached, uncached, pgsql, small, large, ...memory }: Measured): Finding[] {
  const growth = `lookups, growth from ${SMALL} to ${total} addresses`;
  const over = (kind: 'cached' | 'uncached', figure: 'p50' | 'p99'): number =>
    large[kind][figure] / small[kind][figure];
  return [
    {
      what: "lookup: time of Postfix's pgsql: map over that of sealpost, cached",
      measured: pgsql / cached,
      target: { is: 'above', value: 2.5 },
    },
    {
      what: "lookup: time of Postfix's pgsql: map over that of sealpost, not cached",
      measured: pgsql / uncached,
      target: { is: 'above', value: 1 },
    },
    { what: `${growth}, cached: p50`, measured: over('cached', 'p50') },
    { what: `${growth}, cached: p99`, measured: over('cached', 'p99') },
    { what: `${growth}, not cached: p50`, measured: over('uncached', 'p50') },
    { what: `${growth}, not cached: p99`, measured: over('uncached', 'p99') },
    {
      what: `memory of serve after ${memory.questions} lookups over before`,
      measured: memory.after / memory.before,
    },
  ];
}
