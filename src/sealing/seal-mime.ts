// Seals a message as PGP/MIME (RFC 3156): the original body, byte for byte, inside one encrypted part.

import { randomBytes } from 'node:crypto';
import { inLineEnding, type LineEnding, lineEndingOf, splitMessage } from '../message/header.ts';
import { SEALPOST_PREFIX } from '../message/sealpost-fields.ts';
import type { Encrypt } from '../openpgp/types.ts';
import { endedWith, protectHeader } from './header-protection.ts';
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
 * @returns the sealed message in parts, in 7-bit but for 8-bit header fields of the original. Rejects with the Error of
 * `encrypt`
 */
export async function sealMime(
  message: Buffer,
  options: SealOptions,
  encrypt: Encrypt,
): Promise<readonly Buffer[]> {
  const { plaintext, wrap } = buildMimeFrame(message, options, `sealpost-${randomBytes(18).toString('hex')}`);
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
  return buildFrame(message, options, (armored, eol) => [
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
 * @param body the Content-* fields of the sealed message, the empty line and the body, given the ciphertext as text in
 * the message's own line ending
 */
export function buildFrame(
  message: Buffer,
  options: SealOptions,
  body: (ciphertext: Buffer, eol: LineEnding) => readonly Buffer[],
): SealedFrame {
  const eol = lineEndingOf(message);
  const split = splitMessage(message);
  const parts = { ...split, fields: split.fields.filter(({ name }) => !name.startsWith(SEALPOST_PREFIX)) };
  const { subject, headerPolicy: policy = 'no_confidentiality', headerOutside: outside = [] } = options;
  const { inner, outer } = protectHeader(parts, { subject, policy, outside, eol });
  return {
    plaintext: [Buffer.concat([...inner, Buffer.from(eol, 'latin1')]), parts.body],
    wrap: (ciphertext) => [
      Buffer.concat([
        ...(parts.preamble.length > 0 ? [endedWith(parts.preamble, eol)] : []),
        ...outer,
        lines(eol, [statusField(options, eol)]),
      ]),
      ...body(inLineEnding(ciphertext, eol), eol),
    ],
  };
}

/** Lines of ASCII, each with its ending. */
export function lines(eol: LineEnding, texts: readonly string[]): Buffer {
  return Buffer.from(texts.map((text) => text + eol).join(''), 'latin1');
}
