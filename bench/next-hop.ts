// The next hop of everything that is measured: Postfix's smtp-sink on one port, either counting (it costs next to nothing) or
// keeping what it gets. The one takes the other's place on the same port, so that nothing has to be configured anew.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, open, readdir, readFile, rm, statfs } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitUntil } from '../test/support/child.ts';
import { endWithThisProcess } from '../test/support/leftovers.ts';

/** A message as it came in, line ends as CRLF. */
export interface Captured {
  readonly recipients: readonly string[];
  readonly bytes: number;
  /** The first 64 KB and the last 1 KB: large messages are read whole only where that is asked for. */
  readonly head: Buffer;
  readonly tail: Buffer;
  message(): Promise<Buffer>;
}

export interface NextHop {
  readonly port: number;
  /**
   * Runs `send` against the counting sink.
   * @throws Error unless exactly `expected` messages arrived
   */
  counted<T>(what: string, expected: number, send: () => Promise<T>): Promise<T>;
  /**
   * Runs `send` against the keeping sink, and gives what arrived, one message at a time, to `inspect`.
   * @throws Error unless exactly `expected` messages arrived
   */
  captured(
    what: string,
    expected: number,
    send: () => Promise<unknown>,
    inspect: (messages: AsyncIterable<Captured>) => Promise<void>,
  ): Promise<void>;
  close(): Promise<void>;
}

interface RunningSink {
  readonly child: ChildProcess;
  /** Messages that were counted so far. */
  messages(): number;
}

/** As many as Linux lets wait by default. */
const BACKLOG = '4096';
const MOST_SESSIONS = '2000';

/** Starts nothing yet: the first use does. */
export async function createNextHop(port: number): Promise<NextHop> {
  const own = await mkdtemp(join(await roomiestFolder(), 'sealpost-bench-'));
  await chmod(own, 0o755);
  endWithThisProcess(own);
  const folder = join(own, 'messages');
  let mode: 'counting' | 'keeping' | null = null;
  let sink: RunningSink | undefined;

  async function become(wanted: 'counting' | 'keeping'): Promise<RunningSink> {
    if (sink !== undefined && mode === wanted && wanted === 'counting') return sink;
    await end();
    if (wanted === 'keeping') {
      await rm(folder, { recursive: true, force: true });
      await mkdir(folder);
      await chmod(folder, 0o777);
    }
    sink = await startSink(port, wanted === 'keeping' ? ['-d', join(folder, 'message.')] : []);
    mode = wanted;
    return sink;
  }

  async function end(): Promise<void> {
    if (sink !== undefined && sink.child.exitCode === null && sink.child.signalCode === null) {
      sink.child.kill('SIGTERM');
      await once(sink.child, 'exit');
    }
    sink = undefined;
  }

  /** Waits for the counter to get there, and a little longer for one too many. */
  async function arrived(running: RunningSink, expected: number, before: number): Promise<number> {
    const deadline = Date.now() + 10_000;
    while (running.messages() - before < expected && Date.now() < deadline) await sleep(5);
    await sleep(40);
    return running.messages() - before;
  }

  return {
    port,
    async counted(what, expected, send) {
      const running = await become('counting');
      const before = running.messages();
      const result = await send();
      const count = await arrived(running, expected, before);
      if (count !== expected)
        throw new Error(`${what}: ${expected} messages were expected, ${count} arrived`);
      return result;
    },
    async captured(what, expected, send, inspect) {
      const running = await become('keeping');
      await send();
      const count = await arrived(running, expected, 0);
      if (count !== expected)
        throw new Error(`${what}: ${expected} messages were expected, ${count} arrived`);
      await end();
      await inspect(readDumps(folder));
      await rm(folder, { recursive: true, force: true });
    },
    async close() {
      await end();
      await rm(own, { recursive: true, force: true });
    },
  };
}

/** Memory where there is enough of it: a disk would be measured, too. */
async function roomiestFolder(): Promise<string> {
  const memory = await statfs('/dev/shm').catch(() => null);
  return memory !== null && memory.bavail * memory.bsize > 4 * 2 ** 30 ? '/dev/shm' : tmpdir();
}

/** smtp-sink(1) with its running counters, `sess=1 quit=1 mesg=1`; it must not run as root. */
async function startSink(port: number, more: readonly string[]): Promise<RunningSink> {
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const child = spawn(
    'smtp-sink',
    ['-c', ...user, '-m', MOST_SESSIONS, ...more, `127.0.0.1:${port}`, BACKLOG],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let messages = 0;
  let unread = '';
  child.stdout.on('data', (chunk: Buffer) => {
    const text = unread + chunk.toString('latin1');
    const counted = [...text.matchAll(/mesg=(\d+)\s/g)].at(-1)?.[1];
    if (counted !== undefined) messages = Number(counted);
    unread = text.slice(-40);
  });
  await waitForPort(port);
  return { child, messages: () => messages };
}

export function waitForPort(port: number): Promise<void> {
  return waitUntil(`a listener on port ${port}`, 15_000, async () => {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return true;
    } catch {
      return false;
    } finally {
      socket.destroy();
    }
  });
}

async function* readDumps(folder: string): AsyncIterable<Captured> {
  for (const name of await readdir(folder)) yield openDump(join(folder, name));
}

const HEAD = 65_536;
const TAIL = 1024;

/**
 * A capture file of smtp-sink: X- lines with the envelope, its own Received field, then the message with LF line ends and an
 * empty line that is not the message's.
 */
async function openDump(path: string): Promise<Captured> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const part = async (from: number, length: number): Promise<Buffer> => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, from);
      return buffer.subarray(0, bytesRead);
    };
    const start = await part(0, Math.min(size - 1, HEAD));
    const text = start.toString('latin1');
    const received = /^Received: from [^\n]*\n(?:[ \t][^\n]*\n)*/m.exec(text);
    const from = received === null ? 0 : received.index + received[0].length;
    return {
      recipients: [...text.matchAll(/^X-Rcpt-Args: <([^>]*)>/gm)].map(([, recipient = '']) => recipient),
      bytes: size - 1 - from,
      head: withCrlf(start.subarray(from)),
      tail: withCrlf(await part(Math.max(from, size - 1 - TAIL), Math.min(TAIL, size - 1 - from))),
      message: async () => withCrlf((await readFile(path)).subarray(from, -1)),
    };
  } finally {
    await file.close();
  }
}

function withCrlf(bytes: Buffer): Buffer {
  let lines = 0;
  for (const byte of bytes) if (byte === LF) lines += 1;
  const result = Buffer.alloc(bytes.length + lines);
  let to = 0;
  for (const byte of bytes) {
    if (byte === LF) result[to++] = CR;
    result[to++] = byte;
  }
  return result;
}

const CR = 0x0d;
const LF = 0x0a;
