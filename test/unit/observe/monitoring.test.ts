// docs/monitoring.md, the alerts and the dashboard against the metrics that there are.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Counter, Gauge, Histogram } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../../src/observe/metrics.ts';
import { type Dashboard, expressionsOf } from '../../support/dashboard.ts';
import { repository } from '../../support/places.ts';

const read = (path: string): string => readFileSync(join(repository, path), 'utf8');
const page = read('docs/monitoring.md');
const alerts = read('packaging/prometheus/alerts.yml');
const dashboard = JSON.parse(read('packaging/grafana/sealpost.json')) as Dashboard;

interface Described {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
}

const { registry, ...made } = createMetrics({ processMetrics: false });
const metrics = Object.values(made as Record<string, Counter | Gauge | Histogram>).map((metric) => ({
  ...(metric as unknown as Described),
  kind: metric.constructor.name.toLowerCase(),
}));
const labelsOf = new Map(metrics.map(({ name, labelNames }) => [name, labelNames]));

/** Names that a query may use of a metric. */
const known = new Set(
  metrics.flatMap(({ name, kind }) =>
    kind === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  ),
);

/** What Prometheus adds to what it asks. */
const FROM_OUTSIDE = new Set(['instance', 'job', 'le']);

/** Every metric of ours with its labels in a text of queries. */
function used(text: string): readonly { readonly name: string; readonly labels: readonly string[] }[] {
  return [...text.matchAll(/\b(sealpost_\w+)(?:\{([^}]*)\})?/g)].map(([, name = '', inside = '']) => ({
    name,
    labels: [...inside.matchAll(/(\w+)\s*=/g)].map(([, label = '']) => label),
  }));
}

describe('docs/monitoring.md', () => {
  it('has every metric, with its kind, its labels and the words of /metrics', () => {
    const rows = page.split('\n').filter((line) => line.startsWith('| `sealpost_'));
    const expected = metrics.map(({ name, kind, labelNames, help }) => {
      const labels = labelNames.filter((label) => label !== 'le').map((label) => `\`${label}\``);
      return `| \`${name}\` | ${kind} | ${labels.join(', ')} | ${help} |`;
    });
    expect(expected.length).toBeGreaterThan(35);
    expect(rows).toEqual(expected);
    expect(registry.getMetricsAsArray()).toHaveLength(expected.length);
  });

  it('has every alert', () => {
    const named = [...alerts.matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
    expect(named.length).toBeGreaterThan(10);
    expect([...page.matchAll(/^\| `(Sealpost\w+)` \|/gm)].map(([, name]) => name)).toEqual(named);
    const tried = read('packaging/prometheus/alerts.test.yml');
    expect(named.filter((name) => !tried.includes(`alertname="${name}"`))).toEqual([]);
  });
});

describe('what is asked of Prometheus', () => {
  const expressions = expressionsOf(dashboard);
  const texts = [
    ...expressions.map(({ expr }) => expr),
    alerts.replace(/^ +(?:summary|description):.*$/gm, ''),
  ];

  it('is of metrics that there are, by labels that they have', () => {
    expect(expressions.length).toBeGreaterThan(25);
    const all = texts.flatMap(used);
    expect(all.length).toBeGreaterThan(40);
    expect(all.filter(({ name }) => !known.has(name)).map(({ name }) => name)).toEqual([]);
    const strange = all.filter(({ name, labels }) => {
      const own = labelsOf.get(name.replace(/_(?:bucket|sum|count)$/, '')) ?? [];
      return labels.some((label) => !own.includes(label) && !FROM_OUTSIDE.has(label));
    });
    expect(strange).toEqual([]);
  });

  it('stands in panels with a title and a description, each at a place of its own', () => {
    const { panels } = dashboard;
    expect(panels.filter(({ title, description }) => title === '' || description === '')).toEqual([]);
    const places = panels.map(({ gridPos: { x, y } }) => `${x} ${y}`);
    expect(new Set(places).size).toBe(panels.length);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  });
});

describe('a gauge of what is not known yet', () => {
  it('is not shown before it is set, and not after it was taken back', async () => {
    const { backupAt, registry: shown } = createMetrics({ processMetrics: false });
    const sample = /^sealpost_last_backup_timestamp_seconds \d/m;
    expect(await shown.metrics()).not.toMatch(sample);
    backupAt.set(7);
    expect(await shown.metrics()).toMatch(sample);
    backupAt.remove();
    expect(await shown.metrics()).not.toMatch(sample);
  });
});
