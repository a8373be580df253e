// Memory for the armor of large messages, used again and again: for every message the system would have to find thousands of
// fresh pages, which takes longer than writing them. Only ciphertext is ever written there.
import { armoredSize } from './armor.ts';
import { sealedSize } from './pieces.ts';
import { type EncryptionJob, type FileEncryptionJob, plaintextSize } from './types.ts';

export interface ArmorMemory {
  /** Memory that suffices for the armor of a job; undefined where it is too small a one to be worth it. */
  take(job: EncryptionJob | FileEncryptionJob): SharedArrayBuffer | undefined;
  /** Bytes in memory that was taken, which nobody reads any more. Others are ignored, and so is a second time. */
  giveBack(bytes: Uint8Array): void;
  /** Keeps nothing any more. */
  clear(): void;
}

const SMALLEST = 2 ** 20;
/** More than two are hardly written at once, and others are being sent. */
const KEPT = 4;
const LARGEST_KEPT = 32 * 2 ** 20;
/** Unused for so long, it goes back to the system. */
const IDLE_MS = 10_000;
/** Session key packets and armor headers. */
const HEADERS = 64 * 1024;

export function createArmorMemory(): ArmorMemory {
  let free: SharedArrayBuffer[] = [];
  const taken = new WeakSet<object>();
  let timer: NodeJS.Timeout | undefined;

  function clear(): void {
    clearTimeout(timer);
    free = [];
  }

  return {
    take(job) {
      const size = armoredSize(sealedSize(plaintextSize(job.plaintext)) + HEADERS);
      if (size < SMALLEST) return undefined;
      const index = free.findIndex((each) => each.byteLength >= size);
      const [known] = index === -1 ? [] : free.splice(index, 1);
      const memory = known ?? new SharedArrayBuffer(Math.ceil(size / SMALLEST) * SMALLEST);
      taken.add(memory);
      return memory;
    },
    giveBack({ buffer }) {
      if (!(buffer instanceof SharedArrayBuffer) || !taken.delete(buffer)) return;
      if (buffer.byteLength > LARGEST_KEPT) return;
      free = [buffer, ...free].slice(0, KEPT);
      clearTimeout(timer);
      timer = setTimeout(clear, IDLE_MS);
      timer.unref();
    },
    clear,
  };
}
