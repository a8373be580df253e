// Reading what a form sent: every field is a text of bounded length, or it is not there. Pure.
import { isFingerprint } from '../../src/keys/fingerprint.ts';

/** The text of a field; '' where it is absent, sent twice, or longer than its limit. */
export function field(body: unknown, name: string, most: number): string {
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, name)) return '';
  const value: unknown = Reflect.get(body, name);
  return typeof value === 'string' && value.length <= most ? value : '';
}

/** The one of several words that a field holds; null where it holds none of them. */
export function wordOf<Word extends string>(
  body: unknown,
  name: string,
  words: readonly Word[],
): Word | null {
  const given = field(body, name, 64);
  return words.find((word) => word === given) ?? null;
}

/** A row's number; null where the field holds none. */
export function numberOf(body: unknown, name: string): number | null {
  const given = field(body, name, 9);
  // As far as every number of a row goes (int4).
  return /^[1-9]\d{0,8}$/.test(given) ? Number(given) : null;
}

/** A fingerprint as the pages write it into forms; null where the field holds none. */
export function fingerprintOf(body: unknown, name: string): string | null {
  const given = field(body, name, 64);
  return isFingerprint(given) ? given : null;
}
