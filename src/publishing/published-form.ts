// A certificate as everybody may have it: what its owner vouches for, with the user IDs of the addresses that are published, and
// with nothing that somebody else could have put there.
import {
  type AnyKeyPacket,
  enums,
  PacketList,
  PublicKeyPacket,
  PublicSubkeyPacket,
  type SignaturePacket,
} from 'openpgp';
import { type Original, type OriginalPart, readOriginal, readSignature } from '../keys/original.ts';
import type { PacketPiece } from '../keys/packet-pieces.ts';
import { lenientConfig } from '../keys/policy.ts';
import { ExactUserIdPacket } from '../openpgp/read-certificate.ts';

/** A subpacket of a signature's unhashed area, which OpenPGP.js's types leave out. */
interface Subpacket {
  readonly type: number;
  readonly critical: boolean;
  readonly body: Uint8Array;
}
type Unhashed = SignaturePacket & { unhashedSubpackets: readonly Subpacket[] };

/** Types of subpackets (RFC 9580, section 5.2.3.7), which OpenPGP.js's types leave out, too. */
const ISSUER_KEY_ID = 16;
const EMBEDDED_SIGNATURE = 32;
const ISSUER_FINGERPRINT = 33;

/** OpenPGP.js: a date of null checks no date; its types say only Date. */
const ANY_TIME = null as unknown as Date;

/**
 * Reduces a certificate to what is published. User IDs, subkeys and direct signatures are kept byte for byte as far as their own
 * primary key signed them, also those that OpenPGP.js does not know; user attributes, other people's certifications and what
 * nobody signed are not. Of the unhashed parts of signatures, which anybody can change, only what proves itself is kept: the
 * issuer, and a signing subkey's own signature, which GnuPG writes there.
 * @param stored binary, as it was handed over
 * @param isPublished whether a user ID's address is one that is published
 * @returns binary; null where no user ID is left: nobody would find the owner in it
 * @throws Error where it is no certificate
 */
export async function publishedForm(
  stored: Uint8Array,
  isPublished: (address: string) => Promise<boolean>,
): Promise<Buffer | null> {
  const original: Original = await readOriginal(stored);
  const users: OriginalPart[] = [];
  for (const user of original.users) {
    const address = addressOf(user.piece);
    if (address !== null && (await isPublished(address))) users.push(user);
  }
  if (users.length === 0) return null;
  const primary = await readKeyPacket(original.primary.piece);
  if (primary === null) throw new Error('its primary key cannot be read');
  const written: Uint8Array[] = [];
  for (const part of [original.primary, ...users]) written.push(...(await slim(part, primary, null)));
  for (const part of original.subkeys)
    written.push(...(await slim(part, primary, await readKeyPacket(part.piece))));
  return Buffer.concat(written);
}

/** The address of a user ID (RFC 9580, section 5.11); null where it has none. */
function addressOf({ body }: PacketPiece): string | null {
  try {
    const packet = new ExactUserIdPacket();
    packet.read(body);
    return packet.email === '' ? null : packet.email;
  } catch {
    return null;
  }
}

/** null where OpenPGP.js does not know its algorithm or version. */
async function readKeyPacket({ tag, body }: PacketPiece): Promise<AnyKeyPacket | null> {
  const packet = tag === enums.packet.publicKey ? new PublicKeyPacket() : new PublicSubkeyPacket();
  try {
    // It is asynchronous, which its types do not tell.
    await (packet.read(body) as unknown as Promise<void>);
    return packet;
  } catch {
    return null;
  }
}

async function slim(
  { piece, signatures }: OriginalPart,
  primary: AnyKeyPacket,
  subkey: AnyKeyPacket | null,
): Promise<readonly Uint8Array[]> {
  const written: Uint8Array[] = [piece.bytes];
  for (const each of signatures) written.push(await slimSignature(each, primary, subkey));
  return written;
}

/** A signature without what is unhashed, unless that proves itself; the very bytes where nothing is to be left out. */
async function slimSignature(
  piece: PacketPiece,
  primary: AnyKeyPacket,
  subkey: AnyKeyPacket | null,
): Promise<Uint8Array> {
  const signature = readSignature(piece) as Unhashed | null;
  if (signature === null) throw new Error('a signature that was read before cannot be read');
  const kept: Subpacket[] = [];
  for (const each of signature.unhashedSubpackets) {
    if (kept.some(({ type }) => type === each.type)) continue;
    if (names(each, primary)) kept.push({ ...each, critical: false });
    else if (each.type === EMBEDDED_SIGNATURE && subkey !== null) {
      const body = await slimEmbedded(each.body, primary, subkey);
      if (body !== null) kept.push({ ...each, critical: false, body });
    }
  }
  const same = kept.every((each, index) => sameSubpacket(each, signature.unhashedSubpackets[index]));
  if (same && kept.length === signature.unhashedSubpackets.length) return piece.bytes;
  signature.unhashedSubpackets = kept;
  const list = new PacketList<SignaturePacket>();
  list.push(signature);
  return list.write();
}

/** Whether a subpacket says nothing but who the issuer is (RFC 9580, sections 5.2.3.12 and 5.2.3.35). */
function names({ type, body }: Subpacket, key: AnyKeyPacket): boolean {
  if (type === ISSUER_KEY_ID) return Buffer.from(body).toString('hex') === key.getKeyID().toHex();
  if (type !== ISSUER_FINGERPRINT) return false;
  return body[0] === key.version && Buffer.from(body.subarray(1)).toString('hex') === key.getFingerprint();
}

/**
 * A subkey's signature over the primary key (RFC 9580, section 5.2.1.10), itself without what is unhashed.
 * @returns null where it is not that
 */
async function slimEmbedded(
  body: Uint8Array,
  primary: AnyKeyPacket,
  subkey: AnyKeyPacket,
): Promise<Uint8Array | null> {
  const signature = readSignature({
    tag: enums.packet.signature,
    body,
    bytes: body,
  }) as Unhashed | null;
  if (signature === null || signature.signatureType !== enums.signature.keyBinding) return null;
  try {
    const data = { key: primary, bind: subkey };
    await signature.verify(subkey, enums.signature.keyBinding, data, ANY_TIME, false, lenientConfig);
  } catch {
    return null;
  }
  const unhashed = signature.unhashedSubpackets.filter((each) => names(each, subkey));
  if (unhashed.length === signature.unhashedSubpackets.length) return body;
  signature.unhashedSubpackets = unhashed;
  return signature.write() as Uint8Array;
}

function sameSubpacket(a: Subpacket, b: Subpacket | undefined): boolean {
  return a.type === b?.type && a.critical === b.critical && Buffer.compare(a.body, b.body) === 0;
}
