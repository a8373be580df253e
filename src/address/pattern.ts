// The patterns of rules: `*` for any number of characters, `?` for exactly one, `\` before either for itself; upper and lower
// case alike. Matched piece by piece, without backtracking: a stranger's header cannot make it slow. Pure.

import { normaliseText } from './fold.ts';

/** A pattern that is longer, in characters, is refused when a rule is added. */
export const MAX_PATTERN = 256;

/** One character of a piece; null stands for any one. */
type Unit = string | null;

/**
 * Whether a pattern matches a whole text. Takes at most (length of the pattern) x (length of the text) steps, and usually
 * no more than the text is long.
 */
export function matchesPattern(pattern: string, text: string): boolean {
  const pieces = piecesOf(fold(pattern));
  const subject = Array.from(fold(text));
  const [first = [], ...rest] = pieces;
  if (!standsAt(first, subject, 0)) return false;
  const last = rest.pop();
  if (last === undefined) return subject.length === first.length;
  let at = first.length;
  // The leftmost place for each piece leaves the most room for the others.
  for (const piece of rest) {
    const found = find(piece, subject, at);
    if (found === null) return false;
    at = found + piece.length;
  }
  return subject.length - last.length >= at && standsAt(last, subject, subject.length - last.length);
}

/** Letter by letter, so that `?` is one: ß is not ss here. */
function fold(text: string): string {
  return normaliseText(text).toLowerCase();
}

/** What stands between the asterisks; one piece where there is none. */
function piecesOf(pattern: string): readonly (readonly Unit[])[] {
  let piece: Unit[] = [];
  const pieces = [piece];
  const characters = Array.from(pattern);
  for (let index = 0; index < characters.length; index += 1) {
    const character = characters[index] ?? '';
    const next = characters[index + 1];
    if (character === '\\' && next !== undefined) {
      piece.push(next);
      index += 1;
    } else if (character === '*') {
      piece = [];
      pieces.push(piece);
    } else piece.push(character === '?' ? null : character);
  }
  return pieces;
}

function find(piece: readonly Unit[], subject: readonly string[], from: number): number | null {
  for (let at = from; at + piece.length <= subject.length; at += 1)
    if (standsAt(piece, subject, at)) return at;
  return null;
}

function standsAt(piece: readonly Unit[], subject: readonly string[], at: number): boolean {
  if (at + piece.length > subject.length) return false;
  return piece.every((unit, index) => unit === null || unit === subject[at + index]);
}
