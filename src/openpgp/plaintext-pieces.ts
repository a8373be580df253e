// A large plaintext in pieces, wherever it is.
import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import type { Plaintext, PlaintextFile } from './types.ts';

const PIECE_BYTES = 256 * 1024;

/** Copies: OpenPGP.js may keep what it gets until the next piece. */
export function* piecesOfMemory(plaintext: Plaintext): Generator<Uint8Array> {
  for (const part of plaintext instanceof Uint8Array ? [plaintext] : plaintext) {
    for (let from = 0; from < part.length; from += PIECE_BYTES) {
      yield new Uint8Array(part.subarray(from, from + PIECE_BYTES));
    }
  }
}

/** @throws Error when the file cannot be read, or no longer holds what it held */
export function* piecesOfFile({ fd, size, sha256 }: PlaintextFile): Generator<Uint8Array> {
  const hash = createHash('sha256');
  let from = 0;
  while (from < size) {
    const piece = new Uint8Array(Math.min(PIECE_BYTES, size - from));
    const read = readSync(fd, piece, 0, piece.length, from);
    if (read === 0) break;
    from += read;
    const bytes = piece.subarray(0, read);
    hash.update(bytes);
    yield bytes;
  }
  if (from < size || hash.digest('hex') !== sha256)
    throw new Error('the file has changed while it was being encrypted');
}
