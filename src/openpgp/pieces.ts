// The data packet of a large message, made in pieces: as one value OpenPGP.js holds it about eight times over.
import { ReadableStream } from 'node:stream/web';
import { createMessage, encrypt } from 'openpgp';
import type { PacketWriter } from './armor.ts';
import { fedPieces } from './feed.ts';
import { type AesSessionKey, literalFormat, NO_DATE, sessionKeyOf } from './packets.ts';
import { piecesOfFile, piecesOfMemory } from './plaintext-pieces.ts';
import type { Plaintext, PlaintextFeed, PlaintextFile } from './types.ts';

/**
 * Encrypts the plaintext as one literal packet within an integrity-protected one. Beside the plaintext, which the caller may
 * let go, only what is written is in memory.
 * @param text whether the literal packet is one of text
 */
export async function encryptInPieces(
  sessionKey: AesSessionKey,
  plaintext: Plaintext | PlaintextFile | PlaintextFeed,
  text: boolean,
  out: Pick<PacketWriter, 'write'>,
): Promise<void> {
  const source = sourceOf(plaintext);
  const pieces = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const piece = await source.next();
      if (piece.done === true) controller.close();
      else controller.enqueue(piece.value);
    },
  });
  const message = await createMessage({ binary: pieces, date: NO_DATE, format: literalFormat(text) });
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

function sourceOf(
  plaintext: Plaintext | PlaintextFile | PlaintextFeed,
): Iterator<Uint8Array> | AsyncIterator<Uint8Array> {
  if ('port' in plaintext) return fedPieces(plaintext);
  return 'fd' in plaintext ? piecesOfFile(plaintext) : piecesOfMemory(plaintext);
}
