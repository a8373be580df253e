// Fingerprints of TLS client certificates in the one spelling that is stored: as Postfix logs and looks them up
// (smtpd_tls_fingerprint_digest): upper-case hexadecimal pairs with colons. Pure.

/** MD5, SHA-1, SHA-224/256/384/512: digest lengths in hexadecimal digits. */
const LENGTHS: ReadonlySet<number> = new Set([32, 40, 56, 64, 96, 128]);

/**
 * Reads a fingerprint in either case, with colons between its pairs or with nothing.
 * @returns null where it is none
 */
export function normaliseFingerprint(text: string): string | null {
  const trimmed = text.trim();
  const paired = /^[0-9a-f]{2}(?::[0-9a-f]{2})+$/i.test(trimmed);
  const digits = paired ? trimmed.replaceAll(':', '') : trimmed;
  if (!/^[0-9a-f]+$/i.test(digits) || !LENGTHS.has(digits.length)) return null;
  return (digits.toUpperCase().match(/../g) ?? []).join(':');
}
