// Random secrets of which only the hash is stored. They are 256 bits, so that a slow hash would add nothing.
import { createHash, randomBytes } from 'node:crypto';

/** @returns 43 characters of base64url, and their SHA-256 */
export function makeSecret(): { readonly secret: string; readonly hash: Buffer } {
  const secret = randomBytes(32).toString('base64url');
  return { secret, hash: sha256(secret) };
}

/** Whether a text has the form of a secret; anything else is not even looked up. */
export function isSecret(text: string): boolean {
  return /^[\w-]{43}$/.test(text);
}

/** SHA-256; null for what can be no secret of ours, whoever sent it. */
export function hashSecret(secret: string): Buffer | null {
  return isSecret(secret) ? sha256(secret) : null;
}

function sha256(secret: string): Buffer {
  return createHash('sha256').update(secret, 'latin1').digest();
}
