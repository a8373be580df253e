// Revocations by somebody whom the owner named for it (RFC 9580, section 5.2.3.23): only the revoker's key could prove them.
// What a revoked key or subkey does: timeline.ts.
import { enums, type SignaturePacket } from 'openpgp';
import { type Original, readSignature } from './original.ts';
import { packetPieces } from './packet-pieces.ts';
import { type KeyRefusal, refuseDesignatedRevoker, refuseNamedRevoker } from './refusals.ts';

/**
 * What a designated revoker means for a certificate that is handed over.
 * @param given its packets, in binary
 * @param original what of it the primary key vouches for
 * @param hasUserId whether one of its user IDs counts: OpenPGP.js takes no self-signature that names a revoker
 * @returns null where nothing stands against it
 */
export function refuseByRevoker(
  fingerprint: string,
  given: Uint8Array,
  original: Original,
  hasUserId: boolean,
): KeyRefusal | null {
  const ofUsers = original.users.flatMap(({ signatures }) => signatures);
  const named = revokersIn([...original.primary.signatures, ...ofUsers].map(readSignature));
  const [first] = named;
  if (first === undefined) return null;
  const revocations = (packetPieces(given) ?? [])
    .filter(({ tag }) => tag === enums.packet.signature)
    .map(readSignature)
    .filter((signature) => signature?.signatureType === enums.signature.keyRevocation);
  const revoker = named.find((each) => revocations.some((signature) => isBy(signature, each)));
  if (revoker !== undefined) return refuseDesignatedRevoker(fingerprint, revoker);
  return hasUserId || revokersIn(ofUsers.map(readSignature)).length === 0
    ? null
    : refuseNamedRevoker(fingerprint, first);
}

function revokersIn(signatures: readonly (SignaturePacket | null)[]): readonly string[] {
  return signatures.flatMap((signature) => {
    const revoker = signature?.revocationKeyFingerprint ?? null;
    return revoker === null ? [] : [hexOf(revoker)];
  });
}

function isBy(signature: SignaturePacket | null, fingerprint: string): boolean {
  if (signature === null) return false;
  const { issuerFingerprint, issuerKeyID } = signature;
  if (issuerFingerprint !== null) return hexOf(issuerFingerprint) === fingerprint;
  return fingerprint.endsWith(issuerKeyID.toHex().toUpperCase());
}

/** Upper-case hexadecimal digits. */
function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex').toUpperCase();
}
