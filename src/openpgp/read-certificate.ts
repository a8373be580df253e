// One certificate as OpenPGP.js's object, with user IDs that keep their bytes. OpenPGP.js reads user IDs as UTF-8 and writes
// them again: in one of ISO-8859-1 that changes what was signed, and the whole certificate counts for nothing.
import {
  type AnyPacket,
  config as defaults,
  PacketList,
  type PartialConfig,
  PublicKey,
  PublicKeyPacket,
  PublicSubkeyPacket,
  SecretKeyPacket,
  SecretSubkeyPacket,
  SignaturePacket,
  UserAttributePacket,
  UserIDPacket,
} from 'openpgp';

/** A user ID (RFC 9580, section 5.11) that is written as it was read. */
export class ExactUserIdPacket extends UserIDPacket {
  #bytes: Uint8Array = new Uint8Array();

  override read(bytes: Uint8Array): void {
    this.#bytes = bytes.slice();
    super.read(isUtf8(bytes) ? bytes : Buffer.from(Buffer.from(bytes).toString('latin1')));
  }

  override write(): Uint8Array {
    return this.#bytes;
  }
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** What tells one user ID from another: its bytes, since two may read alike. */
export function userIdName(packet: UserIDPacket): string {
  return Buffer.from(packet.write()).toString('latin1');
}

/** A class for each packet that a public certificate has. */
export const CERTIFICATE_PACKETS = [
  PublicKeyPacket,
  PublicSubkeyPacket,
  ExactUserIdPacket,
  UserAttributePacket,
  SignaturePacket,
] as const;

/** By tag, as OpenPGP.js takes them: a plain object, though its types say Map. */
export function packetsByTag(classes: readonly { readonly tag: number }[]) {
  return Object.fromEntries(classes.map((each) => [each.tag, each])) as unknown as Parameters<
    typeof PacketList.fromBinary
  >[1];
}

const READABLE = packetsByTag([...CERTIFICATE_PACKETS, SecretKeyPacket, SecretSubkeyPacket]);

/**
 * Reads one certificate.
 * @param binary exactly one, without armor
 * @param config how OpenPGP.js is to read
 * @returns the key, or null where it is a secret one; rejects with an Error where it cannot be read
 */
export async function readCertificate(binary: Uint8Array, config: PartialConfig): Promise<PublicKey | null> {
  const packets: PacketList<AnyPacket> = await PacketList.fromBinary(binary, READABLE, {
    ...defaults,
    ...config,
  });
  if (packets.some((packet) => packet instanceof SecretKeyPacket || packet instanceof SecretSubkeyPacket)) {
    return null;
  }
  return new PublicKey(packets);
}
