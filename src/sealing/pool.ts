// Where sealing runs. Small messages in this thread: OpenPGP.js hands their public-key operations to libuv's threads anyway,
// and 4 KB cost 0.3 to 0.5 ms here against 0.6 ms and twice the processor time in a worker (measured on two cores). Large
// ones in worker threads, where 10 MB cost 60 to 80 ms that this thread spends on other mail.
import { availableParallelism } from 'node:os';
import Tinypool from 'tinypool';
import { detectEncrypted } from '../message/detect.ts';
import type { Detection } from '../message/detection.ts';
import { armoredSize } from '../openpgp/armor.ts';
import type { Certificates } from '../openpgp/certificates.ts';
import { engineCertificates, IN_PIECES_BYTES } from '../openpgp/engine.ts';
import { startFeeding } from '../openpgp/feed.ts';
import { sealedSize } from '../openpgp/pieces.ts';
import {
  type AnyEncryptionJob,
  type Plaintext,
  plaintextSize,
  type Seal,
  type SealingJob,
} from '../openpgp/types.ts';
import { copyInSteps } from '../pacing/in-steps.ts';
import { createSealingEngine } from './engine.ts';
import { sealInline } from './seal-inline.ts';
import type { SealOptions } from './seal-options.ts';
import { createSharedMemory, WORTH_SHARING } from './shared-memory.ts';

export interface SealerOptions {
  /** Worker threads for large jobs; default: one per core, at most 4. 0: everything in this thread. */
  readonly workers?: number;
  /** Jobs up to this size (bytes) run in this thread. Default 32 KiB. */
  readonly inlineBytes?: number;
  /** Milliseconds that one job in a worker may take, waiting included. Default 120,000. */
  readonly deadline?: number;
  /** Another file for the worker threads, exporting `encrypt`; for tests. */
  readonly workerFile?: URL;
}

export interface Sealer {
  readonly encrypt: Seal;
  /** Whether a message is encrypted already; rejects as `encrypt` does. Large ones are read in a worker. */
  readonly detect: (message: Buffer) => Promise<Detection>;
  /** Seals a message in the inline style, as sealInline does; rejects as `encrypt` does. Large ones are taken apart in a worker. */
  readonly sealInline: (message: Buffer, options: SealOptions) => Promise<Buffer | null>;
  /** What small messages are sealed with, in this thread: who has inspected a certificate may give it, and spare a second parsing. */
  readonly certificates: Certificates;
  /**
   * Nobody reads these bytes of `encrypt` any more: their memory, if it was lent, is used for another message. Never call it while
   * they may still be on their way. Whatever else is given is left alone.
   */
  giveBack(sealed: Uint8Array): void;
  /** Takes no more jobs, waits for those under way, and stops the threads. */
  close(): Promise<void>;
}

const MOST_WORKERS = 4;
const INLINE_BYTES = 32 * 1024;
/** To read a message of this size takes some milliseconds at the worst, whatever is in it. */
const READ_HERE_BYTES = 128 * 1024;
/** Each key costs about as much as 64 KB of data. */
const INLINE_KEYS = 4;
const DEADLINE_MS = 120_000;
/** As many large messages as are sealed and sent at once (src/delivery/deliver.ts), of 50 MB, as they are and armored. */
const PLAINTEXTS_KEPT = { count: 3, bytesEach: 56 * 2 ** 20 };
const ARMOR_KEPT = { count: 3, bytesEach: 72 * 2 ** 20 };
/** Session key packets and armor headers, in bytes. */
const HEADERS = 64 * 1024;

/**
 * Makes a sealer. Its `encrypt` rejects with an Error when a job fails, takes too long, or its worker dies; the caller
 * answers that with a temporary failure. There is no limit on waiting jobs: the caller has a memory budget.
 */
