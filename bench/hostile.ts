// Hostile letters through the filter, one process for each: how long does one of them hold up all other mail, how much memory does it
// take, and how large does it become?
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createLogger } from '../src/observe/log.ts';
import { dotStuffed } from '../src/smtp/dot-stuff.ts';
import { createBudget } from '../src/smtp/server/budget.ts';
import { type FilterListenerHandle, startListener } from '../src/smtp/server/listener.ts';
import { freePorts, repository } from '../test/support/places.ts';
import type { Bomb } from './hostile/bomb.ts';
import { BOMBS } from './hostile/bombs.ts';
import type { Measured, Told } from './hostile/child.ts';
import type { Measurement } from './hostile/measure-one.ts';
import { DOMAIN, stageConfig } from './hostile/stage.ts';
import { letter } from './letter.ts';
import type { Finding, PartOptions, PartResult, Row } from './rows.ts';
import { openSession } from './session.ts';

/** Below filter.max_message_size as it is by default, however it is counted. */
const FULL_BYTES = 45e6;
const QUICK_BYTES = 4e6;
/** Below this size what every sealed message has around it counts for more than what a letter makes of itself. */
const GROWTH_COUNTS_FROM = 64 * 1024;
/** Letters of every day first: a process that has just begun compiles what it runs. */
const WARM_UP = 20;

const SENDER = 'carol@example.net';

const BLOCK = { is: 'below', value: 50 } as const;
const GROWTH = { is: 'below', value: 1.5 } as const;

interface Exploded {
  readonly bomb: Bomb;
  readonly bytes: number;
  readonly blockMs: number;
  readonly memoryMegabytes: number;
  /** Of the largest copy, over what came in. */
  readonly growth: number;
  readonly seconds: number;
}

export async function hostilePart(options: PartOptions): Promise<PartResult> {
  const [listenAt = 0, sinkAt = 0] = await freePorts(2);
  const sink = await openSink(sinkAt);
  const exploded: Exploded[] = [];
  try {
    for (const [index, bomb] of BOMBS.entries()) {
      const found = await explode(index, bomb, options.quick ? QUICK_BYTES : FULL_BYTES, listenAt, sink);
      options.progress(
        `${bomb.name}: ${found.blockMs.toFixed(1)} ms, ${found.memoryMegabytes.toFixed(0)} MB, ${found.growth.toFixed(2)} times`,
      );
      exploded.push(found);
    }
  } finally {
    await sink.listener.close({ graceMs: 0 });
  }
  const uploads = await measuredIn('upload-child.ts');
  const requests = await measuredIn('request-child.ts');
  for (const { name, blockMs } of [...uploads, ...requests])
    options.progress(`${name}: ${blockMs.toFixed(1)} ms`);
  return {
    rows: [...exploded.map(rowOf), ...[...uploads, ...requests].map(rowOfOther)],
    findings: findingsOf(exploded, uploads, requests),
    notes: NOTES,
  };
}

/** What is no letter, in a process of its own. @param file beside the others of this benchmark */
async function measuredIn(file: string): Promise<readonly Measurement[]> {
  const child = fork(join(repository, 'bench/hostile', file), [], {
    execArgv: ['--import', 'tsx'],
    cwd: repository,
  });
  const measured: Measurement[] = [];
  child.on('message', (one) => measured.push(one as Measurement));
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`the process of ${file} ended with ${code}`);
  return measured;
}

function rowOfOther({ name, bytes, blockMs, memoryMegabytes, seconds }: Measurement): Row {
  return {
    work: `${name}, ${Math.ceil(bytes / 1000)} KB`,
    figures: { ms: seconds * 1000, 'longest block ms': blockMs, 'peak MB': memoryMegabytes },
  };
}

interface Sink {
  readonly listener: FilterListenerHandle;
  readonly port: number;
  /** Bytes of the largest message since the last call. */
  largest(): number;
}

/** A next hop that takes everything, and keeps nothing. */
async function openSink(port: number): Promise<Sink> {
  const { filter, hostname } = stageConfig({
    max_message_size: '500MB',
    memory_budget: '2GB',
    listen: [{ protocol: 'lmtp', address: `127.0.0.1:${port}` }],
  });
  const [where] = filter.listen;
  if (where === undefined) throw new Error('the sink has no listener');
  let largest = 0;
  const listener = await startListener({
    listener: where,
    config: filter,
    hostname,
    logger: createLogger({ level: 'error' }),
    admission: createBudget(filter.memory_budget),
    deliver: async ({ message, envelope }) => {
      largest = Math.max(largest, message.length);
      return envelope.recipients.map(() => ({ code: 250, enhanced: '2.0.0', text: 'taken' }));
    },
    acknowledged: () => undefined,
    lost: () => undefined,
  });
  return {
    listener,
    port,
    largest() {
      const found = largest;
      largest = 0;
      return found;
    },
  };
}

