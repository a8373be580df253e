// When mail comes to be sealed with another part of a key though nobody changes anything: the certificate itself says since when, and
// until when, each of its encryption subkeys counts. Pure.
import type { Window } from '../keys/facts.ts';

/** One such moment. Fingerprints are of subkeys, or of a primary key that encrypts by itself. */
export interface SubkeyChange {
  /** Unix milliseconds. */
  readonly at: number;
  readonly before: string;
  readonly after: string;
}

/**
 * The moments at which another subkey takes over.
 * @param windows of the certificate, in order; a gap between two of them is none of these moments, its end is
 * @param from Unix milliseconds; later moments only
 * @param until and none after this one
 */
export function subkeyChanges(
  windows: readonly Window[],
  { from, until }: Readonly<{ from: number; until: number }>,
): readonly SubkeyChange[] {
  return windows.slice(1).flatMap(({ from: at, subkey: after }, index) => {
    const before = windows[index]?.subkey ?? after;
    return before !== after && at > from && at <= until ? [{ at, before, after }] : [];
  });
}
