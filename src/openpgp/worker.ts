// The worker thread's side of the pool: one engine per thread, with its own caches of parsed certificates.
import Tinypool from 'tinypool';
import { createSealingEngine } from './sealing-engine.ts';
import type { SealingJob } from './types.ts';

const encryptJob = createSealingEngine();

/** Runs one job; the result's memory is moved to the caller, not copied. */
export async function encrypt(job: SealingJob): Promise<unknown> {
  const sealed = await encryptJob(job);
  // Engines and base64 give buffers of their own, so that moving one takes nothing else with it.
  return Tinypool.move(new Uint8Array(sealed.buffer, sealed.byteOffset, sealed.byteLength));
}
