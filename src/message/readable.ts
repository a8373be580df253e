// Whether an encrypted message can be read with some keys, as far as it says itself to whom it was encrypted.
import type { Detection } from './detection.ts';

/** Hexadecimal digits of a v6 fingerprint; v4 ones have 40. */
const V6_DIGITS = 64;

/**
 * Whether a message is encrypted to one of these keys. A key ID is the end of a v4 fingerprint and the beginning of a v6 one
 * (RFC 9580, section 5.5.4).
 * @param fingerprints of everything that can decrypt, subkeys included; lower case
 * @returns null where that cannot be told: it is not encrypted, names no key (a password, CMS), or hides one
 */
export function canRead(detection: Detection, fingerprints: readonly string[]): boolean | null {
  if (!detection.encrypted) return null;
  const ids = detection.keyIds;
  if (ids.some((id) => fingerprints.some((fingerprint) => names(id, fingerprint)))) return true;
  return ids.length === 0 || ids.some(isWildcard) ? null : false;
}

function names(id: string, fingerprint: string): boolean {
  if (id.length === fingerprint.length) return id === fingerprint;
  return fingerprint.length === V6_DIGITS ? fingerprint.startsWith(id) : fingerprint.endsWith(id);
}

/** Section 5.1: a key ID of zeros is that of a recipient who is hidden. */
function isWildcard(id: string): boolean {
  return /^0+$/.test(id);
}
