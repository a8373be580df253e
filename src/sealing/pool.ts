// Where sealing runs. Small messages in this thread: OpenPGP.js hands their public-key operations to libuv's threads anyway,
// and 4 KB cost 0.3 to 0.5 ms here against 0.6 ms and twice the processor time in a worker (measured on two cores). Large
// ones in worker threads, where 10 MB cost 60 to 80 ms that this thread spends on other mail.
import { availableParallelism } from 'node:os';
import { detectEncrypted } from '../message/detect.ts';
import type { Detection } from '../message/detection.ts';
import type { Certificates } from '../openpgp/certificates.ts';
import { engineCertificates } from '../openpgp/engine.ts';
import { plaintextSize, type Seal, type SealingJob } from '../openpgp/types.ts';
import { createSealingEngine } from './engine.ts';
import { sealInline } from './seal-inline.ts';
import type { SealOptions } from './seal-options.ts';
import { createWorkers } from './workers.ts';

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
/** To take one apart part by part, and its texts out of their encodings, takes three times as long. */
const TAKEN_APART_HERE_BYTES = 48 * 1024;
/** Each key costs about as much as 64 KB of data. */
const INLINE_KEYS = 4;
const DEADLINE_MS = 120_000;

/**
 * Makes a sealer. Its `encrypt` rejects with an Error when a job fails, takes too long, or its worker dies; the caller
 * answers that with a temporary failure. There is no limit on waiting jobs: the caller has a memory budget.
 */
export function createSealer(options: SealerOptions = {}): Sealer {
  const count = options.workers ?? Math.min(availableParallelism(), MOST_WORKERS);
  const inlineBytes = options.inlineBytes ?? INLINE_BYTES;
  const workers = createWorkers({
    count,
    deadline: options.deadline ?? DEADLINE_MS,
    file: options.workerFile,
  });
  const certificates = engineCertificates();
  const inline = createSealingEngine(certificates);
  const underWay = new Set<Promise<unknown>>();
  let closed = false;

  async function counted<Result>(run: () => Promise<Result>): Promise<Result> {
    if (closed) throw new Error('the sealer has been closed');
    const running = run();
    underWay.add(running);
    try {
      return await running;
    } finally {
      underWay.delete(running);
    }
  }

  const encrypt = (job: SealingJob): Promise<Uint8Array> => {
    const small = plaintextSize(job.plaintext) <= inlineBytes && job.keys.length <= INLINE_KEYS;
    return counted(() => (count === 0 || small ? inline(job) : workers.seal(job)));
  };

  return {
    certificates,
    async detect(message) {
      if (count === 0 || message.length <= READ_HERE_BYTES) return detectEncrypted(message);
      return counted(() => workers.read<Detection>('detect', message));
    },
    async sealInline(message, sealing) {
      if (count === 0 || message.length <= TAKEN_APART_HERE_BYTES)
        return sealInline(message, sealing, encrypt);
      const sealed = await counted(() =>
        workers.read<Uint8Array | 'unchanged' | null>('inline', message, { options: sealing }),
      );
      if (sealed === null) return null;
      return sealed === 'unchanged'
        ? message
        : Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
    },
    encrypt,
    giveBack: ({ buffer }) => workers.giveBack(buffer),
    async close() {
      closed = true;
      await Promise.allSettled(underWay);
      await workers.close();
    },
  };
}
