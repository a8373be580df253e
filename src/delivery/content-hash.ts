// The hash that tells one message from another, of messages that may be large: made in steps, so that other mail gets its turn.
import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Half a millisecond of work, and several where processors are short. */
const STEP = 512 * 1024;

/** SHA-256 in hexadecimal. */
export async function contentHash(bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.length; at += STEP) {
    if (at > 0) await nextTurn();
    hash.update(bytes.subarray(at, at + STEP));
  }
  return hash.digest('hex');
}
