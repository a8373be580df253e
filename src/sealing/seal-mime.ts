// Seals a message as PGP/MIME (RFC 3156): the original body, byte for byte, inside one encrypted part.

import { randomBytes } from 'node:crypto';
import { inLineEnding, type LineEnding, lineEndingOf } from '../message/header.ts';
import type { Encrypt } from '../openpgp/types.ts';
import { type Divide, dividerOf } from './divided-message.ts';
import type { SealOptions } from './seal-options.ts';
import { statusField } from './status-field.ts';

/** What gets encrypted, and what goes around it. */
export interface SealedFrame {
  /** In parts; the last one is the message's own body, and not a copy of it. */
  readonly plaintext: readonly Buffer[];
  /** The sealed message with this ciphertext, armor or base64, in it: to be sent one part after the other, not copied. */
  wrap(ciphertext: Uint8Array): readonly Buffer[];
}

/**
 * Seals a message. Nothing of the original is parsed and written again: fields are moved as bytes, and the body is copied.
 *
 * What is added uses the line ending of the message's first line: CRLF from SMTP, LF from a program such as pipe(8) that hands
 * mail over in Unix form (whoever sends it on by SMTP turns all of it into CRLF).
 * @param message without Sealpost-* fields of others; the message may be broken in any way
 * @param divide of this message, shared by its copies
 * @returns the sealed message in parts, in 7-bit but for 8-bit header fields of the original. Rejects with the Error of
 * `encrypt`
 */
export async function sealMime(
  message: Buffer,
  options: SealOptions,
  encrypt: Encrypt,
  divide: Divide = dividerOf(message),
): Promise<readonly Buffer[]> {
  const boundary = `sealpost-${randomBytes(18).toString('hex')}`;
  const { plaintext, wrap } = mimeFrame(divide, options, boundary);
  const { keys, hideKeyIds } = options;
  // With LF the armor is copied, and nobody who has the copy could give back what it was copied from.
  const lent = lineEndingOf(message) === '\r\n';
  return wrap(await encrypt({ plaintext, keys, hideKeyIds, format: 'armor', lent }));
}

/**
 * Everything of {@link sealMime} but the encryption. Pure.
 * @param boundary cannot occur inside: a line of armor never begins with two hyphens and a letter
 */
export function buildMimeFrame(message: Buffer, options: SealOptions, boundary: string): SealedFrame {
  return mimeFrame(dividerOf(message), options, boundary);
}

function mimeFrame(divide: Divide, options: SealOptions, boundary: string): SealedFrame {
  return buildFrame(divide, options, (armored, eol) => [
    lines(eol, [
      'MIME-Version: 1.0',
      'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted";',
      ` boundary="${boundary}"`,
      '',
      `--${boundary}`,
      'Content-Type: application/pgp-encrypted',
      '',
      'Version: 1',
      '',
      `--${boundary}`,
      'Content-Type: application/octet-stream; name="encrypted.asc"',
      'Content-Disposition: inline; filename="encrypted.asc"',
      '',
    ]),
    armored,
    lines(eol, ['', `--${boundary}--`]),
  ]);
}

/**
 * What is encrypted, and the header around it, whatever the encryption is. Pure.
 * @param around the Content-* fields of the sealed message, the empty line and the body, given the ciphertext as text in
 * the message's own line ending
 */
export function buildFrame(
  divide: Divide,
  options: SealOptions,
  around: (ciphertext: Buffer, eol: LineEnding) => readonly Buffer[],
): SealedFrame {
  const { eol, inner, body, outer } = divide(options);
  return {
    plaintext: [inner, body],
    wrap: (ciphertext) => [
      Buffer.concat([outer, lines(eol, [statusField(options, eol)])]),
      ...around(inLineEnding(ciphertext, eol), eol),
    ],
  };
}

/** Lines of ASCII, each with its ending. */
export function lines(eol: LineEnding, texts: readonly string[]): Buffer {
  return Buffer.from(texts.map((text) => text + eol).join(''), 'latin1');
}
