// A text as the inline style encrypts it: in UTF-8 with CRLF at its line ends, which is what a literal packet of text holds (RFC 9580,
// section 5.9). Mail programs show such a text whatever the armor says of its charset, and without ^M at every line end. Pure.
import { isAscii, isUtf8 } from 'node:buffer';
import { decodeText, holdsAscii } from '../message/charset.ts';

/** In a text of ASCII these bytes switch to other characters (ISO-2022) or end it (C): it is not what it looks like. */
const SWITCHES = ['\0', '\x0e', '\x0f', '\x1b'];
const CR = 0x0d;
const LF = 0x0a;

/**
 * A text in UTF-8 with CRLF at its line ends.
 * @param bytes the transfer encoding undone
 * @param label what its Content-Type calls the charset; undefined where it does not say
 * @param room bytes by which it may become longer
 * @returns null where the charset is not known, where it does not decode without loss, and where line ends would get lost:
 * the bytes are to stay as they are
 */
export function utf8Text(bytes: Buffer, label: string | undefined, room: number): Buffer | null {
  const text = inUtf8(bytes, label, bytes.length + room);
  return text === null || text.includes(0) ? null : withCrlf(text, bytes.length + room);
}

/** Whether bytes are such a text as they stand. */
export function isUtf8Text(bytes: Buffer): boolean {
  return utf8Text(bytes, undefined, 0) === bytes;
}

function inUtf8(bytes: Buffer, label: string | undefined, most: number): Buffer | null {
  const charset = label?.toLowerCase();
  const plain = charset === undefined || holdsAscii(charset);
  if (plain && isAscii(bytes) && !SWITCHES.some((byte) => bytes.includes(byte))) return bytes;
  // A text that says it is ASCII, and is not, is read as UTF-8 if it can be.
  if (charset === undefined || /^(?:us-ascii|utf-?8)$/.test(charset)) return isUtf8(bytes) ? bytes : null;
  const decoded = decode(bytes, charset);
  if (decoded === null || decoded.includes('\ufffd')) return null;
  const text = Buffer.from(decoded, 'utf8');
  return text.length <= most ? text : null;
}

function decode(bytes: Buffer, charset: string): string | null {
  const name = charset === 'utf-16' ? utf16Of(bytes) : charset;
  if (name === null) return null;
  try {
    return decodeText(bytes, name, true);
  } catch {
    // Nobody knows the charset, or the bytes are not in it.
    return null;
  }
}

/** RFC 2781, section 4.3, wants big-endian where there is no mark, and programs read little-endian: then nobody knows. */
function utf16Of(bytes: Buffer): string | null {
  const mark = bytes.toString('hex', 0, 2);
  return mark === 'feff' ? 'utf-16be' : mark === 'fffe' ? 'utf-16le' : null;
}

/** A bare LF becomes CRLF. Null where there is a bare CR, which GnuPG drops from a text, and where it becomes too long. */
function withCrlf(text: Buffer, most: number): Buffer | null {
  let bare = 0;
  for (let at = text.indexOf(CR); at >= 0; at = text.indexOf(CR, at + 2))
    if (text[at + 1] !== LF) return null;
  for (let at = text.indexOf(LF); at >= 0; at = text.indexOf(LF, at + 1)) if (text[at - 1] !== CR) bare += 1;
  if (bare === 0) return text;
  if (text.length + bare > most) return null;
  return Buffer.from(text.toString('latin1').replace(/(?<!\r)\n/g, '\r\n'), 'latin1');
}
