// Is this an encrypted OpenPGP message, and to which keys? Only the packets' framing is read here; what a session key packet
// says is OpenPGP.js's business. Its own parser would do, but can be kept busy for minutes by 25 MB of empty packets.
import { enums, PublicKeyEncryptedSessionKeyPacket, SymEncryptedSessionKeyPacket } from 'openpgp';

/** A packet of this many bytes or more is no session key: RSA of 16384 bits takes 2 KB, ML-KEM-1024 with X448 1.7 KB. */
const MAX_SESSION_KEY_PACKET = 4096;
/** The longest way to write a password (Argon2, nonce, key, tag) takes 100 bytes. */
const MAX_PASSWORD_PACKET = 128;
const MAX_SESSION_KEY_PACKETS = 5000;
/** One is what old programs wrote. What begins with a thousand is no message, and each of them takes time. */
const MAX_MARKERS = 16;
/** Sections 5.1 and 5.3, and version 5 of the drafts before them. A body of another version may be anything. */
const KEY_VERSIONS: ReadonlySet<number | undefined> = new Set([3, 6]);
const PASSWORD_VERSIONS: ReadonlySet<number | undefined> = new Set([4, 5, 6]);
/** So many octets may follow what was read of a session key packet: leading zeros of its numbers, left out when written again. */
const MAX_ZEROS = 8;
/** The shortest literal packet (RFC 9580, section 5.9). */
const MIN_LITERAL = 8;
/** Section 5.13.2: chunks of 2^22 octets at the most; the AEAD data packet of the drafts before it allowed 2^62. */
const MAX_CHUNK_SIZE = 16;
const MAX_DRAFT_CHUNK_SIZE = 56;
/** RFC 9580, section 4.2.1.4: the first partial length is at least 512 octets. */
const MIN_FIRST_PARTIAL = 512;

export interface Packet {
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
 * password; null when the bytes are anything else
 */
export function encryptedMessageKeyIds(bytes: Uint8Array): string[] | null {
  const keyIds: string[] = [];
  let sessionKeys = 0;
  let markers = 0;
  let at = 0;
  for (;;) {
    const packet = nextPacket(bytes, at);
    if (packet === null) return null;
    const { tag, body } = packet;
    if (isData(tag)) {
      const whole = packet.end === bytes.length && sessionKeys > 0;
      return whole && isSealedData(tag, body) ? keyIds : null;
    }
    if (packet.partial || body.length >= MAX_SESSION_KEY_PACKET) return null;
    if (tag === enums.packet.marker) {
      // To be ignored, whoever still writes it (section 5.8).
      markers += 1;
      if (markers > MAX_MARKERS || Buffer.from(body).toString('latin1') !== 'PGP') return null;
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

/** Whether a data packet begins as one does, and is long enough for the shortest message (sections 5.13 and 5.16). */
function isSealedData(tag: number, body: Uint8Array): boolean {
  const [version, cipher = 0, aead = 0, chunkSize = 0] = body;
  const named = isCipher(cipher) && aead >= 1 && aead <= 3;
  if (tag === enums.packet.aeadEncryptedData) {
    // Four octets, a nonce of 12 to 16, and two tags.
    const whole = body.length >= 4 + 12 + MIN_LITERAL + 2 * 16;
    return version === 1 && named && chunkSize <= MAX_DRAFT_CHUNK_SIZE && whole;
  }
  // A prefix of one block and two octets, and the modification detection packet.
  if (version === 1) return body.length >= 1 + 10 + MIN_LITERAL + 22;
  // A salt of 32 octets, and two tags.
  return (
    version === 2 && named && chunkSize <= MAX_CHUNK_SIZE && body.length >= 4 + 32 + MIN_LITERAL + 2 * 16
  );
}

/** Section 9.3: the ciphers with a name; 0 is plaintext. */
function isCipher(id: number): boolean {
  return id >= 1 && id <= 13 && id !== 5 && id !== 6;
}

/** The key ID or fingerprint, '' where there is none to tell, null when this is no session key packet. */
function readSessionKey(tag: number, body: Uint8Array): string | null {
  if (tag === enums.packet.symEncryptedSessionKey) {
    const isKnown = PASSWORD_VERSIONS.has(body[0]) && body.length <= MAX_PASSWORD_PACKET;
    return isKnown && isWholly(body, new SymEncryptedSessionKeyPacket()) ? '' : null;
  }
  if (tag !== enums.packet.publicKeyEncryptedSessionKey || !KEY_VERSIONS.has(body[0])) return null;
  const packet = new PublicKeyEncryptedSessionKeyPacket();
  if (!isWholly(body, packet)) return null;
  // Both fields are missing from OpenPGP.js's types.
  const { publicKeyID, publicKeyFingerprint } = packet as unknown as {
    readonly publicKeyID: { toHex(): string };
    readonly publicKeyFingerprint: Uint8Array | null;
  };
  return publicKeyFingerprint === null
    ? publicKeyID.toHex()
    : Buffer.from(publicKeyFingerprint).toString('hex');
}

/**
 * Whether a body is this packet from its first to its last octet: OpenPGP.js reads numbers and leaves alone what stands behind
 * them. An algorithm that is newer than our OpenPGP.js is no error.
 */
function isWholly(body: Uint8Array, packet: { read(bytes: Uint8Array): void; write(): Uint8Array }): boolean {
  try {
    packet.read(body);
    const left = body.length - packet.write().length;
    return left >= 0 && left <= MAX_ZEROS;
  } catch (error) {
    return error instanceof Error && error.name === 'UnsupportedError';
  }
}

/** Reads one packet header (RFC 9580, section 4.2). Linear in the number of partial lengths; null where none begins there. */
export function nextPacket(bytes: Uint8Array, from: number): Packet | null {
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
