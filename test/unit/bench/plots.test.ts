import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { growthCharts, writePlots } from '../../../bench/plots.ts';

const PART = { name: 'receiver', title: 'Receiver' };

it('draws the rows that lie on a growth curve, and no others', () => {
  const rows = [
    { work: 'a', figures: { 'messages/s': 10 }, growth: { curve: 'filed', of: 1000 } },
    { work: 'b', figures: { 'messages/s': 9 }, growth: { curve: 'filed', of: 10_000 } },
    { work: 'c', figures: { 'messages/s': 5 } },
  ];
  const [chart, ...more] = growthCharts(PART, rows);
  expect(more).toEqual([]);
  expect(chart).toMatchObject({
    name: 'receiver-growth',
    title: 'Receiver: messages per second',
    kind: 'curve',
  });
  expect(chart?.points).toEqual([
    { series: 'filed', x: 1000, y: 10 },
    { series: 'filed', x: 10_000, y: 9 },
  ]);
  expect(growthCharts(PART, rows.slice(2))).toEqual([]);
});

it('writes a chart as SVG with whole labels, and as PNG', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sealpost-plots-'));
  try {
    const label = 'aiosmtpd + gpg, overlapped and stripped, SMTP, 8 sessions, no reuse, 4 KB';
    const points = [{ series: '', x: label, y: 12 }];
    await writePlots(
      [{ name: 'bars', title: 'Bars', kind: 'bars', xTitle: '', yTitle: 'ms', points }],
      folder,
    );
    expect(await readFile(join(folder, 'bars.svg'), 'utf8')).toContain(label);
    const png = await readFile(join(folder, 'bars.png'));
    expect(png.subarray(1, 4).toString('latin1')).toBe('PNG');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
