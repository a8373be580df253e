// The lines of a content of DATA: counted while they come, and made those of a message: dot-stuffing undone, every line ending
// in CRLF (RFC 5321, sections 4.5.2 and 2.3.8).
import { setImmediate as nextTurn } from 'node:timers/promises';
import { STEP_BYTES } from '../../pacing/in-steps.ts';

const CR = 13;
const LF = 10;
const DOT = 46;

/** What has been counted so far, and where the bytes so far leave us. */
export interface Survey {
  /** CRs and LFs that are no CRLF. */
  bare: number;
  /** Dots that begin a line: behind a real CRLF, or at the start. */
  dots: number;
  at: 'line start' | 'line' | 'behind CR';
}

export function beginSurvey(): Survey {
  return { bare: 0, dots: 0, at: 'line start' };
}

/**
 * Counts on through the next bytes, while the rest of the message is still on its way. Plain loops, here and in
 * {@link rewriteOn}: the cost of a call for each line would be at the sender's mercy, who may send nothing but line feeds.
 */
export function surveyOn(survey: Survey, bytes: Buffer): void {
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

/**
 * The message that a content is: dot-stuffing undone, every line ending in CRLF.
 * @param content without the final dot
 * @param size of the message in bytes, as the survey of its lines gives it
 * @returns of a large one later, so that other mail gets its turn
 */
export function unstuffed(content: Buffer, size: number): Buffer | Promise<Buffer> {
  const message = Buffer.allocUnsafe(size);
  const rewriting: Rewriting = { content, message, from: content[0] === DOT ? 1 : 0, to: 0 };
  return rewriteOn(rewriting, STEP_BYTES) ? message : restOf(rewriting);
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
