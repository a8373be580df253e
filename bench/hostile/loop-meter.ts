// How long the event loop was held up at the most: by this thread's own processor time, so that what other programs do on the same
// machine does not count. proc(5): /proc/thread-self/schedstat.
import { readFileSync } from 'node:fs';

export interface LoopMeter {
  /** Ends it. @returns the longest turn of the event loop since it was made, in milliseconds of this thread's processor time */
  stop(): number;
}

/** Watches each turn of the event loop from now on. It keeps the processor busy meanwhile. */
export function watchLoop(): LoopMeter {
  const watch = { longest: 0, last: threadTime(), stopped: false };
  const turn = (): void => {
    watch.longest = Math.max(watch.longest, threadTime() - watch.last);
    watch.last = threadTime();
    if (!watch.stopped) setImmediate(turn);
  };
  setImmediate(turn);
  return {
    stop() {
      watch.stopped = true;
      return watch.longest;
    },
  };
}

/** Milliseconds of processor time that this thread has used. */
function threadTime(): number {
  const [nanoseconds = ''] = readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ');
  return Number(nanoseconds) / 1e6;
}
