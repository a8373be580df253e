// The header section over raw bytes (RFC 5322, section 2.2): fields with everything that belongs to them, and the body. Nothing
// is decoded, copied or repaired here: the parts put together again are the message.
import { setImmediate as nextTurn } from 'node:timers/promises';

/** One header field as it stands in the message. */
export interface HeaderField {
  /** In lower case, one character per byte. */
  readonly name: string;
  /** Name, colon, value with its folding, and the last line's ending (which the last line of a message may lack). */
  readonly raw: Buffer;
}

/** How a message ends its lines, and what is added to it does. */
export type LineEnding = '\r\n' | '\n';

/** A message taken apart. `preamble`, the fields' `raw`, `separator` and `body` in this order are the message. */
export interface MessageParts {
  /** An mbox "From " line at the very top, or nothing. */
  readonly preamble: Buffer;
  readonly fields: readonly HeaderField[];
  /** The empty line between header and body; nothing where the message has none. */
  readonly separator: Buffer;
  readonly body: Buffer;
}

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;
const COLON = 0x3a;

/** Fields beyond this many are taken for body, and sealed: 25 MB of "a:" lines must not become 8 million objects. */
export const MAX_FIELDS = 10_000;

/**
 * Bytes of a field that are read for what it says, as Postfix has it (header_size_limit, postconf(5)): structured fields are
 * many times their size once they are taken apart.
 */
export const MOST_HEADER_BYTES = 102_400;

/**
 * Bytes of fields in all. A field that ends behind them, and what follows it, is taken for body, and sealed: Postfix passes on no field
 * above header_size_limit, and a header section of this size is no letter's.
 */
export const MAX_HEADER_BYTES = 2 ** 20;

/** Where the parts of a message lie. */
interface Extent {
  /** End of the mbox line. */
  readonly preamble: number;
  /** End of the last field. */
  readonly fields: number;
  /** Begin of the body, behind the empty line if there is one. */
  readonly body: number;
}

/** The raw header section: its fields, as far as {@link splitMessage} takes them for fields, and nothing of what follows. */
export function rawHeader(message: Buffer): Buffer {
  const { preamble, fields } = walkWithinLimits(message, () => undefined);
  return message.subarray(preamble, fields);
}

/**
 * Gets the offsets of a field: begin, end of the name, end of the field. False ends the walk, and what follows counts as body.
 */
export type Visit = (from: number, nameEnd: number, end: number) => boolean;

/**
 * Walks through the header section, keeping nothing. Linear in its length.
 *
 * A line ends with CRLF, LF or a bare CR: what one program takes for a body and another for a header field must be
 * sealed. A line that is neither a field nor the continuation of one begins the body, as in Postfix's cleanup(8).
 */
export function walkHeader(message: Buffer, visit: Visit): Extent {
  const walk = beginWalk(message);
  for (;;) {
    const extent = walkOn(message, walk, visit, Number.POSITIVE_INFINITY);
    if (extent !== null) return extent;
  }
}

/** {@link walkHeader}, of a header as large as a message in steps: other work gets its turn between them. */
export async function walkHeaderInSteps(message: Buffer, visit: Visit): Promise<Extent> {
  const walk = beginWalk(message);
  for (;;) {
    const extent = walkOn(message, walk, visit, positionOf(walk) + WALK_BYTES);
    if (extent !== null) return extent;
    await nextTurn();
  }
}

/** Some milliseconds' work where every line is a field. */
const WALK_BYTES = 64 * 1024;

/** How far a header section has been read. */
interface HeaderWalk {
  readonly preamble: number;
  /** Where the next field begins; while one is being read, that one. */
  at: number;
  /** The field that is being read, and how far. */
  open: { readonly nameEnd: number; end: number } | null;
}

function beginWalk(message: Buffer): HeaderWalk {
  const preamble = isMboxLine(message) ? lineEnd(message, 0) : 0;
  return { preamble, at: preamble, open: null };
}

function positionOf({ at, open }: HeaderWalk): number {
  return open?.end ?? at;
}

/** Walks on. @returns null where it has come to `until` before the header's end */
function walkOn(message: Buffer, walk: HeaderWalk, visit: Visit, until: number): Extent | null {
  const { preamble } = walk;
  while (walk.at < message.length) {
    if (positionOf(walk) >= until) return null;
    if (walk.open === null) {
      const first = message[walk.at];
      if (first === CR || first === LF) return { preamble, fields: walk.at, body: lineEnd(message, walk.at) };
      const nameEnd = fieldNameEnd(message, walk.at);
      if (nameEnd === null) break;
      walk.open = { nameEnd, end: lineEnd(message, walk.at) };
    }
    const { open } = walk;
    while (open.end < message.length && isBlank(message[open.end])) {
      if (open.end >= until) return null;
      open.end = lineEnd(message, open.end);
    }
    if (!visit(walk.at, open.nameEnd, open.end)) break;
    walk.at = open.end;
    walk.open = null;
  }
  return { preamble, fields: walk.at, body: walk.at };
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB;
}

