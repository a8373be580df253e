// Copies of large messages, made in steps: millions of bytes at once would hold up all other mail.
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Two or three milliseconds' work where the system has to find the pages. */
export const COPIED_AT_ONCE = 512 * 1024;

/** Copies the parts behind one another to the beginning of `into`; other work gets its turn after each {@link COPIED_AT_ONCE}. */
export async function copyInSteps(parts: readonly Uint8Array[], into: Uint8Array): Promise<void> {
  let at = 0;
  let sinceTurn = 0;
  for (const part of parts) {
    for (let from = 0; from < part.length; ) {
      if (sinceTurn === COPIED_AT_ONCE) {
        sinceTurn = 0;
        await nextTurn();
      }
      const step = part.subarray(from, from + COPIED_AT_ONCE - sinceTurn);
      into.set(step, at);
      from += step.length;
      at += step.length;
      sinceTurn += step.length;
    }
  }
}
