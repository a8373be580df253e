// Large messages: 10 MB beside the direct way, the event loop meanwhile, and one of 25 MB beside gpg itself.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mustRun } from '../test/support/child.ts';
import { sealpostCommand } from '../test/support/sealpost-process.ts';
import { burst, type Load } from './burst.ts';
import { letter } from './letter.ts';
import { figuresOf, measureBurst, megabytesPerSecond, proveLoad, type Speed } from './measure.ts';
import { callPipe } from './pipe.ts';
import type { PartOptions, PartResult, Row } from './rows.ts';
import { RECIPIENTS, type Stand, theStand } from './stand.ts';
import { median } from './statistics.ts';

const TEN: Load = {
  protocol: 'lmtp',
  sessions: 8,
  reuse: true,
  recipients: 1,
  bytes: 10 * 2 ** 20,
  recipient: RECIPIENTS.rsa,
  sealed: true,
};
const ONE: Load = { ...TEN, sessions: 1, bytes: 25 * 2 ** 20 };

export async function largePart(options: PartOptions): Promise<PartResult> {
  const stand = await theStand(options);
  const ten = await tenMegabytes(stand, options);
  const one = await oneOf25Megabytes(stand, options);
  return {
    rows: [...ten.rows, ...one.rows],
    findings: [...(ten.findings ?? []), ...(one.findings ?? [])],
    charts: [...(one.charts ?? [])],
    notes: [
      'The event loop delay is nodejs_eventloop_lag_p99_seconds of /metrics over the burst alone (the target is judged by ' +
        'the worst of the rounds; of several processes /metrics may tell the mean), less the 10 ms between two samples of Node.js, ' +
        'which that metric shows of an idle process as well. ' +
        '"25 MB, one message" through the filter is the whole smtp-source process, over a running sealpost; the other lines are whole ' +
        'processes as well, with the message on their standard input.',
    ],
  };
}

async function tenMegabytes(stand: Stand, { quick, progress }: PartOptions): Promise<PartResult> {
  const rounds = quick ? 1 : 3;
  const [ours, direct, peer]: [Speed[], Speed[], Speed[]] = [[], [], []];
  // Until code and memory are what they are in a process that has run for a while.
  await measureBurst(stand, 'sealpost', TEN, quick ? 8 : 40);
  for (let round = 1; round <= rounds; round += 1) {
    ours.push(await measureBurst(stand, 'sealpost', TEN, quick ? 8 : 24));
    direct.push(await measureBurst(stand, 'direct', { ...TEN, protocol: 'smtp' }, quick ? 16 : 48));
    peer.push(await measureBurst(stand, 'plain', { ...TEN, protocol: 'smtp' }, quick ? 2 : 4));
    progress(
      `10 MB, round ${round} of ${rounds}: ${megabytesPerSecond(ours.at(-1) as Speed, TEN).toFixed(0)} MB/s`,
    );
  }
  await proveLoad(stand, 'sealpost', TEN, 4);
  await proveLoad(stand, 'plain', { ...TEN, protocol: 'smtp' }, 1);
  const rate = (speeds: readonly Speed[]): number =>
    median(speeds.map((speed) => megabytesPerSecond(speed, TEN)));
  const row = (work: string, speeds: readonly Speed[]): Row => ({
    work: `10 MB, 8 sessions, reuse: ${work}`,
    figures: {
      ...figuresOf(speeds[0] as Speed, TEN),
      'MB/s': rate(speeds),
      'messages/s': (rate(speeds) * 1e6) / TEN.bytes,
    },
  });
  const delay = Math.max(...ours.map(({ eventLoopMilliseconds = Number.NaN }) => eventLoopMilliseconds));
  return {
    rows: [
      row('sealpost, LMTP, sealed', ours),
      row('smtp-source into smtp-sink', direct),
      row('aiosmtpd + gpg', peer),
    ],
    findings: [
      {
        what: '10 MB sealed, LMTP, 8 sessions: over the direct throughput',
        measured: rate(ours) / rate(direct),
        target: { is: 'at least', value: 0.3 },
      },
      {
        what: 'event loop delay while 10 MB messages are sealed, p99',
        measured: delay,
        unit: 'ms',
        target: { is: 'below', value: 20 },
      },
      { what: '10 MB sealed: over aiosmtpd + gpg', measured: rate(ours) / rate(peer) },
    ],
  };
}

