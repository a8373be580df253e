// Revocations by somebody whom the owner named for it (RFC 9580, section 5.2.3.23): only the revoker's key could prove them.
import type { PublicKey, SignaturePacket } from 'openpgp';
import type { Components } from './components.ts';

/**
 * Whose revocation a certificate carries, beside the owner's own: whether it is a true one cannot be told here.
 * @param key as it was handed over
 * @returns the revoker's fingerprint, upper-case hexadecimal digits; null where there is none
 */
export function designatedRevoker(key: PublicKey, { direct, users }: Components): string | null {
  const named = [...direct, ...users.flatMap(({ certifications }) => certifications)].flatMap(
    ({ revocationKeyFingerprint }) =>
      revocationKeyFingerprint === null ? [] : [hexOf(revocationKeyFingerprint)],
  );
  // Missing from OpenPGP.js's types.
  const { revocationSignatures } = key as PublicKey & {
    readonly revocationSignatures: readonly SignaturePacket[];
  };
  return named.find((fingerprint) => revocationSignatures.some((each) => isBy(each, fingerprint))) ?? null;
}

function isBy({ issuerFingerprint, issuerKeyID }: SignaturePacket, fingerprint: string): boolean {
  if (issuerFingerprint !== null) return hexOf(issuerFingerprint) === fingerprint;
  return fingerprint.endsWith(issuerKeyID.toHex().toUpperCase());
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').toUpperCase();
}
