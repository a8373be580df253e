// The content of DATA: finds the final dot however the bytes are split, keeps or swallows what comes before it, and
// turns it into the message: dot-stuffing undone, every line ending in CRLF (RFC 5321, sections 4.5.2 and 2.3.8).
import { setImmediate as nextTurn } from 'node:timers/promises';
import { copyInSteps, STEP_BYTES } from '../../pacing/in-steps.ts';

const CR = 13;
const LF = 10;
const DOT = 46;
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
    survey: { bare: 0, dots: 0, at: 'line start' },
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
  const rewriting = beginRewrite(kept, kept.length + bare - dots);
  if (rewriteOn(rewriting, STEP_BYTES)) return { ok: true, message: rewriting.message };
  return restOf(rewriting).then((message) => ({ ok: true, message }));
}

/** The bytes so far. */
interface Pieces {
  add(bytes: Buffer): void;
  /** All of them; in a large buffer that is filled step by step. */
  whole(): Buffer | Promise<Buffer>;
}

const SEGMENT_BYTES = 64 * 1024;

/**
 * Node.js reads into 64 KB, and gives back what it did not need: kept as they come, the few bytes at a time of a slow client would
 * leave holes that fit nothing, twice the message's size. Small pieces are copied behind one another instead.
 */
function createPieces(): Pieces {
  const pieces: Buffer[] = [];
  /** The last piece, while it has room. */
  let segment: Buffer | null = null;
  let filled = 0;

  function closeSegment(): void {
    if (segment !== null) pieces[pieces.length - 1] = segment.subarray(0, filled);
    segment = null;
  }

  return {
    add(bytes) {
      if (pieces.length === 0 || bytes.length >= SEGMENT_BYTES / 2) {
        closeSegment();
        pieces.push(bytes);
        return;
      }
      if (segment === null || segment.length - filled < bytes.length) {
        closeSegment();
        segment = Buffer.allocUnsafeSlow(SEGMENT_BYTES);
        filled = 0;
        pieces.push(segment);
      }
      filled += bytes.copy(segment, filled);
    },
    whole() {
      closeSegment();
      const [only] = pieces;
      if (pieces.length === 1 && only !== undefined) return only;
      const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
      return size <= STEP_BYTES ? Buffer.concat(pieces, size) : joinedInSteps(pieces, size);
    },
  };
}

async function joinedInSteps(pieces: readonly Buffer[], size: number): Promise<Buffer> {
  const whole = Buffer.allocUnsafeSlow(size);
  await copyInSteps(pieces, whole);
  return whole;
}

/** How much of CRLF.CRLF is matched after one more byte. */
function advance(matched: number, byte: number): number {
  if (byte === END[matched]) return matched + 1;
  return byte === CR ? 1 : 0;
}

/** What has been counted so far, and where the bytes so far leave us. */
interface Survey {
  /** CRs and LFs that are no CRLF. */
  bare: number;
  /** Dots that begin a line: behind a real CRLF, or at the start. */
  dots: number;
  at: 'line start' | 'line' | 'behind CR';
}

/**
 * Counts on through the next bytes, while the rest of the message is still on its way. Plain loops, here and in
 * {@link rewriteOn}: the cost of a call for each line would be at the sender's mercy, who may send nothing but line feeds.
 */
function surveyOn(survey: Survey, bytes: Buffer): void {
  const { length } = bytes;
  const words = wordsOf(bytes);
  let index = 0;
  while (index < length) {
    if (survey.at === 'line' && words !== null && index % 4 === 0) {
      index = skipLine(words, index / 4) * 4;
      if (index >= length) return;
    }
    const byte = bytes[index] ?? 0;
    index += 1;
    if (survey.at === 'behind CR') {
      if (byte === LF) {
        survey.at = 'line start';
        continue;
      }
      survey.bare += 1;
    } else if (survey.at === 'line start' && byte === DOT) survey.dots += 1;
    if (byte === LF) survey.bare += 1;
    survey.at = byte === CR ? 'behind CR' : 'line';
  }
}

/** The whole words of four bytes; null where they do not begin at an address of four. */
function wordsOf(bytes: Buffer): Int32Array | null {
  if (bytes.byteOffset % 4 !== 0) return null;
  return new Int32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 4));
}

/** The next word that may hold a byte below 14, CR and LF among them; a word too many does no harm. */
function skipLine(words: Int32Array, from: number): number {
  let index = from;
  const { length } = words;
  while (index < length) {
    const word = words[index] ?? 0;
    if (((word - 0x0e0e0e0e) & ~word & 0x80808080) !== 0) break;
    index += 1;
  }
  return index;
}

/** Content on its way to become a message. */
interface Rewriting {
  readonly content: Buffer;
  readonly message: Buffer;
  /** How much of the content is read, and of the message written. */
  from: number;
  to: number;
}

function beginRewrite(content: Buffer, size: number): Rewriting {
  return { content, message: Buffer.allocUnsafe(size), from: content[0] === DOT ? 1 : 0, to: 0 };
}

async function restOf(rewriting: Rewriting): Promise<Buffer> {
  do await nextTurn();
  while (!rewriteOn(rewriting, STEP_BYTES));
  return rewriting.message;
}

/**
 * Removes the stuffed dots and makes every bare CR and bare LF a CRLF, for so many bytes of the content.
 * @returns whether it is done
 */
function rewriteOn(rewriting: Rewriting, bytes: number): boolean {
  const { content, message } = rewriting;
  const { length } = content;
  const until = Math.min(length, rewriting.from + bytes);
  let to = rewriting.to;
  let index = rewriting.from;
  for (; index < until; index += 1) {
    const byte = content[index] ?? 0;
    if (byte !== CR && byte !== LF) {
      message[to++] = byte;
      continue;
    }
    message[to++] = CR;
    message[to++] = LF;
    if (byte === CR && content[index + 1] === LF) {
      index += 1;
      if (content[index + 1] === DOT) index += 1;
    }
  }
  rewriting.from = index;
  rewriting.to = to;
  return index >= length;
}
