// The hash that tells one message from another, of messages that may be large: made in steps, so that other mail gets its turn.
import { createHash } from 'node:crypto';
import { inSteps } from '../pacing/in-steps.ts';

/** SHA-256 in hexadecimal. */
export async function contentHash(bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  await inSteps([bytes], (step) => hash.update(step));
  return hash.digest('hex');
}
