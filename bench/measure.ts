// One load through one program: how fast it was, what it cost, and the proof that the messages came out as they should.
import { setTimeout as sleep } from 'node:timers/promises';
import { splitMessage } from '../test/support/unseal.ts';
import { burst, describeLoad, type Load } from './burst.ts';
import { checkCaptured } from './captured.ts';
import { letter } from './letter.ts';
import { PROXIES, type ProxyPeer } from './peers.ts';
import { resetTreePeak, treeCpuSeconds, treePeakMegabytes } from './process-tree.ts';
import type { Row } from './rows.ts';
import { eventLoopDelay, type Scrape, scrape, sealedCopies } from './scrape.ts';
import { openSession, type Session } from './session.ts';
import { SENDER, type Stand } from './stand.ts';
import { percentile } from './statistics.ts';

/** What a load goes through: sealpost, a peer, or nothing at all. */
export type Through = 'sealpost' | 'direct' | ProxyPeer;

export interface Speed {
  readonly seconds: number;
  readonly count: number;
  /** Of the program's processes; absent where there is no program. */
  readonly cpuSeconds?: number;
  readonly peakMegabytes?: number;
  /** Of sealpost's event loop during the burst, p99. */
  readonly eventLoopMilliseconds?: number;
}

export const perSecond = ({ count, seconds }: Speed): number => count / seconds;

export const megabytesPerSecond = (speed: Speed, load: Load): number => (perSecond(speed) * load.bytes) / 1e6;

export function describeThrough(through: Through): string {
  if (through === 'sealpost') return 'sealpost';
  return through === 'direct' ? 'smtp-source into smtp-sink' : PROXIES[through].name;
}

/** The figures of a row. */
export function figuresOf(speed: Speed, load: Load): Row['figures'] {
  return {
    'messages/s': perSecond(speed),
    'MB/s': megabytesPerSecond(speed, load),
    ...(speed.cpuSeconds === undefined ? {} : { 'CPU ms/message': (speed.cpuSeconds / speed.count) * 1000 }),
    ...(speed.peakMegabytes === undefined ? {} : { 'peak MB': speed.peakMegabytes }),
    ...(speed.eventLoopMilliseconds === undefined
      ? {}
      : { 'event loop p99 ms': speed.eventLoopMilliseconds }),
  };
}

async function programOf(
  stand: Stand,
  through: Through,
  protocol: Load['protocol'],
): Promise<{ readonly port: number; readonly pid?: number }> {
  if (through === 'direct') return { port: stand.nextHop.port };
  if (through !== 'sealpost') return stand.peers.proxy(through);
  const pid = stand.sealpost.pid();
  if (pid === undefined) throw new Error('sealpost serve has ended');
  return { port: stand.ports[protocol], pid };
}

/** What leaves the program: a copy for each recipient with a key, or the one message. */
function transactions(through: Through, load: Load, count: number): number {
  return load.sealed && through !== 'direct' ? count * load.recipients : count;
}

/**
 * Sends `count` messages through a program, and measures it.
 * @throws Error when the next hop counted more or fewer, or sealpost sealed more or fewer
 */
export async function measureBurst(
  stand: Stand,
  through: Through,
  load: Load,
  count: number,
): Promise<Speed> {
  const what = `${describeThrough(through)}, ${describeLoad(load)}`;
  const { port, pid } = await programOf(stand, through, load.protocol);
  const before = through === 'sealpost' ? await scrape(stand.ports.observe) : undefined;
  if (pid !== undefined) resetTreePeak(pid);
  const cpuBefore = pid === undefined ? 0 : treeCpuSeconds(pid);
  const seconds = await stand.nextHop.counted(what, transactions(through, load, count), () =>
    burst(port, load, count),
  );
  if (pid === undefined) return { seconds, count };
  const cost = { cpuSeconds: treeCpuSeconds(pid) - cpuBefore, peakMegabytes: treePeakMegabytes(pid) };
  if (before === undefined) return { seconds, count, ...cost };
  // Exactly two scrapes: each one makes the event loop's histogram begin anew.
  const after = await scrape(stand.ports.observe);
  const eventLoopMilliseconds = eventLoopDelay(after);
  await expectSealed(stand, what, sealedCopies(before) + (load.sealed ? count * load.recipients : 0), after);
  return { seconds, count, ...cost, eventLoopMilliseconds };
}

