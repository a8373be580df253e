// Base64 as mail programs decode it (RFC 2045, section 6.8: "Any characters outside of the base64 alphabet are to be ignored"): with
// stray characters, in pieces that each have their padding, and with a text behind it that a program on the way has put there.

import { isWhiteSpace, trimBytes } from './white-space.ts';

const LF = 0x0a;
/** Bare within a line, some programs' line ending. */
const CR = 0x0d;
const EQUALS = 0x3d;

/** The value of each digit, -1 for every other byte. */
const DIGIT = Int8Array.from({ length: 256 }, (_, byte) =>
  byte === 0
    ? -1
    : 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'.indexOf(String.fromCharCode(byte)),
);

/** A line of at least so many digits is no word. */
const LONG_LINE = 40;
/** A line with more stray characters than these is a text. */
const MOST_STRAY = 2;
/** White space within a line: words with spaces between them are a text. */
const WORDS = MOST_STRAY + 1;

/** What a line looks like. `surely`: nothing but base64 looks like it; `maybe`: a word may. */
type Look = 'surely' | 'maybe' | 'blank' | 'text';

interface Line {
  readonly from: number;
  /** Behind its line ending. */
  readonly end: number;
  readonly look: Look;
  readonly padded: boolean;
}

/** What has been read of a text. */
interface Reading {
  readonly text: Buffer;
  readonly bytes: Buffer;
  length: number;
  /** Of a group of digits that is not complete. */
  bits: number;
  held: number;
  /** Lines that are no base64. */
  readonly rest: Buffer;
  kept: number;
  /** No text behind the base64 has begun. */
  inside: boolean;
  /** The last line of base64 ended in padding. */
  padded: boolean;
}

/**
 * Decodes base64 that is not written strictly. Linear in its length.
 * @returns the octets, and behind them the lines that are no base64; null where no line is
 */
export function decodeBase64AsReaders(text: Buffer): Buffer | null {
  const sure = lastSureLine(text);
  const reading: Reading = {
    text,
    bytes: Buffer.allocUnsafe(text.length + 2),
    length: 0,
    bits: 0,
    held: 0,
    rest: Buffer.allocUnsafe(text.length),
    kept: 0,
    inside: true,
    padded: false,
  };
  for (let at = 0; at < text.length; ) {
    const line = readLine(text, at);
    // Behind the last line that must be base64, the first one that is none begins the text.
    const word = line.look === 'text' || (reading.padded && line.look === 'maybe');
    if (at >= sure && word) reading.inside = false;
    take(reading, line);
    at = line.end;
  }
  const { bytes, length, rest, kept } = reading;
  if (length === 0) return null;
  const ends =
    kept === 0 || bytes[length - 1] === LF ? length : length + bytes.write('\r\n', length, 'latin1');
  return Buffer.concat([bytes.subarray(0, ends), rest.subarray(0, kept)]);
}

function take(reading: Reading, line: Line): void {
  const { text, rest, kept, inside } = reading;
  if (!inside || (line.look === 'text' && saysSomething(text, line)))
    reading.kept += text.copy(rest, kept, line.from, line.end);
  else if (line.look !== 'text') decodeLine(reading, line);
  if (line.look !== 'blank') reading.padded = line.padded;
}

/** A letter or a number: between lines of base64, anything else is noise. */
function saysSomething(text: Buffer, line: Line): boolean {
  return text.subarray(line.from, line.end).some((byte) => (DIGIT[byte] ?? -1) >= 0 || byte >= 0x80);
}

/** Where the lines end of which the last one is surely base64. */
function lastSureLine(text: Buffer): number {
  let last = 0;
  for (let at = 0; at < text.length; ) {
    const line = readLine(text, at);
    if (line.look === 'surely') last = line.end;
    at = line.end;
  }
  return last;
}

function readLine(text: Buffer, from: number): Line {
  const lf = text.indexOf(LF, from);
  const end = lf < 0 ? text.length : lf + 1;
  const counted = count(trimBytes(text.subarray(from, end)));
  return { from, end, padded: counted.padded, look: lookOf(counted) };
}

interface Counted {
  digits: number;
  padding: number;
  stray: number;
  /** No digit behind the last equals sign. */
  padded: boolean;
}

function count(line: Buffer): Counted {
  const counted: Counted = { digits: 0, padding: 0, stray: 0, padded: false };
  for (const byte of line) {
    if ((DIGIT[byte] ?? -1) >= 0) {
      counted.digits += 1;
      counted.padded = false;
    } else if (byte === EQUALS) {
      counted.padding += 1;
      counted.padded = true;
    } else if (byte !== CR) counted.stray += isWhiteSpace(byte) ? WORDS : 1;
  }
  return counted;
}

function lookOf({ digits, padding, stray, padded }: Counted): Look {
  if (digits + padding + stray === 0) return 'blank';
  if (stray > MOST_STRAY || digits === 0) return 'text';
  const whole = (digits + padding) % 4 === 0;
  if (whole && (padded || digits >= LONG_LINE)) return 'surely';
  return stray === 0 ? 'maybe' : 'text';
}

function decodeLine(out: Reading, line: Line): void {
  const { text } = out;
  for (let at = line.from; at < line.end; at += 1) {
    const byte = text[at] ?? 0;
    const digit = DIGIT[byte] ?? -1;
    if (byte === EQUALS) {
      // The end of a piece: the next digit begins a new group.
      out.bits = 0;
      out.held = 0;
    }
    if (digit < 0) continue;
    out.held = (out.held << 6) | digit;
    out.bits += 6;
    if (out.bits < 8) continue;
    out.bits -= 8;
    out.bytes[out.length++] = (out.held >>> out.bits) & 0xff;
    out.held &= 0xff;
  }
}
