// A keyring as a stream of OpenPGP packets (RFC 9580, section 4.2), cut into its certificates as they come: a keyring of ten
// thousand keys is never held as a whole.
import { createHash } from 'node:crypto';
import { hashedKey } from '../../keys/original.ts';
import { MAX_UPLOAD } from '../../keys/refusals.ts';
import { SourceRefused } from './rows.ts';

/** One certificate of a keyring, whole up to the size that is refused anyway. */
export interface KeyringCertificate {
  readonly bytes: Buffer;
  /** In upper-case hexadecimal digits; null where its version is not known. */
  readonly fingerprint: string | null;
}

/** Larger packets are in no certificate that anybody could take. Bytes. */
const LARGEST_PACKET = 16 * 1024 * 1024;

interface Header {
  readonly tag: number;
  /** Where the body begins, and the packet ends. */
  readonly body: number;
  readonly end: number;
}

const PRIMARY_KEYS: ReadonlySet<number> = new Set([5, 6]);

/** null: more bytes are needed. @throws SourceRefused on what is no packet of a certificate */
function readHeader(bytes: Buffer): Header | null {
  const [first] = bytes;
  if (first === undefined || bytes.length < 6) return null;
  if ((first & 0x80) === 0)
    throw new SourceRefused('it is no OpenPGP keyring: a packet does not begin where it should');
  if ((first & 0x40) !== 0) {
    const tag = first & 0x3f;
    const length = bytes[1] ?? 0;
    if (length < 192) return { tag, body: 2, end: 2 + length };
    if (length < 224) return { tag, body: 3, end: 3 + ((length - 192) << 8) + (bytes[2] ?? 0) + 192 };
    if (length === 255) return { tag, body: 6, end: 6 + bytes.readUInt32BE(2) };
  } else {
    const tag = (first & 0x3c) >> 2;
    if ((first & 3) === 0) return { tag, body: 2, end: 2 + (bytes[1] ?? 0) };
    if ((first & 3) === 1) return { tag, body: 3, end: 3 + bytes.readUInt16BE(1) };
    if ((first & 3) === 2) return { tag, body: 5, end: 5 + bytes.readUInt32BE(1) };
  }
  throw new SourceRefused('it is no OpenPGP keyring: a packet has no length');
}

/** @throws SourceRefused where it is no keyring, or is cut off */
export async function* certificatesIn(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<KeyringCertificate> {
  let rest: Buffer = Buffer.alloc(0);
  const current = { packets: [] as Buffer[], size: 0, fingerprint: null as string | null };
  const take = (): KeyringCertificate => {
    const bytes = Buffer.concat(current.packets);
    current.packets = [];
    current.size = 0;
    return { bytes, fingerprint: current.fingerprint };
  };
  for await (const piece of pieces) {
    rest = rest.length === 0 ? Buffer.from(piece) : Buffer.concat([rest, piece]);
    let at = 0;
    for (;;) {
      const header = readHeader(rest.subarray(at));
      if (header === null) break;
      if (header.end > LARGEST_PACKET)
        throw new SourceRefused('it is no OpenPGP keyring: a packet is too large');
      if (at + header.end > rest.length) break;
      const packet = rest.subarray(at, at + header.end);
      if (PRIMARY_KEYS.has(header.tag)) {
        if (current.size > 0) yield take();
        current.fingerprint = fingerprintOf(packet.subarray(header.body));
      }
      // What is too large is refused by its first bytes already.
      if (current.size <= MAX_UPLOAD) current.packets.push(Buffer.from(packet));
      current.size += packet.length;
      at += header.end;
    }
    rest = rest.subarray(at);
  }
  if (rest.length > 0) {
    const header = readHeader(Buffer.concat([rest, Buffer.alloc(6)]));
    if (header === null || header.end > rest.length) throw new SourceRefused('the keyring is cut off');
    current.packets.push(rest);
    current.size += rest.length;
  }
  if (current.size > 0) yield take();
}

function fingerprintOf(body: Uint8Array): string | null {
  const version = body[0] ?? 0;
  if (version !== 4 && version !== 6) return null;
  const hash = createHash(version === 4 ? 'sha1' : 'sha256');
  return hash.update(hashedKey(body, version)).digest('hex').toUpperCase();
}
