// Text made comparable: Unicode's full case folding and NFC. Postfix folds what its maps are asked for in the same way
// (casefold(3) over ICU's ucasemap_utf8FoldCase), so what Postfix takes for one address is one address here. Pure.
import { SEVERAL, SINGLE } from './case-folding.ts';

/**
 * The longest run of combining marks that is normalised (UAX #15, "Stream-Safe Text Format"): to sort a run takes time that
 * grows with its square.
 */
export const MAX_MARKS = 30;

/** What stands for text that no stored address has. */
export const UNREADABLE = '\ufffd';

/** What each code point folds to, where that is not itself. */
const FOLDED: ReadonlyMap<number, string> = new Map([
  ...SINGLE.flatMap(([first, last, step, distance]) =>
    Array.from({ length: (last - first) / step + 1 }, (_, index): [number, string] => {
      const from = first + index * step;
      return [from, String.fromCodePoint(from + distance)];
    }),
  ),
  ...SEVERAL.map(([from, to]): [number, string] => [from, String.fromCodePoint(...to)]),
]);

const ASCII = /^[\x00-\x7f]*$/;

/**
 * Full case folding (Unicode Standard, section 5.18; CaseFolding.txt, statuses C and F): `STRASSE` and `Straße` are one,
 * `alıce` is not `alice`. Needs no language and no context, and a second time changes nothing. Does not normalise.
 */
export function foldCase(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  let folded = '';
  for (const character of text) folded += FOLDED.get(character.codePointAt(0) ?? 0) ?? character;
  return folded;
}

/**
 * NFC in linear time, for text that is compared with other text. A longer run of marks is broken up by U+034F COMBINING
 * GRAPHEME JOINER, as UAX #15 has it.
 */
export function normaliseText(text: string): string {
  return ASCII.test(text) ? text : text.replace(LONG_RUN, '$&\u034f').normalize('NFC');
}

/** Folds and normalises; see {@link normaliseText}. */
export function foldText(text: string): string {
  return foldCase(normaliseText(text)).normalize('NFC');
}

const LONG_RUN = new RegExp(`\\p{M}{${MAX_MARKS}}(?=\\p{M})`, 'gu');
const REST_OF_RUN = new RegExp(`(\\p{M}{${MAX_MARKS}})\\p{M}+`, 'gu');

/**
 * NFC for a name that is looked up. Beyond the bounds it ends in U+FFFD, which no stored address has: the name is nobody's,
 * while its domain, and what stands in front of an extension, can still be read.
 * @param most UTF-16 units that are looked at
 */
export function normaliseName(name: string, most: number): string {
  if (ASCII.test(name) && name.length <= most) return name;
  // Half a surrogate pair is no character.
  const cut =
    name.length <= most ? name : `${name.slice(0, most).replace(/[\ud800-\udbff]$/, '')}${UNREADABLE}`;
  return cut.replace(REST_OF_RUN, `$1${UNREADABLE}`).normalize('NFC');
}

/** Whether a name is within the bounds of {@link normaliseName}. */
export function isWithinBounds(name: string, most: number): boolean {
  return name.length <= most && name.search(LONG_RUN) === -1;
}
