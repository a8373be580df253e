// Charts as SVG and PNG: Vega-Lite draws, resvg turns the drawing into pixels, with a font that comes from npm so that the
// picture is the same on a machine without any.
import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Resvg } from '@resvg/resvg-js';
import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import type { Chart, Part, Row } from './rows.ts';
import { threeDigits } from './statistics.ts';

const FONT = 'DejaVu Sans';
const COLOURS = ['#1b6ca8', '#e08e1b', '#5a9e6f', '#b5463c', '#8268a8', '#7a7a7a'];

/** Writes NAME.svg and NAME.png for each chart. */
export async function writePlots(charts: readonly Chart[], folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const chart of charts) {
    const svg = await new View(parse(compile(specification(chart)).spec), { renderer: 'none' }).toSVG();
    await writeFile(join(folder, `${chart.name}.svg`), svg);
    await writeFile(join(folder, `${chart.name}.png`), pixels(svg));
  }
}

/** One chart with all curves that rows of a part lie on, by messages per second; none without such rows. Pure. */
export function growthCharts(part: Pick<Part, 'name' | 'title'>, rows: readonly Row[]): Chart[] {
  const growing = rows.filter(({ growth }) => growth !== undefined);
  const rates = growing.filter(({ figures }) => figures['messages/s'] !== undefined);
  if (rates.length === 0) return [];
  return [
    {
      name: part.name === 'growth' ? 'growth' : `${part.name}-growth`,
      title: `${part.title}: messages per second`,
      kind: 'curve',
      xTitle: 'how many there are',
      yTitle: 'messages per second',
      points: rates.map(({ growth, figures }) => ({
        series: growth?.curve ?? '',
        x: growth?.of ?? 0,
        y: figures['messages/s'] ?? 0,
      })),
    },
  ];
}

function specification({ title, kind, xTitle, yTitle, points }: Chart): TopLevelSpec {
  const series = [...new Set(points.map((point) => point.series))];
  const values = points.map((point) => ({ ...point, label: threeDigits(point.y) }));
  const colour = {
    field: 'series',
    type: 'nominal' as const,
    sort: null,
    scale: { range: COLOURS },
    legend:
      series.length < 2 ? null : { title: null, orient: 'bottom' as const, columns: 3, labelLimit: 1000 },
  };
  const common = {
    title: { text: title, anchor: 'start' as const, offset: 16 },
    data: { values },
    background: 'white',
    padding: 16,
    config: {
      font: FONT,
      title: { fontSize: 16 },
      axis: { labelFontSize: 12, titleFontSize: 12, labelLimit: 1000 },
      legend: { labelFontSize: 12 },
      view: { stroke: null },
    },
  };
  return kind === 'curve'
    ? {
        ...common,
        width: 680,
        height: 320,
        mark: { type: 'line', point: { size: 60 }, strokeWidth: 2.5 },
        encoding: {
          x: {
            field: 'x',
            type: 'quantitative',
            scale: { type: 'log' },
            axis: { title: xTitle, format: ',', values: [...new Set(points.map(({ x }) => Number(x)))] },
          },
          y: { field: 'y', type: 'quantitative', scale: { zero: true }, axis: { title: yTitle } },
          color: colour,
        },
      }
    : {
        ...common,
        width: 560,
        height: { step: series.length < 2 ? 30 : 20 },
        encoding: {
          y: { field: 'x', type: 'nominal', sort: null, axis: { title: xTitle || null } },
          yOffset: { field: 'series', sort: null },
          x: { field: 'y', type: 'quantitative', axis: { title: yTitle } },
        },
        layer: [
          { mark: { type: 'bar' }, encoding: { color: colour } },
          {
            mark: { type: 'text', align: 'left', dx: 4, fontSize: 11 },
            encoding: { text: { field: 'label', type: 'nominal' } },
          },
        ],
      };
}

function pixels(svg: string): Buffer {
  const fonts = createRequire(import.meta.url).resolve('dejavu-fonts-ttf/package.json');
  const files = ['DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'].map((name) => join(fonts, '..', 'ttf', name));
  const drawing = new Resvg(svg, {
    fitTo: { mode: 'zoom', value: 2 },
    font: { loadSystemFonts: false, fontFiles: files, defaultFontFamily: FONT },
  });
  return drawing.render().asPng();
}
