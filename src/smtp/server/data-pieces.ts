// The bytes of one DATA command, kept as they come without holes in memory, and put together at the end.
import { copyInSteps, STEP_BYTES } from '../../pacing/in-steps.ts';

/** The bytes so far. */
export interface Pieces {
  add(bytes: Buffer): void;
  /** All of them; in a large buffer that is filled step by step. */
  whole(): Buffer | Promise<Buffer>;
}

const SEGMENT_BYTES = 64 * 1024;

/**
 * Node.js reads into 64 KB, and gives back what it did not need: kept as they come, the few bytes at a time of a slow client would
 * leave holes that fit nothing, twice the message's size. Small pieces are copied behind one another instead.
 */
export function createPieces(): Pieces {
  const pieces: Buffer[] = [];
  /** The last piece, while it has room. */
  let segment: Buffer | null = null;
  let filled = 0;

  function closeSegment(): void {
    if (segment !== null) pieces[pieces.length - 1] = segment.subarray(0, filled);
    segment = null;
  }

  return {
    add(bytes) {
      if (pieces.length === 0 || bytes.length >= SEGMENT_BYTES / 2) {
        closeSegment();
        pieces.push(bytes);
        return;
      }
      if (segment === null || segment.length - filled < bytes.length) {
        closeSegment();
        segment = Buffer.allocUnsafeSlow(SEGMENT_BYTES);
        filled = 0;
        pieces.push(segment);
      }
      filled += bytes.copy(segment, filled);
    },
    whole() {
      closeSegment();
      const [only] = pieces;
      if (pieces.length === 1 && only !== undefined) return only;
      const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
      return size <= STEP_BYTES ? Buffer.concat(pieces, size) : joinedInSteps(pieces, size);
    },
  };
}

async function joinedInSteps(pieces: readonly Buffer[], size: number): Promise<Buffer> {
  const whole = Buffer.allocUnsafeSlow(size);
  await copyInSteps(pieces, whole);
  return whole;
}
