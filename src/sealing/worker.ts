// The worker thread's side of the pool: one engine per thread, with its own caches of parsed certificates.
import { setPriority } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import Tinypool from 'tinypool';
import type { SealingJob } from '../openpgp/types.ts';
import { createSealingEngine } from './engine.ts';

/** As nice(1) has it by default. */
const NICENESS = 10;

// Threads have a niceness of their own on Linux (setpriority(2), "C library/kernel differences"): where processors are short,
// the event loop goes first, and other mail does not wait while a large message is sealed.
if (process.platform === 'linux' && !isMainThread) setPriority(0, NICENESS);

const encryptJob = createSealingEngine();

/** Runs one job; the result's memory is moved to the caller, not copied. Plaintext in shared memory is wiped. */
export async function encrypt(job: SealingJob): Promise<unknown> {
  const sealed = await encryptJob(job);
  const { plaintext } = job;
  if (plaintext instanceof Uint8Array && plaintext.buffer instanceof SharedArrayBuffer) plaintext.fill(0);
  if (sealed.buffer instanceof SharedArrayBuffer) return sealed;
  // Engines and base64 give buffers of their own, so that moving one takes nothing else with it.
  return Tinypool.move(new Uint8Array(sealed.buffer, sealed.byteOffset, sealed.byteLength));
}
