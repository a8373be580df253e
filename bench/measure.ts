// One measurement each: a burst through a proxy, one call of a pipe filter, a greeting.
import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { mustRun } from '../test/e2e/support/child.ts';
import type { PipeProgram, Stand } from './stand.ts';

export interface ProxyFigure {
  readonly perSecond: number;
}

export interface PipeFigure {
  readonly ms: number;
}

/** What a burst goes through; the SMTP ones without connection reuse, as the issue of the benchmark says. */
export type Target = 'sealpost' | 'sealpost-lmtp' | 'lacre-like' | 'overlapping-python' | 'direct';

const SESSIONS = 8;
const MESSAGE_BYTES = 4096;

/**
 * Sends `count` messages of 4 KB with smtp-source and waits until the last one was answered.
 * @throws Error when not every message arrived at the next hop
 */
export async function measureProxy(
  stand: Stand,
  target: Target,
  count: number,
  recipient: string = stand.recipient,
): Promise<ProxyFigure> {
  const before = await stand.arrived();
  const reuse = target === 'sealpost-lmtp' || target === 'direct';
  const started = process.hrtime.bigint();
  await mustRun(
    'smtp-source',
    [
      ...(target === 'sealpost-lmtp' ? ['-L'] : []),
      ...(reuse ? ['-d'] : []),
      '-s',
      String(SESSIONS),
      '-m',
      String(count),
      '-l',
      String(MESSAGE_BYTES),
      '-f',
      'carol@example.net',
      '-t',
      recipient,
      `127.0.0.1:${stand.ports[target]}`,
    ],
    { timeout: 300_000 },
  );
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  const arrived = (await stand.arrived()) - before;
  if (arrived !== count) throw new Error(`${target}: ${count} messages were sent, ${arrived} arrived`);
  return { perSecond: count / seconds };
}

let calls = 0;

/** One whole process from its start to its exit, with one message of 4 KB. */
export async function measurePipe(stand: Stand, program: PipeProgram): Promise<PipeFigure> {
  const { command, args } = stand.pipes[program];
  calls += 1;
  const before = await stand.arrived();
  const started = process.hrtime.bigint();
  const code = await new Promise<number | null>((resolve, reject) => {
    // Each call is a message of its own: the same queue ID and content would be recognised as a retry.
    const own = args.map((argument) => (argument === 'BENCH' ? `BENCH${process.pid}N${calls}` : argument));
    const child = spawn(command, own, { stdio: ['pipe', 'ignore', 'inherit'] });
    child.on('error', reject);
    child.on('exit', resolve);
    child.stdin.on('error', () => undefined);
    child.stdin.end(stand.message);
  });
  const ms = Number(process.hrtime.bigint() - started) / 1e6;
  if (code !== 0) throw new Error(`${program} ended with ${code}`);
  if (program !== 'node -e 0' && (await stand.arrived()) !== before + 1)
    throw new Error(`${program}: the message did not arrive`);
  return { ms };
}

/** From the start of connect to the first byte of the greeting. */
export async function measureGreeting(
  stand: Stand,
  times: number,
): Promise<{ readonly medianMs: number; readonly slowestMs: number }> {
  const all: number[] = [];
  for (let round = 0; round < times; round += 1) {
    const started = process.hrtime.bigint();
    await new Promise<void>((resolve, reject) => {
      const socket = connect(stand.ports.sealpost, '127.0.0.1');
      socket.once('data', () => {
        all.push(Number(process.hrtime.bigint() - started) / 1e6);
        socket.end('QUIT\r\n');
      });
      socket.once('close', () => resolve());
      socket.once('error', reject);
    });
  }
  all.sort((a, b) => a - b);
  return { medianMs: all[Math.floor(all.length / 2)] ?? Number.NaN, slowestMs: all.at(-1) ?? Number.NaN };
}
