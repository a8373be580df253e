// The packets of one encrypted message, made by OpenPGP.js's packet classes. Its high-level functions find the encryption
// subkey and the cipher suite anew for every message and check every argument; here that is done by the caller, once for
// many messages. Its types leave the classes' fields out: they are written down here as read in 6.3.2, and package.json
// names exactly that version.
import {
  type AnyKeyPacket,
  type AnyPacket,
  createMessage,
  encrypt,
  enums,
  PacketList,
  PublicKeyEncryptedSessionKeyPacket,
  type SessionKey,
  SymEncryptedIntegrityProtectedDataPacket,
} from 'openpgp';

/** An AES-256 session key, and how the data is protected: null is SEIPD version 1, which everybody reads. */
export interface AesSessionKey {
  readonly data: Uint8Array;
  readonly aead: 'gcm' | 'ocb' | null;
}

const SessionKeyPackets = PublicKeyEncryptedSessionKeyPacket as unknown as {
  fromObject(fields: {
    readonly version: 3 | 6;
    readonly encryptionKeyPacket: AnyKeyPacket;
    readonly anonymousRecipient: boolean;
    readonly sessionKey: Uint8Array;
    readonly sessionKeyAlgorithm: enums.symmetric;
  }): AnyPacket & { encrypt(key: AnyKeyPacket): Promise<void> };
};

const DataPackets = SymEncryptedIntegrityProtectedDataPacket as unknown as {
  fromObject(fields: { readonly version: 1; readonly aeadAlgorithm: null }): AnyPacket & {
    packets: PacketList<AnyPacket> | null;
    encrypt(algorithm: enums.symmetric, sessionKey: Uint8Array): Promise<boolean>;
  };
};

/** As OpenPGP.js's high-level functions take it. */
export function sessionKeyOf({ data, aead }: AesSessionKey): SessionKey {
  return { data, algorithm: 'aes256', ...(aead === null ? {} : { aeadAlgorithm: aead }) };
}

/** What a literal packet says of its bytes (RFC 9580, section 5.9), as OpenPGP.js calls it. */
export function literalFormat(text: boolean): 'utf8' | 'binary' {
  return text ? 'utf8' : 'binary';
}

/** A literal packet's date of zero says nothing about the moment of sealing (RFC 9580, section 5.9). */
export const NO_DATE = new Date(0);

/**
 * Encrypts the session key to one key (RFC 9580, section 5.1): version 6 where the data is protected by AEAD, else 3.
 * @param hidden writes a wildcard in place of the key ID or fingerprint
 * @returns the packet in binary
 */
export async function encryptedSessionKey(
  sessionKey: AesSessionKey,
  key: AnyKeyPacket,
  hidden: boolean,
): Promise<Uint8Array> {
  const packet = SessionKeyPackets.fromObject({
    version: sessionKey.aead === null ? 3 : 6,
    encryptionKeyPacket: key,
    anonymousRecipient: hidden,
    sessionKey: sessionKey.data,
    sessionKeyAlgorithm: enums.symmetric.aes256,
  });
  await packet.encrypt(key);
  return written(packet);
}

/**
 * Encrypts the plaintext as one literal packet within an integrity-protected one (RFC 9580, section 5.13).
 * @param text whether the literal packet is one of text
 * @returns the packet in binary
 */
export async function encryptedData(
  sessionKey: AesSessionKey,
  plaintext: Uint8Array,
  text: boolean,
): Promise<Uint8Array> {
  const message = await createMessage({ binary: plaintext, date: NO_DATE, format: literalFormat(text) });
  if (sessionKey.aead !== null) {
    // Its chunks come as a stream, which only the high-level function reads to the end.
    return (await encrypt({ message, sessionKey: sessionKeyOf(sessionKey), format: 'binary' })) as Uint8Array;
  }
  const packet = DataPackets.fromObject({ version: 1, aeadAlgorithm: null });
  packet.packets = message.packets;
  await packet.encrypt(enums.symmetric.aes256, sessionKey.data);
  packet.packets = null;
  return written(packet);
}

function written(packet: AnyPacket): Uint8Array {
  const list = new PacketList<AnyPacket>();
  list.push(packet);
  return list.write();
}
