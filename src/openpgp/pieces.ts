// The data packet of a large message, made in pieces: as one value OpenPGP.js holds it about eight times over.
import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { ReadableStream } from 'node:stream/web';
import { createMessage, encrypt } from 'openpgp';
import type { PacketWriter } from './armor.ts';
import { type AesSessionKey, NO_DATE, sessionKeyOf } from './packets.ts';
import type { Plaintext, PlaintextFile } from './types.ts';

const PIECE_BYTES = 256 * 1024;

/**
 * Encrypts the plaintext as one literal packet within an integrity-protected one. Beside the plaintext, which the caller may
 * let go, only what is written is in memory.
 */
export async function encryptInPieces(
  sessionKey: AesSessionKey,
  plaintext: Plaintext | PlaintextFile,
  out: Pick<PacketWriter, 'write'>,
): Promise<void> {
  const source = 'fd' in plaintext ? piecesOfFile(plaintext) : piecesOf(plaintext);
  const pieces = new ReadableStream<Uint8Array>({
    pull(controller) {
      const piece = source.next();
      if (piece.done === true) controller.close();
      else controller.enqueue(piece.value);
    },
  });
  const message = await createMessage({ binary: pieces, date: NO_DATE, format: 'binary' });
  const sealed = (await encrypt({
    message,
    sessionKey: sessionKeyOf(sessionKey),
    format: 'binary',
  })) as AsyncIterable<Uint8Array>;
  for await (const bytes of sealed) out.write(bytes);
}

/** What so many bytes become: packet framing and authentication tags cost less than one byte in a hundred. */
export function sealedSize(plaintext: number): number {
  return plaintext + Math.ceil(plaintext / 100) + 64 * 1024;
}

/**
 * Collects packets as they are.
 * @param expected bytes that will come; it may be more, at the price of a copy
 */
export function createBinaryWriter(expected: number): PacketWriter {
  let out = Buffer.allocUnsafeSlow(expected);
  let at = 0;
  return {
    write(bytes) {
      if (at + bytes.length > out.length) {
        const larger = Buffer.allocUnsafeSlow((at + bytes.length) * 2);
        out.copy(larger, 0, 0, at);
        out = larger;
      }
      out.set(bytes, at);
      at += bytes.length;
    },
    finish: () => out.subarray(0, at),
  };
}

/** Copies: OpenPGP.js may keep what it gets until the next piece. */
function* piecesOf(plaintext: Plaintext): Generator<Uint8Array> {
  for (const part of plaintext instanceof Uint8Array ? [plaintext] : plaintext) {
    for (let from = 0; from < part.length; from += PIECE_BYTES) {
      yield new Uint8Array(part.subarray(from, from + PIECE_BYTES));
    }
  }
}

/** @throws Error when the file cannot be read, or no longer holds what it held */
function* piecesOfFile({ fd, size, sha256 }: PlaintextFile): Generator<Uint8Array> {
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