/** The metrics of several processes may be gathered a moment later. */
async function expectSealed(stand: Stand, what: string, expected: number, first: Scrape): Promise<void> {
  let sealed = sealedCopies(first);
  for (let attempt = 0; sealed !== expected && attempt < 20; attempt += 1) {
    await sleep(100);
    sealed = sealedCopies(await scrape(stand.ports.observe));
  }
  if (sealed !== expected)
    throw new Error(`${what}: sealpost has counted ${sealed} sealed copies, ${expected} were expected`);
}

const references = new Map<number, Buffer>();

/** The body that smtp-source sends for a size, as the next hop sees it. */
async function reference(stand: Stand, load: Load): Promise<Buffer> {
  const known = references.get(load.bytes);
  if (known !== undefined) return known;
  const plain: Load = { ...load, protocol: 'smtp', sessions: 1, recipients: 1, numbered: false };
  let body = Buffer.alloc(0);
  const send = () => burst(stand.nextHop.port, plain, 1);
  await stand.nextHop.captured('smtp-source', 1, send, async (messages) => {
    for await (const { message } of messages) body = Buffer.from(splitMessage(await message()).body);
  });
  if (body.length < load.bytes)
    throw new Error(`smtp-source sent ${body.length} bytes, ${load.bytes} were wanted`);
  references.set(load.bytes, body);
  return body;
}

/**
 * The same load, `count` messages, into a next hop that keeps them.
 * @throws Error when one is missing, doubled, sealed or unsealed against expectation, or does not open to what was sent
 */
export async function proveLoad(stand: Stand, through: Through, load: Load, count: number): Promise<void> {
  const what = `${describeThrough(through)}, ${describeLoad(load)}`;
  const { port } = await programOf(stand, through, load.protocol);
  const body = await reference(stand, load);
  const expected = { what, copies: count * load.recipients, sealed: load.sealed, body, sample: 2 };
  await stand.nextHop.captured(
    what,
    transactions(through, load, count),
    () => burst(port, load, count),
    (messages) => checkCaptured(messages, { ...expected, loosely: through !== 'sealpost' }, stand.decrypt),
  );
}

/** Latency of each of `count` messages, from our own client with as many sessions, without pause. Milliseconds. */
export async function measureLatency(
  stand: Stand,
  through: Through,
  load: Load,
  count: number,
): Promise<{ readonly 'p50 ms': number; readonly 'p99 ms': number }> {
  const { port } = await programOf(stand, through, load.protocol);
  const what = `${describeThrough(through)}, latency, ${describeLoad(load)}`;
  const times: number[] = [];
  let left = count;
  const worker = async (): Promise<void> => {
    let session: Session | undefined;
    while (left > 0) {
      left -= 1;
      const started = performance.now();
      session ??= await openSession(port, load.protocol);
      const { putOff } = await session.deliver({
        sender: SENDER,
        recipients: recipientsOf(load),
        letter: letter(load.recipient, load.bytes),
      });
      if (putOff) throw new Error(`${what}: a message was put off`);
      times.push(performance.now() - started);
      if (load.reuse) continue;
      await session.quit();
      session = undefined;
    }
    await session?.quit();
  };
  await stand.nextHop.counted(what, transactions(through, load, count), () =>
    Promise.all(Array.from({ length: Math.min(load.sessions, count) }, worker)),
  );
  return { 'p50 ms': percentile(times, 0.5), 'p99 ms': percentile(times, 0.99) };
}

/** As smtp-source names them. */
function recipientsOf({ recipient, recipients }: Load): string[] {
  return Array.from({ length: recipients }, (_, index) =>
    index === 0 ? recipient : `${index + 1}${recipient}`,
  );
}
