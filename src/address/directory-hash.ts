// The name under which a Web Key Directory has the key of a local part. Pure.
import { createHash } from 'node:crypto';

const ALPHABET = 'ybndrfg8ejkmcpqxot1uwisza345h769';

/** What {@link directoryHash} gives: 32 letters of z-base-32. */
export const DIRECTORY_HASH = /^[ybndrfg8ejkmcpqxot1uwisza345h769]{32}$/;

/**
 * Maps ASCII letters to lower case, then SHA-1, then z-base-32 (draft-koch-openpgp-webkey-service-21, section 3.1). It hides
 * nothing: whoever has the hash can try names.
 * @param local as written, without quotes
 */
export function directoryHash(local: string): string {
  const folded = local.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  return zBase32(createHash('sha1').update(folded, 'utf8').digest());
}

/** z-base-32 (RFC 6189, section 5.1.6) of whole quintets of bits, as the twenty bytes of SHA-1 are. */
function zBase32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{5}/g) ?? []).map((quintet) => ALPHABET.charAt(Number.parseInt(quintet, 2))).join('');
}