async function explode(
  index: number,
  bomb: Bomb,
  most: number,
  listenAt: number,
  sink: Sink,
): Promise<Exploded> {
  const message = bomb.letter(most);
  const child = fork(
    join(repository, 'bench/hostile/child.ts'),
    [String(index), String(listenAt), String(sink.port)],
    { execArgv: ['--import', 'tsx'], cwd: repository },
  );
  try {
    await told(child);
    const session = await openSession(listenAt, 'lmtp', 300_000);
    for (let count = 0; count < WARM_UP; count += 1) {
      const { putOff } = await session.deliver({
        sender: SENDER,
        recipients: [`user@${DOMAIN}`],
        letter: letter(`user@${DOMAIN}`, count % 4 === 0 ? 2 ** 21 : 2 ** 12),
      });
      if (putOff) throw new Error('an ordinary letter was put off');
    }
    tell(child, 'measure');
    await told(child);
    sink.largest();
    const started = performance.now();
    const taken = await session.deliver({
      sender: bomb.sender ?? SENDER,
      recipients: Array.from(
        { length: bomb.recipients ?? 1 },
        (_, at) => `${bomb.local?.(at) ?? `user+${at}`}@${DOMAIN}`,
      ),
      letter: { header: Buffer.concat([...dotStuffed([message])]), body: Buffer.from(endOf(message)) },
    });
    if (taken.putOff) throw new Error(`the letter of ${bomb.name} was put off`);
    tell(child, 'over');
    const measured = await told(child);
    if (typeof measured === 'string') throw new Error('the process has measured nothing');
    await session.quit();
    return {
      bomb,
      bytes: message.length,
      ...measured,
      growth: message.length < GROWTH_COUNTS_FROM ? 1 : sink.largest() / sizeAsCounted(message),
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    child.kill();
  }
}

/** As filter.max_message_size counts it: every line ends in CRLF. */
function sizeAsCounted(message: Buffer): number {
  let bare = 0;
  for (let at = 0; at < message.length; at += 1) {
    if (message[at] === 0x0a && message[at - 1] !== 0x0d) bare += 1;
    if (message[at] === 0x0d && message[at + 1] !== 0x0a) bare += 1;
  }
  return message.length + bare;
}

function endOf(message: Buffer): string {
  return message.toString('latin1', message.length - 2) === '\r\n' ? '' : '\r\n';
}

function tell(child: ChildProcess, what: Told): void {
  child.send(what);
}

/** What the child says next. @throws Error where it ends instead */
async function told(child: ChildProcess): Promise<Measured> {
  const ended = new AbortController();
  try {
    const [said] = (await Promise.race([
      once(child, 'message', { signal: ended.signal }),
      once(child, 'exit', { signal: ended.signal }).then(([code]) => {
        throw new Error(`the process of a hostile letter ended with ${code}`);
      }),
    ])) as [Measured];
    return said;
  } finally {
    ended.abort();
  }
}

function rowOf({ bomb, bytes, blockMs, memoryMegabytes, growth, seconds }: Exploded): Row {
  return {
    work: `${bomb.name}, ${Math.ceil(bytes / 1000)} KB`,
    figures: { ms: seconds * 1000, 'longest block ms': blockMs, 'peak MB': memoryMegabytes, growth },
  };
}

function findingsOf(
  exploded: readonly Exploded[],
  uploads: readonly Measurement[],
  requests: readonly Measurement[],
): Finding[] {
  const worst = (figure: (one: Exploded) => number): number => Math.max(...exploded.map(figure));
  const longest = (measured: readonly Measurement[]): number =>
    Math.max(...measured.map(({ blockMs }) => blockMs));
  return [
    {
      what: 'hostile mail: the longest block of the event loop',
      measured: worst(({ blockMs }) => blockMs),
      unit: 'ms',
      target: BLOCK,
    },
    {
      what: 'hostile mail: the largest copy over what came in',
      measured: worst(({ growth }) => growth),
      target: GROWTH,
    },
    {
      what: 'hostile keys and certificates: the longest block of the event loop',
      measured: longest(uploads),
      unit: 'ms',
      target: BLOCK,
    },
    {
      what: 'hostile lookups: the longest block of the event loop',
      measured: longest(requests),
      unit: 'ms',
      target: BLOCK,
    },
  ];
}

const NOTES = [
  'Each letter goes by LMTP through a process of its own with the filter in it, whose directory is in memory: 45 MB of it, or as much as ' +
    'one field may have. "Longest block" is the longest turn of the event loop by the processor time of its thread, so that what else ' +
    'the machine does, or sealing in other threads, does not count. "Peak MB" is how far resident memory rose above what it was before ' +
    `the letter. "Growth" is the largest copy over the letter, of letters above ${GROWTH_COUNTS_FROM / 1024} KB. Keys and certificates ` +
    'are read one after the other in one process, as key import and the portal do; they are 256 KB at most. Lookups go to the ' +
    'daemons by TCP, 128 KB of requests in one go; their database is in memory, and knows nobody.',
];
