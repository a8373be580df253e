// Work on all bytes of a large message, done in steps: millions of bytes at once would hold up all other mail.
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Half a millisecond's work to hash, and two or three milliseconds' to copy where the system has to find the pages. */
export const STEP_BYTES = 512 * 1024;

/** Calls back for all bytes in order, {@link STEP_BYTES} or fewer at a time; other work gets its turn after so many. */
export async function inSteps(
  parts: readonly Uint8Array[],
  work: (bytes: Uint8Array) => void,
): Promise<void> {
  let sinceTurn = 0;
  for (const part of parts) {
    for (let from = 0; from < part.length; ) {
      if (sinceTurn === STEP_BYTES) {
        sinceTurn = 0;
        await nextTurn();
      }
      const bytes = part.subarray(from, from + STEP_BYTES - sinceTurn);
      work(bytes);
      from += bytes.length;
      sinceTurn += bytes.length;
    }
  }
}

/** Copies the parts behind one another to the beginning of `into`, in steps. Rejects with a RangeError where they do not fit. */
export async function copyInSteps(parts: readonly Uint8Array[], into: Uint8Array): Promise<void> {
  let at = 0;
  await inSteps(parts, (bytes) => {
    into.set(bytes, at);
    at += bytes.length;
  });
}
