// Content-Transfer-Encoding undone (RFC 2045, section 6), strictly: a stray character may be plaintext beside ciphertext, so
// that what a lenient decoder would skip makes the whole not decodable.
import { decodeBase64AsReaders } from './lenient-base64.ts';

const BAD = 0;
const DIGIT = 1;
const SPACE = 2;
const PAD = 3;

/** What each byte is in base64. */
const KIND = Uint8Array.from({ length: 256 }, (_, byte) => {
  const char = String.fromCharCode(byte);
  if (/[A-Za-z0-9+/]/.test(char)) return DIGIT;
  if (/[ \t\r\n]/.test(char)) return SPACE;
  return char === '=' ? PAD : BAD;
});

/** Decodes base64 with white space anywhere; null when there is any other character, or something behind the padding. */
export function decodeBase64(text: Buffer): Buffer | null {
  let padding = 0;
  let digits = 0;
  for (let at = 0; at < text.length; at += 1) {
    const kind = KIND[text[at] ?? 0];
    if (kind === DIGIT) {
      if (padding > 0) return null;
      digits += 1;
    } else if (kind === PAD) padding += 1;
    else if (kind === BAD) return null;
  }
  if (padding > 2 || (padding > 0 && (digits + padding) % 4 !== 0) || digits % 4 === 1) return null;
  return Buffer.from(text.toString('latin1'), 'base64');
}

/** Decodes quoted-printable; null when an escape is neither two hexadecimal digits nor a soft line break. */
export function decodeQuotedPrintable(text: Buffer): Buffer | null {
  const out = Buffer.allocUnsafe(text.length);
  let length = 0;
  for (let at = 0; at < text.length; at += 1) {
    const byte = text[at] ?? 0;
    if (byte !== 0x3d) {
      out[length++] = byte;
      continue;
    }
    const escaped = text.toString('latin1', at + 1, at + 3);
    if (/^[0-9A-Fa-f]{2}$/.test(escaped)) {
      out[length++] = Number.parseInt(escaped, 16);
      at += 2;
    } else if (escaped === '\r\n') at += 2;
    else if (escaped.startsWith('\n')) at += 1;
    else return null;
  }
  return out.subarray(0, length);
}

/**
 * Decodes quoted-printable as every mail program does (RFC 2045, section 6.7): an equals sign that begins no escape stays one, and
 * white space behind that of a soft line break is padding.
 */
function decodeQuotedPrintableLeniently(text: Buffer): Buffer {
  const out = Buffer.allocUnsafe(text.length);
  let length = 0;
  for (let at = 0; at < text.length; at += 1) {
    const byte = text[at] ?? 0;
    const [high, low] = byte === EQUALS ? [HEX[text[at + 1] ?? 0], HEX[text[at + 2] ?? 0]] : [];
    if (high !== undefined && low !== undefined && high >= 0 && low >= 0) {
      out[length++] = high * 16 + low;
      at += 2;
      continue;
    }
    const next = byte === EQUALS ? behindSoftBreak(text, at + 1) : null;
    if (next === null) out[length++] = byte;
    else at = next - 1;
  }
  return out.subarray(0, length);
}

/** Behind the white space and the line ending that begin at `from`; null where there is something else. */
function behindSoftBreak(text: Buffer, from: number): number | null {
  let at = from;
  while (at < from + 80 && (text[at] === 0x20 || text[at] === 0x09)) at += 1;
  if (text[at] === 0x0d && text[at + 1] === 0x0a) return at + 2;
  return text[at] === 0x0a ? at + 1 : null;
}

const EQUALS = 0x3d;

/** The value of each hexadecimal digit, -1 for every other byte. */
const HEX = Int8Array.from({ length: 256 }, (_, byte) => {
  const char = String.fromCharCode(byte);
  return /[0-9A-Fa-f]/.test(char) ? Number.parseInt(char, 16) : -1;
});

/**
 * Undoes a transfer encoding as mail programs do: quoted-printable and base64 with stray characters are decoded around them, and a
 * text that stands behind base64, such as the footer of a list, is kept behind what it says.
 * @returns null when the encoding is unknown or broken: what is there has to be kept as it is
 */
export function decodeLeniently(body: Buffer, encoding: string | null): Buffer | null {
  if (encoding === 'quoted-printable') return decodeQuotedPrintableLeniently(body);
  const decoded = decodeTransferEncoding(body, encoding);
  return decoded === null && encoding === 'base64' ? decodeBase64AsReaders(body) : decoded;
}

/**
 * Undoes a transfer encoding.
 * @param encoding in lower case; null where the field could not be read
 * @returns null when the encoding is unknown or broken
 */
export function decodeTransferEncoding(body: Buffer, encoding: string | null): Buffer | null {
  switch (encoding) {
    case '7bit':
    case '8bit':
    case 'binary':
      return body;
    case 'base64':
      return decodeBase64(body);
    case 'quoted-printable':
      return decodeQuotedPrintable(body);
    default:
      return null;
  }
}
