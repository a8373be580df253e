// One call of a pipe filter: the whole process, from its start to its exit, with one message of 4 KB.
import { spawn } from 'node:child_process';
import { checkCaptured } from './captured.ts';
import { asPipeGivesIt, letter } from './letter.ts';
import type { PartOptions, PartResult } from './rows.ts';
import { RECIPIENTS, SENDER, type Stand, theStand, USERS } from './stand.ts';
import { median, percentile } from './statistics.ts';

const NAMES = {
  'sealpost-pipe': 'sealpost-pipe',
  'node -e 0': '`node -e 0`',
  mailgate: 'Python + gpg, built as GPG-Mailgate is',
  bare: 'Python + gpg, stripped to gpg and smtplib',
} as const;

/** What one call is measured of: ours, Node.js alone, and the Python filters (as they are built, and stripped to the bone). */
export type PipeProgram = keyof typeof NAMES;

const PROGRAMS = Object.keys(NAMES) as readonly PipeProgram[];
const BYTES = 4096;

export async function pipePart(options: PartOptions): Promise<PartResult> {
  const stand = await theStand(options);
  const times = new Map<PipeProgram, number[]>(PROGRAMS.map((program) => [program, []]));
  const rounds = options.quick ? 7 : 25;
  // The first round warms up.
  for (let round = 0; round <= rounds; round += 1) {
    for (const program of PROGRAMS) {
      const ms = await callPipe(stand, program, BYTES);
      if (round > 0) times.get(program)?.push(ms);
    }
    if (round % 5 === 0) options.progress(`round ${round} of ${rounds}`);
  }
  for (const program of PROGRAMS) if (program !== 'node -e 0') await provePipe(stand, program);
  const of = (program: PipeProgram): number => median(times.get(program) ?? []);
  const what = 'pipe, one 4 KB message: time of sealpost-pipe over that of';
  return {
    rows: PROGRAMS.map((program) => ({
      work: NAMES[program],
      figures: { 'p50 ms': of(program), 'p99 ms': percentile(times.get(program) ?? [], 0.99) },
    })),
    findings: [
      {
        what: `${what} \`node -e 0\``,
        measured: of('sealpost-pipe') / of('node -e 0'),
        target: { is: 'at most', value: 1.4 },
      },
      {
        what: `${what} a Python pipe filter built as GPG-Mailgate is`,
        measured: of('sealpost-pipe') / of('mailgate'),
        target: { is: 'below', value: 0.45 },
      },
      {
        what: `${what} a Python pipe filter stripped to gpg and smtplib`,
        measured: of('sealpost-pipe') / of('bare'),
      },
    ],
    charts: [
      {
        name: 'pipe',
        title: 'One pipe call, whole process, ms',
        kind: 'bars',
        xTitle: '',
        yTitle: 'milliseconds',
        points: PROGRAMS.map((program) => ({
          series: '',
          x: NAMES[program].replaceAll('`', ''),
          y: of(program),
        })),
      },
    ],
    notes: [
      `GPG-Mailgate lists the keyring (${USERS} public keys here) for every message and loads M2Crypto; the stripped one calls gpg and ` +
        'smtplib, and nothing else.',
    ],
  };
}

/**
 * One call with a message of its own.
 * @returns milliseconds
 * @throws Error unless it ended with 0 and the next hop counted one message
 */
export async function callPipe(stand: Stand, program: PipeProgram, bytes: number): Promise<number> {
  const { command, args } = callOf(stand, program);
  const message = asPipeGivesIt(letter(RECIPIENTS.rsa, bytes));
  return stand.nextHop.counted(NAMES[program], program === 'node -e 0' ? 0 : 1, () =>
    timeProcess(command, args, message),
  );
}

async function provePipe(stand: Stand, program: PipeProgram): Promise<void> {
  const { command, args } = callOf(stand, program);
  const sent = letter(RECIPIENTS.rsa, BYTES);
  const expected = {
    what: NAMES[program],
    copies: 1,
    sealed: true,
    body: sent.body,
    sample: 1,
    loosely: program !== 'sealpost-pipe',
  };
  await stand.nextHop.captured(
    NAMES[program],
    1,
    () => timeProcess(command, args, asPipeGivesIt(sent)),
    (messages) => checkCaptured(messages, expected, stand.decrypt),
  );
}

let calls = 0;

function callOf(
  stand: Stand,
  program: PipeProgram,
): { readonly command: string; readonly args: readonly string[] } {
  switch (program) {
    case 'node -e 0':
      return { command: process.execPath, args: ['-e', '0'] };
    case 'mailgate':
      return stand.peers.pipe('pipe-mailgate.py', SENDER, RECIPIENTS.rsa);
    case 'bare':
      return stand.peers.pipe('pipe-gpg.py', SENDER, RECIPIENTS.rsa);
    case 'sealpost-pipe': {
      calls += 1;
      const { configPath } = stand.sealpost;
      const args = ['--config', configPath, '--queue-id', `B${process.pid}N${calls}`, '-f', SENDER];
      return { command: stand.pipe, args: [...args, '--', RECIPIENTS.rsa] };
    }
  }
}

async function timeProcess(command: string, args: readonly string[], stdin: Buffer): Promise<number> {
  const started = performance.now();
  const code = await new Promise<number | null>((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'ignore', 'inherit'] });
    child.on('error', reject);
    child.on('exit', resolve);
    child.stdin.on('error', () => undefined);
    child.stdin.end(stdin);
  });
  if (code !== 0) throw new Error(`${command} ended with ${code}`);
  return performance.now() - started;
}