async function oneOf25Megabytes(stand: Stand, { quick, progress }: PartOptions): Promise<PartResult> {
  const folder = await mkdtemp(join(tmpdir(), 'sealpost-bench-'));
  const file = join(folder, 'message');
  const { header, body } = letter(RECIPIENTS.rsa, ONE.bytes);
  await writeFile(file, Buffer.concat([header, body]));
  const gpg = ['gpg', '--batch', '--homedir', stand.keyring, '--trust-model', 'always', '-r', RECIPIENTS.rsa];
  const sealpost = sealpostCommand();
  const toNull = (command: readonly string[]) => (): Promise<number> => timeToNull(command, file);
  const contenders: readonly { readonly name: string; readonly run: () => Promise<number> }[] = [
    {
      name: 'through the running filter, LMTP',
      run: () => stand.nextHop.counted('25 MB', 1, () => burst(stand.ports.lmtp, ONE, 1)),
    },
    { name: 'gpg --encrypt, no compression', run: toNull([...gpg, '-z', '0', '-e', '-o', '-']) },
    {
      name: 'gpg --encrypt --armor, no compression',
      run: toNull([...gpg, '-z', '0', '-a', '-e', '-o', '-']),
    },
    { name: 'gpg --encrypt as it is by default', run: toNull([...gpg, '-e', '-o', '-']) },
    { name: 'sealpost-pipe', run: async () => (await callPipe(stand, 'sealpost-pipe', ONE.bytes)) / 1000 },
    {
      name: 'sealpost encrypt',
      run: toNull([
        sealpost.program,
        ...sealpost.args,
        ...['encrypt', '--to', RECIPIENTS.rsa, '--config', stand.sealpost.configPath],
      ]),
    },
    {
      name: 'smtp-source into smtp-sink',
      run: () =>
        stand.nextHop.counted('25 MB', 1, () => burst(stand.nextHop.port, { ...ONE, protocol: 'smtp' }, 1)),
    },
  ];
  try {
    const times = contenders.map((): number[] => []);
    const rounds = quick ? 2 : 7;
    for (let round = 0; round <= rounds; round += 1) {
      progress(`25 MB, round ${round} of ${rounds}`);
      // The first round warms up.
      for (const [index, { run }] of contenders.entries()) {
        const seconds = await run();
        if (round > 0) times[index]?.push(seconds * 1000);
      }
    }
    await proveLoad(stand, 'sealpost', ONE, 1);
    const medians = times.map((each) => median(each));
    const [filter = 0, bare = 0, armored = 0, byDefault = 0, pipe = 0, encrypt = 0] = medians;
    const what = '25 MB sealed, one message';
    return {
      rows: contenders.map(({ name }, index) => ({
        work: `25 MB, one message: ${name}`,
        figures: { ms: medians[index] ?? Number.NaN },
      })),
      findings: [
        {
          what: `${what}, through the filter: over the time of gpg --encrypt without compression, whole process`,
          measured: filter / bare,
          target: { is: 'below', value: 1 },
        },
        {
          what: `${what}, through the filter: over gpg --encrypt --armor without compression (time)`,
          measured: filter / armored,
        },
        {
          what: `${what}, through the filter: over gpg --encrypt as it is by default (time)`,
          measured: filter / byDefault,
        },
        {
          what: `${what}, sealpost-pipe: over gpg --encrypt without compression (time)`,
          measured: pipe / bare,
        },
        {
          what: `${what}, sealpost encrypt: over gpg --encrypt without compression (time)`,
          measured: encrypt / bare,
        },
      ],
      charts: [
        {
          name: 'one-of-25-mb',
          title: '25 MB, one message, whole process, ms',
          kind: 'bars',
          xTitle: '',
          yTitle: 'milliseconds',
          points: contenders.map(({ name }, index) => ({ series: '', x: name, y: medians[index] ?? 0 })),
        },
      ],
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Seconds of a whole process whose output nobody reads; its input is a file, as a shell would give it. */
async function timeToNull(command: readonly string[], file: string): Promise<number> {
  const started = performance.now();
  await mustRun('sh', ['-c', '"$@" < "$0" > /dev/null', file, ...command], { timeout: 120_000 });
  return (performance.now() - started) / 1000;
}
