// Is this an encrypted OpenPGP message, and to which keys? Only the packets' framing is read here; what a session key packet
// says is OpenPGP.js's business. Its own reader would do, but can be kept busy for minutes by 25 MB of empty packets.
import { enums, PublicKeyEncryptedSessionKeyPacket, SymEncryptedSessionKeyPacket } from 'openpgp';

/** A packet of this many bytes or more is no session key. */
const MAX_SESSION_KEY_PACKET = 64 * 1024;
const MAX_SESSION_KEY_PACKETS = 5000;
/** Prefix, shortest literal packet and checksum: less than this cannot be a message. */
const MIN_DATA = 40;
/** RFC 9580, section 4.2.1.4: the first partial length is at least 512 octets. */
const MIN_FIRST_PARTIAL = 512;

interface Packet {
  readonly tag: number;
  /** The body; of a packet in partial lengths only the first piece. */
  readonly body: Uint8Array;
  readonly partial: boolean;
  readonly end: number;
}

/**
 * Whether bytes are an encrypted message of RFC 9580, section 10.3: one or more PKESK or SKESK packets, then one SEIPD or
 * AEAD data packet, and nothing else up to the last byte. The old data packet without integrity protection is not enough.
 * @returns key IDs of 16 or fingerprints of 40 or 64 hexadecimal digits in lower case, 16 zeros for a wildcard, none for a
 * password or a version that OpenPGP.js does not know; null when the bytes are anything else
 */
export function encryptedMessageKeyIds(bytes: Uint8Array): string[] | null {
  const keyIds: string[] = [];
  let sessionKeys = 0;
  let at = 0;
  for (;;) {
    const packet = nextPacket(bytes, at);
    if (packet === null) return null;
    const { tag, body } = packet;
    if (isData(tag)) {
      const whole = packet.end === bytes.length && body.length + (packet.partial ? MIN_DATA : 0) >= MIN_DATA;
      return whole && sessionKeys > 0 && isKnownVersion(tag, body[0]) ? keyIds : null;
    }
    if (packet.partial || body.length >= MAX_SESSION_KEY_PACKET) return null;
    if (tag === enums.packet.marker) {
      // To be ignored, whoever still writes it (section 5.8).
      if (Buffer.from(body).toString('latin1') !== 'PGP') return null;
    } else {
      const keyId = readSessionKey(tag, body);
      sessionKeys += 1;
      if (keyId === null || sessionKeys > MAX_SESSION_KEY_PACKETS) return null;
      if (keyId !== '') keyIds.push(keyId);
    }
    at = packet.end;
  }
}

function isData(tag: number): boolean {
  return tag === enums.packet.symEncryptedIntegrityProtectedData || tag === enums.packet.aeadEncryptedData;
}

function isKnownVersion(tag: number, version: number | undefined): boolean {
  return version === 1 || (version === 2 && tag === enums.packet.symEncryptedIntegrityProtectedData);
}

/** The key ID or fingerprint, '' where there is none to tell, null when this is no session key packet. */
function readSessionKey(tag: number, body: Uint8Array): string | null {
  if (tag === enums.packet.symEncryptedSessionKey) {
    return readBody(() => new SymEncryptedSessionKeyPacket().read(body)) ? '' : null;
  }
  if (tag !== enums.packet.publicKeyEncryptedSessionKey) return null;
  const packet = new PublicKeyEncryptedSessionKeyPacket();
  if (!readBody(() => packet.read(body))) return null;
  // Both fields are missing from OpenPGP.js's types.
  const { publicKeyID, publicKeyFingerprint } = packet as unknown as {
    readonly publicKeyID: { toHex(): string };
    readonly publicKeyFingerprint: Uint8Array | null;
  };
  return publicKeyFingerprint === null
    ? publicKeyID.toHex()
    : Buffer.from(publicKeyFingerprint).toString('hex');
}

/** false when the body is malformed. An algorithm or version that is newer than our OpenPGP.js is no error. */
function readBody(read: () => void): boolean {
  try {
    read();
    return true;
  } catch (error) {
    return error instanceof Error && error.name === 'UnsupportedError';
  }
}

/** Reads one packet header (RFC 9580, section 4.2). Linear in the number of partial lengths. */
function nextPacket(bytes: Uint8Array, from: number): Packet | null {
  const head = bytes[from];
  if (head === undefined || (head & 0x80) === 0) return null;
  if ((head & 0x40) === 0) return legacyPacket(bytes, from, head);
  const tag = head & 0x3f;
  const first = readLength(bytes, from + 1);
  if (first === null || (first.partial && first.length < MIN_FIRST_PARTIAL)) return null;
  const body = bytes.subarray(first.start, first.start + first.length);
  let piece: Length | null = first;
  while (piece?.partial) piece = readLength(bytes, piece.start + piece.length);
  if (piece === null || piece.start + piece.length > bytes.length) return null;
  return { tag, body, partial: first.partial, end: piece.start + piece.length };
}

interface Length {
  /** Where the octets that it counts begin. */
  readonly start: number;
  readonly length: number;
  readonly partial: boolean;
}

/** Section 4.2.1. */
function readLength(bytes: Uint8Array, at: number): Length | null {
  const first = bytes[at];
  if (first === undefined) return null;
  if (first < 192) return { start: at + 1, length: first, partial: false };
  if (first < 224)
    return { start: at + 2, length: ((first - 192) << 8) + (bytes[at + 1] ?? 0) + 192, partial: false };
  if (first < 255) return { start: at + 1, length: 2 ** (first & 0x1f), partial: true };
  return { start: at + 5, length: bigEndian(bytes, at + 1, 4), partial: false };
}

/** Section 4.2.2. An indeterminate length is for data packets that we do not count. */
function legacyPacket(bytes: Uint8Array, from: number, head: number): Packet | null {
  const size = [1, 2, 4][head & 3];
  if (size === undefined) return null;
  const start = from + 1 + size;
  const end = start + bigEndian(bytes, from + 1, size);
  if (end > bytes.length) return null;
  return { tag: (head & 0x3c) >> 2, body: bytes.subarray(start, end), partial: false, end };
}

function bigEndian(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let index = 0; index < size; index += 1) value = value * 256 + (bytes[at + index] ?? 0);
  return value;
}
