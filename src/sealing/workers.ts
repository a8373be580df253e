// The worker threads that seal and read large messages, and the memory that is lent to them.
import Tinypool from 'tinypool';
import { armoredSize } from '../openpgp/armor.ts';
import { IN_PIECES_BYTES } from '../openpgp/engine.ts';
import { startFeeding } from '../openpgp/feed.ts';
import { sealedSize } from '../openpgp/pieces.ts';
import { type AnyEncryptionJob, type Plaintext, plaintextSize, type SealingJob } from '../openpgp/types.ts';
import { copyInSteps } from '../pacing/in-steps.ts';
import { createSharedMemory, type SharedMemory, WORTH_SHARING } from './shared-memory.ts';

export interface WorkersOptions {
  /** How many threads. */
  readonly count: number;
  /** Milliseconds that one job may take, waiting included. */
  readonly deadline: number;
  /** What the threads run; default: worker.ts. */
  readonly file: URL | undefined;
}

/** The threads; none is started before the first job. */
export interface Workers {
  /** Seals in a thread. @throws Error when the job fails or takes too long, or its thread dies */
  seal(job: SealingJob): Promise<Uint8Array>;
  /** Has a message read whole in a thread, where that holds up nobody. @throws as `seal` does */
  read<Result>(name: 'detect' | 'inline', message: Buffer, more?: object): Promise<Result>;
  /** Memory that {@link Workers.seal} lent, and that nobody reads any more. */
  giveBack(memory: ArrayBufferLike): void;
  /** Stops the threads, whatever they do. */
  close(): Promise<void>;
}

/** As many large messages as are sealed and sent at once (src/delivery/deliver.ts), of 50 MB, as they are and armored. */
const PLAINTEXTS_KEPT = { count: 3, bytesEach: 56 * 2 ** 20 };
const ARMOR_KEPT = { count: 3, bytesEach: 72 * 2 ** 20 };
/** Session key packets and armor headers, in bytes. */
const HEADERS = 64 * 1024;

/** What the jobs share. */
interface State {
  readonly options: WorkersOptions;
  // Apart from one another: where plaintext was is never given out as ciphertext.
  readonly plaintexts: SharedMemory;
  readonly armor: SharedMemory;
  pool: Tinypool | undefined;
}

export function createWorkers(options: WorkersOptions): Workers {
  const state: State = {
    options,
    plaintexts: createSharedMemory(PLAINTEXTS_KEPT),
    armor: createSharedMemory(ARMOR_KEPT),
    pool: undefined,
  };
  return {
    seal: (job) => seal(state, job),
    read: (name, message, more = {}) => read(state, name, message, more),
    giveBack: (memory) => state.armor.giveBack(memory),
    async close() {
      state.plaintexts.clear();
      state.armor.clear();
      await state.pool?.destroy();
      state.pool = undefined;
    },
  };
}

async function seal(state: State, job: SealingJob): Promise<Uint8Array> {
  const pool = poolOf(state);
  const keys = job.keys.map((key) => ({ ...key, certificate: new Uint8Array(key.certificate) }));
  const { deadline } = state.options;
  const signal = AbortSignal.timeout(deadline);
  try {
    const { plaintext: given } = job;
    const inMemory = 'fd' in given || 'port' in given ? null : given;
    if (inMemory !== null && job.format !== 'cms') {
      const size = plaintextSize(inMemory);
      if (job.format === 'armor' && job.lent === true && size >= WORTH_SHARING)
        return await inSharedMemory(state, { ...job, keys }, inMemory, signal);
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
  state: State,
  job: AnyEncryptionJob,
  content: Plaintext,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { plaintexts, armor } = state;
  const size = plaintextSize(content);
  const plaintext = new Uint8Array(plaintexts.take(size), 0, size);
  await copyInSteps(content instanceof Uint8Array ? [content] : content, plaintext);
  const into = armor.take(armoredSize(sealedSize(size) + HEADERS));
  const sealed: Uint8Array = await poolOf(state).run({ ...job, plaintext, into }, { signal });
  plaintexts.giveBack(plaintext.buffer);
  // Each thread has an object of its own for the memory that they share; the one that was taken is to come back.
  if (sealed.buffer instanceof SharedArrayBuffer) return Buffer.from(into, 0, sealed.length);
  armor.giveBack(into);
  return sealed;
}

async function fed(
  pool: Tinypool,
  job: AnyEncryptionJob,
  content: Plaintext,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { feed, close } = startFeeding(content);
  try {
    return await pool.run({ ...job, plaintext: feed }, { transferList: [feed.port], signal });
  } finally {
    close();
  }
}

async function read<Result>(
  state: State,
  name: 'detect' | 'inline',
  message: Buffer,
  more: object,
): Promise<Result> {
  const { plaintexts, options } = state;
  const pool = poolOf(state);
  const signal = AbortSignal.timeout(options.deadline);
  const shared = new Uint8Array(plaintexts.take(message.length), 0, message.length);
  await copyInSteps([message], shared);
  try {
    const result: Result = await pool.run({ message: shared, ...more }, { name, signal });
    plaintexts.giveBack(shared.buffer);
    return result;
  } catch (error) {
    if (signal.aborted) throw new Error(`a message took longer than ${options.deadline / 1000} s to read`);
    throw error;
  }
}

function poolOf(state: State): Tinypool {
  const { count, file } = state.options;
  state.pool ??= startPool(count, file ?? workerFile());
  return state.pool;
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
