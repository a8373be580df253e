// Turns for other work in the middle of many small steps, none of which is worth a turn of its own.
import { setImmediate as nextTurn } from 'node:timers/promises';

/** So long (ms) other work may wait at the most for steps that are short themselves. */
const EVERY_MS = 5;

/** Makes a function to be waited for between steps: it gives other work its turn where it has been some milliseconds since. */
export function createBreather(): () => Promise<void> {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < EVERY_MS) return;
    await nextTurn();
    since = performance.now();
  };
}
