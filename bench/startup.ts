// What a restart costs: from the start of serve to its first greeting, and whether the first message is as fast as the
// hundredth. And the greeting of a running one.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { sealpostCommand } from '../test/support/sealpost-process.ts';
import { letter } from './letter.ts';
import type { PartOptions, PartResult } from './rows.ts';
import { openSession } from './session.ts';
import { DOMAIN, RECIPIENTS, SENDER, type Stand, theStand, USERS } from './stand.ts';
import { median, percentile } from './statistics.ts';

const LETTERS = 110;
/** The first message comes to a process that waits; after so long a pause (ms) so does a later one. */
const PAUSE_MS = 100;
/** From this one on each has such a pause before it. */
const PAUSED_FROM = 90;
/** A process that nobody has sent anything for so long after its start (ms) has warmed up by itself. */
const SETTLED_MS = 3000;
/** Users whose keys nobody has asked for: so late in the directory that a start has not come to them when the first mail comes. */
const UNSEEN = Array.from({ length: 20 }, (_, index) => `colleague${index + 160}@${DOMAIN}`);

const toOne = (recipient: string): string[] => Array.from({ length: LETTERS }, () => recipient);
/** One of the newest users, with a Curve25519 key, as all of them. */
const NEWEST = `colleague${USERS - 12}@${DOMAIN}`;

export async function greetingPart(options: PartOptions): Promise<PartResult> {
  const stand = await theStand(options);
  const times: number[] = [];
  for (let round = 0; round < 100; round += 1) times.push((await greeting(stand.ports.smtp)) ?? Number.NaN);
  if (times.some(Number.isNaN)) throw new Error('a connection got no greeting');
  return {
    rows: [
      {
        work: 'from connect to the greeting, SMTP, 100 connections one after the other',
        figures: { 'p50 ms': median(times), 'p99 ms': percentile(times, 0.99) },
      },
    ],
    findings: [
      {
        what: 'greeting, median',
        measured: median(times),
        unit: 'ms',
        target: { is: 'below', value: 10 },
      },
    ],
  };
}

export async function startupPart(options: PartOptions): Promise<PartResult> {
  const stand = await theStand(options);
  const { progress, quick } = options;
  const starts: number[] = [];
  const oldest: (readonly number[])[] = [];
  const newest: (readonly number[])[] = [];
  const settled: (readonly number[])[] = [];
  const rounds = quick ? 2 : 5;
  for (let round = 1; round <= rounds; round += 1) {
    progress(`start ${round} of ${rounds}`);
    await stand.sealpost.stop();
    const deliver = (pause: number, recipients: readonly string[]) =>
      deliverAfterStart(stand, options.serveArguments, pause, recipients);
    const { ms, times } = await deliver(0, [...toOne(RECIPIENTS.rsa), ...UNSEEN]);
    starts.push(ms);
    oldest.push(times);
    newest.push((await deliver(0, [NEWEST])).times);
    settled.push((await deliver(SETTLED_MS, toOne(NEWEST))).times);
    await stand.sealpost.start();
  }
  const first = (latencies: readonly (readonly number[])[]): number =>
    median(latencies.flatMap((each) => each.slice(0, 1)));
  // A single message is a matter of luck: the hundredth and its neighbours.
  const hundredth = (latencies: readonly (readonly number[])[]): number =>
    median(latencies.flatMap((each) => each.slice(PAUSED_FROM, LETTERS)));
  const inARow = median(oldest.flatMap((each) => each.slice(70, PAUSED_FROM)));
  const unseen = median(oldest.flatMap((each) => each.slice(LETTERS)));
  const row = (work: string, ms: number) => ({ work, figures: { ms } });
  const afterPause = `hundredth message, ${PAUSE_MS} ms after the one before (median of the 91st to the 110th)`;
  const later = `${SETTLED_MS / 1000} s after the start`;
  return {
    rows: [
      row('serve: from its start to the first greeting, PostgreSQL', median(starts)),
      row('first message at once, 4 KB, LMTP, to one of the oldest users, RSA 3072', first(oldest)),
      row(`${afterPause}, to the same user`, hundredth(oldest)),
      row('in a row, without a pause (median of the 71st to the 90th)', inARow),
      row('after these, the first message to each of twenty of the newest users, Curve25519', unseen),
      row('first message at once, to one of the newest users, Curve25519', first(newest)),
      row(`first message ${later}, to one of the newest users`, first(settled)),
      row(`${afterPause}, to the same user`, hundredth(settled)),
    ],
    findings: [
      {
        what: 'start-up of serve until the greeting, PostgreSQL',
        measured: median(starts) / 1000,
        unit: 's',
        target: { is: 'below', value: 1 },
      },
      {
        what: 'first message at once after a start, its key read by then: its time over that of the hundredth',
        measured: first(oldest) / hundredth(oldest),
      },
      {
        what: 'first message at once after a start, its key not read by then: its time over that of a later one of this kind',
        measured: first(newest) / unseen,
      },
      {
        what: `first message ${later}, to any user: its time over that of the hundredth`,
        measured: first(settled) / hundredth(settled),
      },
    ],
  };
}

/** Starts serve, waits so long (ms), delivers, and stops it. */
async function deliverAfterStart(
  stand: Stand,
  serveArguments: readonly string[],
  pause: number,
  recipients: readonly string[],
): Promise<{ readonly ms: number; readonly times: readonly number[] }> {
  const serve = await startTimed(stand, serveArguments);
  try {
    await sleep(pause);
    return { ms: serve.ms, times: await deliverOneByOne(stand, recipients) };
  } finally {
    await serve.stop();
  }
}

/** Milliseconds from connect to the first byte; null when nobody listens. */
async function greeting(port: number): Promise<number | null> {
  const started = performance.now();
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'data');
    return performance.now() - started;
  } catch {
    return null;
  } finally {
    socket.end('QUIT\r\n');
  }
}

/** Starts serve, and asks for its greeting all the time. */
async function startTimed(
  stand: Stand,
  serveArguments: readonly string[],
): Promise<{ readonly ms: number; stop(): Promise<void> }> {
  const { program, args } = sealpostCommand();
  const started = performance.now();
  const child = spawn(program, [...args, 'serve', ...serveArguments, '--config', stand.sealpost.configPath], {
    stdio: 'ignore',
  });
  const ended = once(child, 'exit');
  while ((await greeting(stand.ports.lmtp)) === null) {
    if (child.exitCode !== null) throw new Error(`sealpost serve ended with ${child.exitCode}`);
    await sleep(5);
  }
  const ms = performance.now() - started;
  return {
    ms,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

/** One session, one message after the other; milliseconds of each. */
async function deliverOneByOne(stand: Stand, recipients: readonly string[]): Promise<number[]> {
  return stand.nextHop.counted('messages after a start', recipients.length, async () => {
    const session = await openSession(stand.ports.lmtp, 'lmtp');
    const times: number[] = [];
    for (const [index, recipient] of recipients.entries()) {
      if (index >= PAUSED_FROM) await sleep(PAUSE_MS);
      const { ms, putOff } = await session.deliver({
        sender: SENDER,
        recipients: [recipient],
        letter: letter(recipient, 4096),
      });
      if (putOff) throw new Error('a message was put off');
      times.push(ms);
    }
    await session.quit();
    return times;
  });
}
