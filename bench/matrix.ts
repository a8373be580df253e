// The proxy under every kind of load: a selection in which each value of each dimension occurs, with latency and cost.
import { describeLoad, type Load } from './burst.ts';
import { figuresOf, measureBurst, measureLatency, megabytesPerSecond, proveLoad } from './measure.ts';
import type { Chart, PartOptions, PartResult, Row } from './rows.ts';
import { RECIPIENTS, theStand } from './stand.ts';

const KB = 1024;
const MB = 1024 * KB;

type Shape = readonly [
  protocol: Load['protocol'],
  sessions: number,
  reuse: boolean,
  recipients: number,
  bytes: number,
  sealed: boolean,
];

const SHAPES: readonly Shape[] = [
  ['smtp', 1, false, 1, 4 * KB, true],
  ['smtp', 8, false, 1, 4 * KB, true],
  ['smtp', 8, false, 1, 4 * KB, false],
  ['smtp', 50, false, 1, 4 * KB, true],
  ['smtp', 8, true, 1, 4 * KB, true],
  ['smtp', 8, true, 10, 4 * KB, false],
  ['lmtp', 1, true, 1, 4 * KB, true],
  ['lmtp', 8, true, 1, 4 * KB, true],
  ['lmtp', 50, true, 1, 4 * KB, true],
  ['lmtp', 50, true, 1, 4 * KB, false],
  ['lmtp', 8, true, 10, 4 * KB, true],
  ['lmtp', 8, true, 1, 100 * KB, true],
  ['lmtp', 50, true, 1, 100 * KB, true],
  ['smtp', 8, false, 1, 100 * KB, false],
  ['lmtp', 8, true, 1, MB, true],
  ['lmtp', 8, true, 1, MB, false],
  ['smtp', 8, true, 1, 10 * MB, true],
  ['lmtp', 8, true, 1, 10 * MB, false],
  ['smtp', 1, false, 1, 25 * MB, true],
  ['lmtp', 1, true, 1, 25 * MB, false],
];

const loadOf = ([protocol, sessions, reuse, recipients, bytes, sealed]: Shape): Load => ({
  protocol,
  sessions,
  reuse,
  recipients,
  bytes,
  sealed,
  recipient: sealed ? (recipients > 1 ? RECIPIENTS.ten : RECIPIENTS.rsa) : RECIPIENTS.plain,
});

/** Messages for about a second of each: to measure, to time one by one, and to prove. */
function counts({ bytes, recipients, sessions }: Load): { speed: number; latency: number; proof: number } {
  if (bytes >= 25 * MB) return { speed: 4, latency: 4, proof: 1 };
  if (bytes >= 10 * MB) return { speed: 16, latency: 8, proof: 2 };
  if (bytes >= MB) return { speed: 80, latency: 40, proof: 4 };
  if (bytes >= 100 * KB) return { speed: 400, latency: 200, proof: 10 };
  const small = sessions === 1 ? 800 : 2000;
  return { speed: small / recipients, latency: small / 4 / recipients, proof: Math.max(2, 20 / recipients) };
}

export async function matrixPart(options: PartOptions): Promise<PartResult> {
  const stand = await theStand(options);
  const rows: Row[] = [];
  const speeds: { readonly load: Load; readonly rate: number }[] = [];
  const scale = options.quick ? 0.1 : 1;
  for (const [index, shape] of SHAPES.entries()) {
    const load = loadOf(shape);
    const count = counts(load);
    const some = (full: number): number => Math.max(1, Math.round(full * scale));
    options.progress(`${index + 1} of ${SHAPES.length}: ${describe(load)}`);
    await measureBurst(stand, 'sealpost', load, Math.max(1, Math.ceil(count.speed / 8)));
    const speed = await measureBurst(stand, 'sealpost', load, some(count.speed));
    const latency = await measureLatency(stand, 'sealpost', load, some(count.latency));
    await proveLoad(stand, 'sealpost', load, count.proof);
    rows.push({ work: describe(load), figures: { ...figuresOf(speed, load), ...latency } });
    speeds.push({ load, rate: megabytesPerSecond(speed, load) });
  }
  return {
    rows,
    charts: [throughputChart(speeds), latencyChart(rows)],
    notes: [
      'Latency is that of our own client, which pipelines as Postfix does and shares the processors with sealpost, from its first ' +
        'command (without reuse: from the connect) to the last reply, with as many sessions as the row says and no pause between ' +
        'messages; of large messages there are few, and p99 is the slowest. Peak memory adds up all processes.',
    ],
  };
}

const describe = (load: Load): string => `${describeLoad(load)}, ${load.sealed ? 'sealed' : 'passing'}`;

function throughputChart(speeds: readonly { readonly load: Load; readonly rate: number }[]): Chart {
  return {
    name: 'proxy-throughput',
    title: 'sealpost, MB of mail per second',
    kind: 'bars',
    xTitle: '',
    yTitle: 'MB per second',
    points: speeds
      .filter(({ load }) => load.recipients === 1 && load.sessions !== 50)
      .map(({ load, rate }) => ({
        series: load.sealed ? 'sealed' : 'passing',
        x: describeLoad(load),
        y: rate,
      })),
  };
}

function latencyChart(rows: readonly Row[]): Chart {
  const small = rows.filter(({ work }) => /\b4 KB/.test(work));
  return {
    name: 'proxy-latency',
    title: '4 KB, latency in ms',
    kind: 'bars',
    xTitle: '',
    yTitle: 'milliseconds',
    points: small.flatMap(({ work, figures }) =>
      (['p50 ms', 'p99 ms'] as const).map((figure) => ({
        series: figure.replace(' ms', ''),
        x: work,
        y: figures[figure] ?? 0,
      })),
    ),
  };
}
