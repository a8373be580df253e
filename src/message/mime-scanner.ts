// Finds the delimiter lines of nested multiparts (RFC 2046, section 5.1) in one pass over a body.

import { isWhiteSpace } from './white-space.ts';

export interface Delimiter {
  /** Where the region before it ends; the line ending before the delimiter belongs to the delimiter. */
  readonly before: number;
  /** Behind the delimiter's own line. */
  readonly after: number;
  readonly boundary: string;
  /** `--boundary--` */
  readonly closing: boolean;
}

const LF = 0x0a;
const CR = 0x0d;
const HYPHEN = 0x2d;
const DASHES = Buffer.from('\n--', 'latin1');

/** RFC 2046 allows 70 characters; what is much longer is no delimiter line. */
const MAX_LINE = 1000;

/**
 * The next line that is a delimiter of one of the active boundaries.
 * @param from begin of a line
 * @param until lines that begin here or later are not looked at
 */
export function nextDelimiter(
  body: Buffer,
  from: number,
  until: number,
  active: ReadonlyMap<string, number>,
): Delimiter | null {
  // A body may consist of lines that begin with two hyphens: what cannot be a delimiter is not worth a text of its own.
  const initials = new Set([...active.keys()].map((boundary) => boundary.charCodeAt(0)));
  let line = body[from] === HYPHEN && body[from + 1] === HYPHEN ? from : nextDashes(body, from);
  while (line >= 0 && line < until) {
    const end = initials.has(body[line + 2] ?? LF) ? lineEnd(body, line) : null;
    const found =
      end === null
        ? null
        : matchDelimiter(body.toString('latin1', line + 2, textEnd(body, line + 2, end)), active);
    if (end !== null && found !== null)
      return { ...found, before: withoutLineEnding(body, from, line), after: end };
    line = nextDashes(body, line);
  }
  return null;
}

/** Behind the line that begins there; null where it is too long for a delimiter. */
function lineEnd(body: Buffer, line: number): number | null {
  const lf = body.subarray(line, line + MAX_LINE).indexOf(LF);
  if (lf >= 0) return line + lf + 1;
  return body.length - line < MAX_LINE ? body.length : null;
}

/** Without the white space at its end: RFC 2046's transport padding, and the line ending. Other bytes belong to the line. */
function textEnd(body: Buffer, from: number, end: number): number {
  let at = end;
  while (at > from && isWhiteSpace(body[at - 1])) at -= 1;
  return at;
}

function nextDashes(body: Buffer, from: number): number {
  const found = body.indexOf(DASHES, from);
  return found < 0 ? -1 : found + 1;
}

function matchDelimiter(
  text: string,
  active: ReadonlyMap<string, number>,
): { readonly boundary: string; readonly closing: boolean } | null {
  if (active.has(text)) return { boundary: text, closing: false };
  const boundary = text.slice(0, -2);
  return text.endsWith('--') && active.has(boundary) ? { boundary, closing: true } : null;
}

function withoutLineEnding(body: Buffer, from: number, line: number): number {
  let end = line;
  if (end > from && body[end - 1] === LF) end -= 1;
  if (end > from && body[end - 1] === CR) end -= 1;
  return end;
}
