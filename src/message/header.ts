// The header section over raw bytes (RFC 5322, section 2.2): fields with everything that belongs to them, and the body. Nothing
// is decoded, copied or repaired here: the parts put together again are the message.

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

/** Where the parts of a message lie. */
interface Extent {
  /** End of the mbox line. */
  readonly preamble: number;
  /** End of the last field. */
  readonly fields: number;
  /** Begin of the body, behind the empty line if there is one. */
  readonly body: number;
}

/** The raw header section: its fields, and nothing of what follows. */
export function rawHeader(message: Buffer): Buffer {
  const { preamble, fields } = walkHeader(message, () => true);
  return message.subarray(preamble, fields);
}

/**
 * Walks through the header section, keeping nothing. Linear in its length.
 *
 * A line ends with CRLF, LF or a bare CR: what one program takes for a body and another for a header field must be
 * sealed. A line that is neither a field nor the continuation of one begins the body, as in Postfix's cleanup(8).
 * @param visit gets the offsets of each field: begin, end of the name, end of the field; false ends the walk, and what
 * follows counts as body
 */
export function walkHeader(
  message: Buffer,
  visit: (from: number, nameEnd: number, end: number) => boolean,
): Extent {
  const preamble = isMboxLine(message) ? lineEnd(message, 0) : 0;
  let at = preamble;
  while (at < message.length) {
    const first = message[at];
    if (first === CR || first === LF) return { preamble, fields: at, body: lineEnd(message, at) };
    const nameEnd = fieldNameEnd(message, at);
    if (nameEnd === null) break;
    let end = lineEnd(message, at);
    while (end < message.length && (message[end] === SPACE || message[end] === TAB))
      end = lineEnd(message, end);
    if (!visit(at, nameEnd, end)) break;
    at = end;
  }
  return { preamble, fields: at, body: at };
}

/** "From alice@example.org Mon Feb 5 ...", and not the field "From :". */
export function isMboxLine(message: Buffer): boolean {
  return message.toString('latin1', 0, 5) === 'From ' && fieldNameEnd(message, 0) === null;
}

/** Takes a message apart. The parts are views into `message`. */
export function splitMessage(message: Buffer): MessageParts {
  const fields: HeaderField[] = [];
  const extent = walkHeader(message, (from, nameEnd, end) => {
    if (fields.length === MAX_FIELDS) return false;
    const name = message.toString('latin1', from, nameEnd).toLowerCase();
    fields.push({ name, raw: message.subarray(from, end) });
    return true;
  });
  return {
    preamble: message.subarray(0, extent.preamble),
    fields,
    separator: message.subarray(extent.fields, extent.body),
    body: message.subarray(extent.body),
  };
}

/** The offset behind the line that `from` lies in, its ending included. */
function lineEnd(message: Buffer, from: number): number {
  for (let at = from; at < message.length; at += 1) {
    if (message[at] === LF) return at + 1;
    if (message[at] === CR) return message[at + 1] === LF ? at + 2 : at + 1;
  }
  return message.length;
}

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
