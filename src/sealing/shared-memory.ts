// Memory that this thread and the sealing threads share, used again and again: for every large message the system would have to
// find thousands of fresh pages, which takes longer than writing them, and what a thread has once seen would stay until that
// thread collects its garbage.

export interface SharedMemory {
  /** Memory of at least so many bytes, which nobody else uses. What is in it is left from earlier use. */
  take(bytes: number): SharedArrayBuffer;
  /** It may be used again. What was not taken here is ignored, and so is a second time. */
  giveBack(memory: ArrayBufferLike): void;
  /** Keeps nothing any more. */
  clear(): void;
}

/** From here on it is worth it. */
export const WORTH_SHARING = 2 ** 20;
const STEP = 8 * 2 ** 20;
/** Unused for so long, all of it goes back to the system. */
const IDLE_MS = 10_000;

/** @param most how much is kept for later, beside what is in use */
export function createSharedMemory(most: {
  readonly count: number;
  readonly bytesEach: number;
}): SharedMemory {
  /** The smallest first. */
  let free: SharedArrayBuffer[] = [];
  const taken = new WeakSet<object>();
  let timer: NodeJS.Timeout | undefined;

  function clear(): void {
    clearTimeout(timer);
    free = [];
  }

  return {
    take(bytes) {
      const index = free.findIndex((each) => each.byteLength >= bytes);
      const [known] = index === -1 ? [] : free.splice(index, 1);
      const memory = known ?? new SharedArrayBuffer(roomy(bytes));
      taken.add(memory);
      return memory;
    },
    giveBack(memory) {
      if (!(memory instanceof SharedArrayBuffer) || !taken.delete(memory)) return;
      if (memory.byteLength > most.bytesEach) return;
      // A large one serves everybody: the smallest is let go.
      free = [...free, memory].sort((a, b) => a.byteLength - b.byteLength).slice(-most.count);
      clearTimeout(timer);
      timer = setTimeout(clear, IDLE_MS);
      timer.unref();
    },
    clear,
  };
}

/** Few sizes, so that one message's memory suits the next: powers of two, and steps above 16 MB. */
function roomy(bytes: number): number {
  if (bytes > 2 * STEP) return Math.ceil(bytes / STEP) * STEP;
  return 2 ** Math.ceil(Math.log2(bytes));
}
