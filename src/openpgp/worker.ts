// The worker thread's side of the pool: one engine per thread, with its own cache of parsed certificates.
import Tinypool from 'tinypool';
import { createEngine } from './engine.ts';
import type { EncryptionJob } from './types.ts';

const encryptJob = createEngine();

/** Runs one job; the result's memory is moved to the caller, not copied. */
export async function encrypt(job: EncryptionJob): Promise<unknown> {
  const sealed = await encryptJob(job);
  // Engine and armor give buffers of their own, so that moving one takes nothing else with it.
  return Tinypool.move(new Uint8Array(sealed.buffer, sealed.byteOffset, sealed.byteLength));
}
