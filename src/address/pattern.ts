// The patterns of rules: `*` for any number of characters, `?` for exactly one, `\` before either for itself; upper and lower
// case alike. Matched piece by piece, without backtracking: a stranger's header cannot make it slow. Pure.

import { normaliseText } from './fold.ts';

/** A pattern that is longer, in characters, is refused when a rule is added. */
export const MAX_PATTERN = 256;

/** One character of a piece; null stands for any one. */
type Unit = string | null;

/** A text made ready to be matched, once for many patterns. */
export interface Subject {
  /** Folded, character by character. */
  readonly characters: readonly string[];
}

/** A pattern made ready, once for many texts: what stands between its asterisks, and the masks of each piece. */
export interface Pattern {
  readonly pieces: readonly Piece[];
}

interface Piece {
  readonly units: readonly Unit[];
  /** Made where the piece is searched for. */
  masks?: Masks;
}

/** Prepares a pattern. */
export function patternOf(pattern: string): Pattern {
  return { pieces: piecesOf(fold(pattern)).map((units) => ({ units })) };
}

/** Prepares a text. */
export function subjectOf(text: string): Subject {
  return { characters: Array.from(fold(text)) };
}

/**
 * Whether a pattern matches a whole text. Takes time in proportion to the text's length, for each 32 characters of the pattern's longest
 * piece.
 */
export function matchesPattern(pattern: string | Pattern, text: string | Subject): boolean {
  const { characters } = typeof text === 'string' ? subjectOf(text) : text;
  const { pieces } = typeof pattern === 'string' ? patternOf(pattern) : pattern;
  const [first = EMPTY, ...rest] = pieces;
  if (!standsAt(first, characters, 0)) return false;
  const last = rest.pop();
  if (last === undefined) return characters.length === first.units.length;
  let at = first.units.length;
  // The leftmost place for each piece leaves the most room for the others.
  for (const piece of rest) {
    const end = endOfFirst(piece, characters, at);
    if (end === null) return false;
    at = end;
  }
  const from = characters.length - last.units.length;
  return from >= at && standsAt(last, characters, from);
}

const EMPTY: Piece = { units: [] };

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

/**
 * Where the first match of a piece ends, from an offset on. Looks at each character once (Baeza-Yates and Gonnet, "shift-and"): one bit for
 * each unit of the piece tells whether the text so far ends with the piece up to there.
 */
function endOfFirst(piece: Piece, subject: readonly string[], from: number): number | null {
  const { length } = piece.units;
  if (length === 0) return from;
  const words = Math.ceil(length / WORD);
  piece.masks ??= masksOf(piece.units, words);
  const { masks } = piece;
  const any = masks.get(null) ?? new Uint32Array(words);
  const state = new Uint32Array(words);
  const lastBit = 1 << ((length - 1) % WORD);
  for (let at = from; at < subject.length; at += 1) {
    const mask = masks.get(subject[at] ?? null) ?? any;
    let carry = 1;
    for (let word = 0; word < words; word += 1) {
      const before = state[word] ?? 0;
      state[word] = ((before << 1) | carry) & (mask[word] ?? 0);
      carry = before >>> (WORD - 1);
    }
    if (((state[words - 1] ?? 0) & lastBit) !== 0) return at + 1;
  }
  return null;
}

/** Bits of a word of the state. */
const WORD = 32;

type Masks = ReadonlyMap<Unit, Uint32Array>;

/** For each character of the piece the units that it may stand for; under null those that any character may. */
function masksOf(piece: readonly Unit[], words: number): Masks {
  const masks = new Map<Unit, Uint32Array>([[null, new Uint32Array(words)]]);
  for (const unit of piece) if (!masks.has(unit)) masks.set(unit, new Uint32Array(words));
  for (const [character, mask] of masks) {
    for (const [index, unit] of piece.entries()) {
      if (unit !== null && unit !== character) continue;
      const word = Math.floor(index / WORD);
      mask[word] = (mask[word] ?? 0) | (1 << (index % WORD));
    }
  }
  return masks;
}

function standsAt({ units }: Piece, subject: readonly string[], at: number): boolean {
  if (at + units.length > subject.length) return false;
  return units.every((unit, index) => unit === null || unit === subject[at + index]);
}
