// The content of DATA: finds the final dot however the bytes are split, keeps or swallows what comes before it, and judges the
// whole of it (RFC 5321, section 4.1.1.4).
import { beginSurvey, type Survey, surveyOn, unstuffed } from './data-lines.ts';
import { createPieces, type Pieces } from './data-pieces.ts';

const CR = 13;
const END = Buffer.from('\r\n.\r\n');

/** What became of the content. */
export type DataOutcome =
  | { readonly ok: true; readonly message: Buffer }
  | { readonly ok: false; readonly because: 'too-large' | 'no-room' | 'bare-newline' };

export interface DataParserOptions {
  /** The largest message in bytes, dot-stuffing undone. */
  readonly maxBytes: number;
  readonly bareNewline: 'normalise' | 'reject';
  /** Called before more bytes are kept; false makes the rest be swallowed. */
  readonly grow: (bytes: number) => boolean;
  /** Called once as soon as the message will not be kept, so that its memory can be given to others. */
  readonly dropped?: () => void;
}

export interface DataParser {
  /**
   * Takes the next bytes of the connection.
   * @returns how many of them belong to the content, final dot included; -1 while the final dot has not come
   */
  push(bytes: Buffer): number;
  /** The outcome, once {@link push} has found the end; of a large message later, so that other mail gets its turn. */
  finish(): DataOutcome | Promise<DataOutcome>;
}

/** The content of one DATA command so far. */
interface Content {
  readonly options: DataParserOptions;
  /** The most bytes on the wire for options.maxBytes. */
  readonly maxOnWire: number;
  readonly survey: Survey;
  kept: Pieces;
  size: number;
  /** How much of CRLF.CRLF the bytes so far end with. */
  matched: number;
  refused: 'too-large' | 'no-room' | null;
}

/** Reads the content of one DATA command; the first byte pushed is the first one behind the CRLF of our 354. */
export function createDataParser(options: DataParserOptions): DataParser {
  const content: Content = {
    options,
    // A stuffed line is at least four bytes on the wire for three of the message; the exact check is in judgeContent().
    maxOnWire: Math.ceil((options.maxBytes * 4) / 3) + END.length,
    survey: beginSurvey(),
    kept: createPieces(),
    size: 0,
    // The content begins as if behind a CRLF.
    matched: 2,
    refused: null,
  };
  return { push: (bytes) => push(content, bytes), finish: () => finish(content) };
}

function push(content: Content, bytes: Buffer): number {
  // An end that began in earlier bytes is complete within the next four.
  for (let index = 0; index < bytes.length && index < END.length - 1; index += 1) {
    content.matched = advance(content.matched, bytes[index] ?? 0);
    if (content.matched === END.length) {
      keep(content, bytes.subarray(0, index + 1));
      return index + 1;
    }
  }
  const found = bytes.indexOf(END);
  if (found !== -1) {
    keep(content, bytes.subarray(0, found + END.length));
    return found + END.length;
  }
  if (bytes.length >= END.length) {
    content.matched = 0;
    for (let index = bytes.length - END.length + 1; index < bytes.length; index += 1) {
      content.matched = advance(content.matched, bytes[index] ?? 0);
    }
  }
  keep(content, bytes);
  return -1;
}

function keep(content: Content, bytes: Buffer): void {
  if (content.refused !== null || bytes.length === 0) return;
  const { options } = content;
  if (content.size + bytes.length > content.maxOnWire) content.refused = 'too-large';
  else if (!options.grow(bytes.length)) content.refused = 'no-room';
  if (content.refused !== null) {
    content.kept = createPieces();
    options.dropped?.();
    return;
  }
  content.size += bytes.length;
  content.kept.add(bytes);
  surveyOn(content.survey, bytes);
}

function finish(content: Content): DataOutcome | Promise<DataOutcome> {
  if (content.refused !== null) return { ok: false, because: content.refused };
  const wire = content.kept.whole();
  content.kept = createPieces();
  return wire instanceof Promise
    ? wire.then((whole) => judgeContent(content, whole))
    : judgeContent(content, wire);
}

function judgeContent({ options, survey }: Content, wire: Buffer): DataOutcome | Promise<DataOutcome> {
  // Without the final dot, which the survey has taken for a stuffed one, and its CRLF.
  const kept = wire.subarray(0, wire.length - 3);
  const { bare } = survey;
  const dots = survey.dots - 1;
  if (bare > 0 && options.bareNewline === 'reject') {
    options.dropped?.();
    return { ok: false, because: 'bare-newline' };
  }
  if (kept.length + bare - dots > options.maxBytes) {
    options.dropped?.();
    return { ok: false, because: 'too-large' };
  }
  if (bare + dots === 0) return { ok: true, message: kept };
  const message = unstuffed(kept, kept.length + bare - dots);
  return message instanceof Promise
    ? message.then((whole) => ({ ok: true, message: whole }))
    : { ok: true, message };
}

/** How much of CRLF.CRLF is matched after one more byte. */
function advance(matched: number, byte: number): number {
  if (byte === END[matched]) return matched + 1;
  return byte === CR ? 1 : 0;
}
