// The data packet of a large message, made in pieces: as one value OpenPGP.js holds it about eight times over.
import { ReadableStream } from 'node:stream/web';
import { createMessage, encrypt } from 'openpgp';
import { type AesSessionKey, NO_DATE, sessionKeyOf } from './packets.ts';

const PIECE_BYTES = 256 * 1024;

/**
 * Encrypts the plaintext as one literal packet within an integrity-protected one. Beside the plaintext, which the caller may
 * let go, only the ciphertext is in memory.
 * @param headers the session key packets, in binary
 * @returns the headers and the data packet, in binary
 */
export async function encryptedInPieces(
  sessionKey: AesSessionKey,
  plaintext: Uint8Array,
  headers: readonly Uint8Array[],
): Promise<Uint8Array> {
  let from = 0;
  const pieces = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (from >= plaintext.length) return controller.close();
      // A copy: OpenPGP.js may keep what it gets until the next piece.
      controller.enqueue(plaintext.slice(from, from + PIECE_BYTES));
      from += PIECE_BYTES;
    },
  });
  const message = await createMessage({ binary: pieces, date: NO_DATE, format: 'binary' });
  const sealed = (await encrypt({
    message,
    sessionKey: sessionKeyOf(sessionKey),
    format: 'binary',
  })) as AsyncIterable<Uint8Array>;
  // Packet framing and authentication tags cost less than one byte in a hundred; should they not, the buffer grows.
  let out = new Uint8Array(plaintext.length + Math.ceil(plaintext.length / 100) + 64 * 1024);
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
