// A fingerprint as text: in capitals without blanks, as it is stored, and in groups, as people compare it. Pure.

/** Whether a text is a whole fingerprint: of a version 4 key (SHA-1), of a version 6 key, or of a certificate (SHA-256). */
export function isFingerprint(text: string): boolean {
  return /^(?:[0-9A-F]{40}|[0-9A-F]{64})$/.test(text);
}

/** Four digits each, as programs show fingerprints. */
export function grouped(fingerprint: string): string {
  return fingerprint.replace(/(.{4})(?=.)/g, '$1 ');
}
