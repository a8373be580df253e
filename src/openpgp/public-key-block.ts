// Are these bytes certificates, and nothing besides (RFC 9580, section 10.1)? Only the packets' framing is read.
import { enums } from 'openpgp';
import { nextPacket } from './encrypted-message.ts';

/** More than any certificate that somebody sends along with a letter. */
const MAX_BYTES = 256 * 1024;
/** A name and an address. A longer user ID might be a letter. */
const MAX_USER_ID = 512;
/** ML-KEM-1024 with X448 takes 1.7 KB. */
const MAX_KEY = 8192;

const KEY_VERSIONS: ReadonlySet<number | undefined> = new Set([3, 4, 5, 6]);
const { publicKey, publicSubkey, userID, signature, marker } = enums.packet;

/** Whether bytes are one or more transferable public keys. Pictures (user attributes) are none of what is allowed. */
export function isPublicKeyBlock(bytes: Uint8Array): boolean {
  if (bytes.length > MAX_BYTES) return false;
  let keys = 0;
  for (let at = 0; at < bytes.length; ) {
    const packet = nextPacket(bytes, at);
    if (packet === null || packet.partial || !belongs(packet.tag, packet.body, keys)) return false;
    if (packet.tag === publicKey) keys += 1;
    at = packet.end;
  }
  return keys > 0;
}

function belongs(tag: number, body: Uint8Array, keys: number): boolean {
  switch (tag) {
    case marker:
      return Buffer.from(body).toString('latin1') === 'PGP';
    case publicKey:
      return KEY_VERSIONS.has(body[0]) && body.length <= MAX_KEY;
    case publicSubkey:
      return keys > 0 && KEY_VERSIONS.has(body[0]) && body.length <= MAX_KEY;
    case userID:
      return keys > 0 && body.length <= MAX_USER_ID;
    case signature:
      return keys > 0;
    default:
      return false;
  }
}
