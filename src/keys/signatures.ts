// What the self-signatures of a certificate say of its parts: which of them count, what is revoked, what may encrypt. Pure.
import { enums, type SignaturePacket } from 'openpgp';
import type { SubkeyComponent, UserComponent } from './components.ts';
import { acceptsHash, type KeyPolicy } from './policy.ts';

/** Self-signatures over a hash that is accepted. */
export function counted(
  signatures: readonly SignaturePacket[],
  policy: KeyPolicy,
): readonly SignaturePacket[] {
  return signatures.filter(({ hashAlgorithm }) => acceptsHash(policy, hashAlgorithm));
}

/**
 * Whether a user ID is revoked. Unlike a key or subkey it can come back: a revocation takes back earlier certifications only
 * (RFC 9580, section 5.2.1.13).
 */
export function isRevokedUser({ certifications, revocations }: UserComponent, policy: KeyPolicy): boolean {
  const certified = newestOf(counted(certifications, policy));
  return revocations.some((revocation) => certified === undefined || timeOf(revocation) >= timeOf(certified));
}

/** The signature that was made last. */
export function newestOf(signatures: readonly SignaturePacket[]): SignaturePacket | undefined {
  return signatures.reduce<SignaturePacket | undefined>(
    (newest, signature) => (newest === undefined || timeOf(signature) > timeOf(newest) ? signature : newest),
    undefined,
  );
}

/** When a signature was made. Unix milliseconds. */
export function timeOf(signature: SignaturePacket): number {
  return signature.created?.getTime() ?? 0;
}

/** When a signature makes a key expire that was created then. Unix milliseconds; null: never. */
export function keyExpiryOf(created: Date, signature: SignaturePacket): number | null {
  if (signature.keyNeverExpires !== false || signature.keyExpirationTime === null) return null;
  return created.getTime() + signature.keyExpirationTime * 1000;
}

/** Algorithms of public keys that can encrypt. */
export const ENCRYPTING: ReadonlySet<enums.publicKey> = new Set([
  enums.publicKey.rsaEncryptSign,
  enums.publicKey.rsaEncrypt,
  enums.publicKey.elgamal,
  enums.publicKey.ecdh,
  enums.publicKey.x25519,
  enums.publicKey.x448,
]);

/** Whether a self-signature lets its key encrypt (key flags, RFC 9580, section 5.2.3.29). */
export function mayEncrypt({ keyFlags }: SignaturePacket): boolean {
  return ((keyFlags?.[0] ?? 0) & (enums.keyFlags.encryptCommunication | enums.keyFlags.encryptStorage)) !== 0;
}

/** Whether a subkey can encrypt by its algorithm and was ever meant to. */
export function canEncrypt({ packet, bindings }: SubkeyComponent): boolean {
  return ENCRYPTING.has(packet.algorithm) && bindings.some(mayEncrypt);
}
