// Random secrets of which only the hash is stored. They are 256 bits, so that a slow hash would add nothing.
import { createHash, randomBytes } from 'node:crypto';

/** 43 characters of base64url. */
export function makeSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** SHA-256; null for what can be no secret of ours, whoever sent it. */
export function hashSecret(secret: string): Buffer | null {
  return /^[\w-]{43}$/.test(secret) ? createHash('sha256').update(secret, 'latin1').digest() : null;
}
