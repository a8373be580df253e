// The data packet of a large message, made in pieces: as one value OpenPGP.js holds it about eight times over.
import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { ReadableStream } from 'node:stream/web';
import { createMessage, encrypt } from 'openpgp';
import { type AesSessionKey, NO_DATE, sessionKeyOf } from './packets.ts';
import type { PlaintextFile } from './types.ts';

const PIECE_BYTES = 256 * 1024;

/**
 * Encrypts the plaintext as one literal packet within an integrity-protected one. Beside the plaintext, which the caller may
 * let go, only the ciphertext is in memory.
 * @param headers the session key packets, in binary
 * @returns the headers and the data packet, in binary
 */
export async function encryptedInPieces(
  sessionKey: AesSessionKey,
  plaintext: Uint8Array | PlaintextFile,
  headers: readonly Uint8Array[],
): Promise<Uint8Array> {
  const source = plaintext instanceof Uint8Array ? piecesOf(plaintext) : piecesOfFile(plaintext);
  const size = plaintext instanceof Uint8Array ? plaintext.length : plaintext.size;
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
  // Packet framing and authentication tags cost less than one byte in a hundred; should they not, the buffer grows.
  let out = new Uint8Array(size + Math.ceil(size / 100) + 64 * 1024);
  let at = 0;
  const append = (bytes: Uint8Array): void => {
    if (at + bytes.length > out.length) {
      const larger = new Uint8Array((at + bytes.length) * 2);
      larger.set(out.subarray(0, at));
      out = larger;
    }
    out.set(bytes, at);
    at += bytes.length;
  };
  for (const header of headers) append(header);
  for await (const bytes of sealed) append(bytes);
  return out.subarray(0, at);
}

/** Copies: OpenPGP.js may keep what it gets until the next piece. */
function* piecesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let from = 0; from < bytes.length; from += PIECE_BYTES) yield bytes.slice(from, from + PIECE_BYTES);
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
  if (hash.digest('hex') !== sha256) throw new Error('the file has changed while it was being encrypted');
}