/** {@link walkHeader}, up to where fields are too many, or too large, to be taken for fields. */
function walkWithinLimits(
  message: Buffer,
  visit: (...offsets: Parameters<Visit>) => void,
  mostFields: number = MAX_FIELDS,
): Extent {
  const { preamble } = beginWalk(message);
  const most = preamble + MAX_HEADER_BYTES;
  let fields = 0;
  // Behind the limit no line is looked at, however long the field is that goes beyond it; an empty line there is the separator.
  return walkHeader(message.subarray(0, most + 2), (from, nameEnd, end) => {
    if (fields === mostFields || end > most) return false;
    fields += 1;
    visit(from, nameEnd, end);
    return true;
  });
}

/** "From alice@example.org Mon Feb 5 ...", and not the field "From :". */
export function isMboxLine(message: Buffer): boolean {
  return message.toString('latin1', 0, 5) === 'From ' && fieldNameEnd(message, 0) === null;
}

/**
 * Takes a message apart, its header up to {@link MAX_HEADER_BYTES}. The parts are views into `message`.
 * @param mostFields what follows so many fields is taken for body
 */
export function splitMessage(message: Buffer, mostFields: number = MAX_FIELDS): MessageParts {
  const fields: HeaderField[] = [];
  const addField = (from: number, nameEnd: number, end: number): void => {
    const name = message.toString('latin1', from, nameEnd).toLowerCase();
    fields.push({ name, raw: message.subarray(from, end) });
  };
  const extent = walkWithinLimits(message, addField, mostFields);
  return {
    preamble: message.subarray(0, extent.preamble),
    fields,
    separator: message.subarray(extent.fields, extent.body),
    body: message.subarray(extent.body),
  };
}

/** The offset behind the line that `from` lies in, its ending included. */
function lineEnd(message: Buffer, from: number): number {
  const near = Math.min(message.length, from + SHORT_LINE);
  for (let at = from; at < near; at += 1) {
    if (message[at] === LF) return at + 1;
    if (message[at] === CR) return message[at + 1] === LF ? at + 2 : at + 1;
  }
  // A long line; never further than one window beyond its end, or lines that end in a bare CR would cost the square.
  for (let at = near; at < message.length; at += WINDOW_BYTES) {
    const window = message.subarray(at, at + WINDOW_BYTES);
    const lf = window.indexOf(LF);
    const cr = (lf < 0 ? window : window.subarray(0, lf)).indexOf(CR);
    if (cr >= 0) return message[at + cr + 1] === LF ? at + cr + 2 : at + cr + 1;
    if (lf >= 0) return at + lf + 1;
  }
  return message.length;
}

/** A line that is looked through byte by byte. */
const SHORT_LINE = 128;
/** Of a longer one so much at a time. */
const WINDOW_BYTES = 4096;

/**
 * Where the name of the field that begins at `from` ends; null where none begins. White space before the colon is obsolete
 * (RFC 5322, section 4.5.8), and read.
 */
function fieldNameEnd(message: Buffer, from: number): number | null {
  let end = from;
  // RFC 5322, section 3.6.8: printable ASCII without the colon.
  while (end < message.length && isNameByte(message[end] ?? 0)) end += 1;
  let colon = end;
  while (message[colon] === SPACE || message[colon] === TAB) colon += 1;
  return end > from && message[colon] === COLON ? end : null;
}

function isNameByte(byte: number): boolean {
  return byte > SPACE && byte < 0x7f && byte !== COLON;
}

/** A field's value: unfolded, without white space at its ends; one character per byte (latin1). */
export function fieldValue(field: HeaderField): string {
  const text = field.raw.toString('latin1');
  return text
    .slice(text.indexOf(':') + 1)
    .replace(/\r\n|\r|\n/g, '')
    .trim();
}

/** The fields of that name (in lower case), in order. */
export function fieldsNamed(parts: Pick<MessageParts, 'fields'>, name: string): readonly HeaderField[] {
  return parts.fields.filter((field) => field.name === name);
}

/**
 * The line ending that a message uses: that of its first line. LF where a program such as pipe(8) hands it over in Unix form;
 * CRLF where it says nothing or ends lines in a bare CR.
 */
export function lineEndingOf(message: Buffer): LineEnding {
  const lf = message.indexOf(LF);
  return lf >= 0 && message[lf - 1] !== CR ? '\n' : '\r\n';
}

/** Text with CRLF line endings (armor, base64), in the line ending of the message that it goes into. */
export function inLineEnding(text: Uint8Array, eol: LineEnding): Buffer {
  const bytes = Buffer.from(text.buffer, text.byteOffset, text.byteLength);
  return eol === '\r\n' ? bytes : Buffer.from(bytes.toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
}
