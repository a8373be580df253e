// What ends a backup depends on every byte before it, and nobody knows of a byte on its way that it is one of the last: so many are
// held back, and whatever goes on is hashed.
import { createHash } from 'node:crypto';
import { endOf } from './format.ts';

export interface HeldBack {
  /** Takes the next bytes. @returns those that go on: none of the last ones */
  push(bytes: Uint8Array): Buffer;
  /** What is held back now. */
  last(): Buffer;
  /** The end that belongs to what went on. Once, when everything has come. */
  end(): Promise<Buffer>;
}

/** @param size bytes to hold back */
export function holdBack(size: number): HeldBack {
  const hash = createHash('sha256');
  let held: Buffer = Buffer.alloc(0);
  let total = 0;
  return {
    push(bytes) {
      const all = held.length === 0 ? Buffer.from(bytes) : Buffer.concat([held, bytes]);
      const out = all.subarray(0, Math.max(all.length - size, 0));
      held = all.subarray(out.length);
      hash.update(out);
      total += out.length;
      return out;
    },
    last: () => held,
    end: () => endOf(total, hash.digest('hex')),
  };
}