export function createSealer(options: SealerOptions = {}): Sealer {
  const workers = options.workers ?? Math.min(availableParallelism(), MOST_WORKERS);
  const inlineBytes = options.inlineBytes ?? INLINE_BYTES;
  const deadline = options.deadline ?? DEADLINE_MS;
  const certificates = engineCertificates();
  const inline = createSealingEngine(certificates);
  // Apart from one another: where plaintext was is never given out as ciphertext.
  const plaintexts = createSharedMemory(PLAINTEXTS_KEPT);
  const armor = createSharedMemory(ARMOR_KEPT);
  const underWay = new Set<Promise<unknown>>();
  let pool: Tinypool | undefined;
  let closed = false;

  async function inWorker(job: SealingJob): Promise<Uint8Array> {
    pool ??= startPool(workers, options.workerFile ?? workerFile());
    const keys = job.keys.map((key) => ({ ...key, certificate: new Uint8Array(key.certificate) }));
    const signal = AbortSignal.timeout(deadline);
    try {
      const { plaintext: given } = job;
      const inMemory = 'fd' in given || 'port' in given ? null : given;
      if (inMemory !== null && job.format !== 'cms') {
        const size = plaintextSize(inMemory);
        if (job.format === 'armor' && job.lent === true && size >= WORTH_SHARING)
          return await inSharedMemory(pool, { ...job, keys }, inMemory, signal);
        if (size > IN_PIECES_BYTES) return await fed(pool, { ...job, keys }, inMemory, signal);
      }
      const transferList: ArrayBuffer[] = [];
      const plaintext = movable(job.plaintext, transferList);
      return await pool.run({ ...job, keys, plaintext }, { transferList, signal });
    } catch (error) {
      if (signal.aborted) throw new Error(`sealing took longer than ${deadline / 1000} s`);
      throw error;
    }
  }

  /** Whatever rejects, or does not end in time, keeps its memory: a thread may still be at work on it. */
  async function inSharedMemory(
    threads: Tinypool,
    job: AnyEncryptionJob,
    content: Plaintext,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const size = plaintextSize(content);
    const plaintext = new Uint8Array(plaintexts.take(size), 0, size);
    await copyInSteps(content instanceof Uint8Array ? [content] : content, plaintext);
    const into = armor.take(armoredSize(sealedSize(size) + HEADERS));
    const sealed: Uint8Array = await threads.run({ ...job, plaintext, into }, { signal });
    plaintexts.giveBack(plaintext.buffer);
    // Each thread has an object of its own for the memory that they share; the one that was taken is to come back.
    if (sealed.buffer instanceof SharedArrayBuffer) return Buffer.from(into, 0, sealed.length);
    armor.giveBack(into);
    return sealed;
  }

  /** What reads a large message whole is done by a worker: there it holds up nobody. */
  async function read<Result>(
    name: 'detect' | 'inline',
    message: Buffer,
    more: object = {},
  ): Promise<Result> {
    if (closed) throw new Error('the sealer has been closed');
    pool ??= startPool(workers, options.workerFile ?? workerFile());
    const signal = AbortSignal.timeout(deadline);
    const shared = new Uint8Array(plaintexts.take(message.length), 0, message.length);
    await copyInSteps([message], shared);
    try {
      const result: Result = await pool.run({ message: shared, ...more }, { name, signal });
      plaintexts.giveBack(shared.buffer);
      return result;
    } catch (error) {
      if (signal.aborted) throw new Error(`a message took longer than ${deadline / 1000} s to read`);
      throw error;
    }
  }

  function counted<Result>(running: Promise<Result>): Promise<Result> {
    underWay.add(running);
    return running.finally(() => underWay.delete(running));
  }

  async function fed(
    threads: Tinypool,
    job: AnyEncryptionJob,
    content: Plaintext,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const { feed, close } = startFeeding(content);
    try {
      return await threads.run({ ...job, plaintext: feed }, { transferList: [feed.port], signal });
    } finally {
      close();
    }
  }

  async function encrypt(job: SealingJob): Promise<Uint8Array> {
    if (closed) throw new Error('the sealer has been closed');
    const small = plaintextSize(job.plaintext) <= inlineBytes && job.keys.length <= INLINE_KEYS;
    return counted(workers === 0 || small ? inline(job) : inWorker(job));
  }

  return {
    certificates,
    async detect(message) {
      if (workers === 0 || message.length <= READ_HERE_BYTES) return detectEncrypted(message);
      return counted(read<Detection>('detect', message));
    },
    async sealInline(message, sealing) {
      if (workers === 0 || message.length <= READ_HERE_BYTES) return sealInline(message, sealing, encrypt);
      const sealed = await counted(
        read<Uint8Array | 'unchanged' | null>('inline', message, { options: sealing }),
      );
      if (sealed === null) return null;
      return sealed === 'unchanged'
        ? message
        : Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
    },
    encrypt,
    giveBack: ({ buffer }) => armor.giveBack(buffer),
    async close() {
      closed = true;
      await Promise.allSettled(underWay);
      plaintexts.clear();
      armor.clear();
      await pool?.destroy();
      pool = undefined;
    },
  };
}

/**
 * The plaintext as it goes to a worker: an exact copy is moved, since the caller's buffer stays whole, and may be a view into a
 * larger one.
 */
function movable(plaintext: SealingJob['plaintext'], transferList: ArrayBuffer[]): SealingJob['plaintext'] {
  if ('fd' in plaintext || 'port' in plaintext) return plaintext;
  const moved = (part: Uint8Array): Uint8Array => {
    const copy = new Uint8Array(part);
    transferList.push(copy.buffer);
    return copy;
  };
  return plaintext instanceof Uint8Array ? moved(plaintext) : plaintext.map(moved);
}

function startPool(workers: number, file: URL): Tinypool {
  const pool = new Tinypool({
    filename: file.href,
    name: 'encrypt',
    runtime: 'worker_threads',
    // Fewer at the least than at the most, and a worker that died would not be replaced while jobs wait.
    minThreads: workers,
    maxThreads: workers,
    // A job past its deadline ends its thread, so nothing else may run in it.
    concurrentTasksPerWorker: 1,
  });
  // A thread that dies without a job is replaced by the next job; unheard, the event would end the process.
  pool.on('error', () => undefined);
  return pool;
}

/** Beside this file: worker.js in a built package; from sources, what can load worker.ts. */
function workerFile(): URL {
  return new URL(
    import.meta.url.endsWith('.ts') ? './worker-from-source.mjs' : './worker.js',
    import.meta.url,
  );
}
