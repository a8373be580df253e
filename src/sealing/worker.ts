// The worker thread's side of the pool: one engine per thread, with its own caches of parsed certificates.
import { setPriority } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import Tinypool from 'tinypool';
import { detectEncrypted } from '../message/detect.ts';
import type { Detection } from '../message/detection.ts';
import type { SealingJob } from '../openpgp/types.ts';
import { createSealingEngine } from './engine.ts';
import { sealInline } from './seal-inline.ts';
import type { SealOptions } from './seal-options.ts';

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

/** A message in memory that threads share; it is wiped. */
export interface SharedMessage {
  readonly message: Uint8Array;
}

/** Whether a message is encrypted already. */
export function detect(shared: SharedMessage): Detection {
  return detectEncrypted(taken(shared));
}

/** Seals a message part by part. @returns as sealInline; `unchanged` where every part was encrypted already */
export async function inline({
  options,
  ...shared
}: SharedMessage & { readonly options: SealOptions }): Promise<unknown> {
  const message = taken(shared);
  const sealed = await sealInline(message, options, encryptJob);
  if (sealed === null) return null;
  return sealed === message ? 'unchanged' : Tinypool.move(new Uint8Array(sealed));
}

/** A copy of this thread's own, since not everything reads memory that threads share. */
function taken({ message }: SharedMessage): Buffer {
  const own = Buffer.from(message);
  message.fill(0);
  return own;
}
