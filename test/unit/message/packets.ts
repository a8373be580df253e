// OpenPGP packets put together octet by octet, for messages that only look encrypted (RFC 9580, sections 4.2 and 5).

/** A packet with a new-format header and a length of five octets. */
export function packet(tag: number, body: Buffer): Buffer {
  const head = Buffer.from([0xc0 | tag, 0xff, 0, 0, 0, 0]);
  head.writeUInt32BE(body.length, 2);
  return Buffer.concat([head, body]);
}

/** A packet with a legacy header and a length of two octets. */
export function legacyPacket(tag: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x80 | (tag << 2) | 1, body.length >>> 8, body.length & 0xff]), body]);
}

/** A packet cut into pieces of these powers of two, and a last one with what is left (section 4.2.1.4). */
export function inPieces(tag: number, body: Buffer, powers: readonly number[]): Buffer {
  const out: Buffer[] = [Buffer.from([0xc0 | tag])];
  let at = 0;
  for (const power of powers) {
    out.push(Buffer.from([0xe0 | power]), body.subarray(at, at + 2 ** power));
    at += 2 ** power;
  }
  const rest = body.subarray(at);
  const length = Buffer.from([0xff, 0, 0, 0, 0]);
  length.writeUInt32BE(rest.length, 1);
  return Buffer.concat([...out, length, rest]);
}

/** A multiprecision integer of so many octets (section 3.2). */
export function mpi(octets: number, first = 0xa5): Buffer {
  const bits = (octets - 1) * 8 + (32 - Math.clz32(first));
  return Buffer.concat([Buffer.from([bits >>> 8, bits & 0xff, first]), Buffer.alloc(octets - 1, 0x5c)]);
}

export const KEY_ID = '0123456789abcdef';

/** A session key packet of version 3. */
export function pkesk(algorithm: number, rest: Buffer, keyId = KEY_ID): Buffer {
  return packet(1, Buffer.concat([Buffer.from(`03${keyId}`, 'hex'), Buffer.from([algorithm]), rest]));
}

/** A session key for a 2048-bit RSA key. */
export const RSA_SESSION_KEY = pkesk(1, mpi(256));

/** A session key for a password: AES-256, iterated and salted. */
export const PASSWORD_SESSION_KEY = packet(3, Buffer.from('0409030855aa55aa55aa55aaff', 'hex'));

const CIPHERTEXT = Buffer.from(Array.from({ length: 900 }, (_, index) => (index * 89 + 41) & 0xff));

/** Octets that may be ciphertext. */
export function ciphertext(length = 600): Buffer {
  return CIPHERTEXT.subarray(0, length);
}

/** Integrity protected data of version 1. */
export function seipd1(length = 600): Buffer {
  return packet(18, Buffer.concat([Buffer.from([1]), ciphertext(length)]));
}

/** Integrity protected data of version 2: AES-256, OCB, chunks of 4 MiB. */
export function seipd2(length = 600, start = '02090210'): Buffer {
  return packet(18, Buffer.concat([Buffer.from(start, 'hex'), ciphertext(length)]));
}

/** A literal packet: a message that nobody encrypted. */
export function literal(text = 'Meet me at noon.'): Buffer {
  return packet(11, Buffer.concat([Buffer.from('620000000000', 'hex'), Buffer.from(text)]));
}
