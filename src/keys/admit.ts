// Whether an owner gets a key that is new to them, whatever brought it: the command, a portal, WKD, Autocrypt. Pure.
import { KEY_SOURCES } from '../database/schema.ts';
import type { KeyKind, KeySource } from '../directory/types.ts';
import type { ImportOptions } from './import-options.ts';
import { type KeyOwner, ownerInWords } from './owner.ts';
import { type KeyRefusal, refuseNamesOthers, refuseSecond, refuseWeakerSource } from './refusals.ts';

/** A certificate that is to become an owner's. */
export interface Candidate {
  readonly fingerprint: string;
  readonly kind: KeyKind;
  /** The addresses that it names. */
  readonly names: readonly string[];
  /** Which of them are the owner's. */
  readonly isOwn: (address: string) => boolean;
  /** Its refusal, were it not a user's; null where it has not expired. */
  readonly lapsed: KeyRefusal | null;
}

/** A key that the owner has. */
export interface OtherKey {
  readonly fingerprint: string;
  readonly kind: KeyKind;
  readonly source: KeySource;
}

type Wishes = Pick<ImportOptions, 'source' | 'replace' | 'proven' | 'add' | 'anyName' | 'for'>;

/**
 * Why an owner does not get a key; null: they get it.
 *
 * - What names somebody else is taken for an administrator's word alone: that somebody would read the owner's mail.
 * - Keys that nobody handed over (Autocrypt, WKD) would be read along with the verified one: neither beside it nor instead.
 * - An expired one is taken for a user who handed it over, and takes the place of no other.
 * - A second one of its kind is another device or another person: whoever imports it says which.
 * @param others all of the owner's keys
 */
export function refuseCandidate(
  candidate: Candidate,
  owner: Pick<KeyOwner, 'kind' | 'name'>,
  others: readonly OtherKey[],
  wishes: Wishes,
): KeyRefusal | null {
  const { fingerprint, kind, names, isOwn, lapsed } = candidate;
  const { source, replace = false, proven = false, add = false, anyName = false } = wishes;
  if (wishes.for !== undefined && !anyName && names.length > 0 && !names.some(isOwn)) {
    return refuseNamesOthers(fingerprint, names, ownerInWords(owner));
  }
  const strongest = others
    .map((other) => other.source)
    .reduce((best, next) => strongerOf(best, next), source);
  if (strongest !== source && !proven && (replace || isFoundByItself(source))) {
    return refuseWeakerSource(fingerprint, source, strongest);
  }
  const same = others.filter((other) => other.kind === kind && other.fingerprint !== fingerprint);
  if (lapsed !== null && (owner.kind !== 'user' || isFoundByItself(source) || (replace && same.length > 0))) {
    return lapsed;
  }
  if (same.length === 0 || replace || add) return null;
  return refuseSecond(
    fingerprint,
    same.map((other) => other.fingerprint),
    ownerInWords(owner),
  );
}

function isFoundByItself(source: KeySource): boolean {
  return source === 'autocrypt' || source === 'wkd';
}

/** The source that counts for more. */
export function strongerOf(a: KeySource, b: KeySource): KeySource {
  return KEY_SOURCES.indexOf(a) >= KEY_SOURCES.indexOf(b) ? a : b;
}
