// A certificate as it was given, beside the form that mail is sealed with: every packet that its primary key vouches for, byte
// for byte, also of subkeys that OpenPGP.js does not know and would leave out without a word.
import { createHash } from 'node:crypto';
import { enums, type KeyID, PublicKeyPacket, SignaturePacket } from 'openpgp';
import { joinPieces, type PacketPiece, packetPieces } from './packet-pieces.ts';
import { lenientConfig } from './policy.ts';
import { MAX_UPLOAD } from './refusals.ts';

/** A packet with the signatures behind it, all of them the primary key's. */
export interface OriginalPart {
  readonly piece: PacketPiece;
  readonly signatures: readonly PacketPiece[];
}

/** User attributes, other people's certifications, and what is signed by nobody are not in it. */
export interface Original {
  readonly primary: OriginalPart;
  readonly users: readonly OriginalPart[];
  readonly subkeys: readonly OriginalPart[];
}

/** More self-signatures than this are an attack on our time, not a key: the rest of them is left out. */
const MAX_SELF_SIGNATURES = 1000;
/** OpenPGP.js: a date of null checks no date; its types say only Date. */
const ANY_TIME = null as unknown as Date;

interface Verifier {
  readonly key: PublicKeyPacket;
  readonly id: KeyID;
  budget: number;
}

/** Reads what the primary key vouches for. Rejects with an Error where it is no certificate. */
export async function readOriginal(certificate: Uint8Array): Promise<Original> {
  const pieces = packetPieces(certificate);
  const [first] = pieces ?? [];
  if (pieces === null || first?.tag !== enums.packet.publicKey) throw new Error('this is no certificate');
  const key = new PublicKeyPacket();
  // It is asynchronous, which its types do not tell.
  await (key.read(first.body) as unknown as Promise<void>);
  const verifier: Verifier = { key, id: key.getKeyID(), budget: MAX_SELF_SIGNATURES };
  const parts: OriginalPart[] = [];
  for (const { piece, signatures } of grouped(pieces)) {
    parts.push({ piece, signatures: await verified(piece, signatures, verifier) });
  }
  const [primary, ...rest] = parts;
  if (primary === undefined) throw new Error('this is no certificate');
  const of = (tag: enums.packet) =>
    rest.filter(({ piece, signatures }) => piece.tag === tag && signatures.length > 0);
  return {
    primary,
    users: unite(of(enums.packet.userID), []),
    subkeys: unite(of(enums.packet.publicSubkey), []),
  };
}

/** Each packet with the signatures that follow it. */
function grouped(pieces: readonly PacketPiece[]): readonly OriginalPart[] {
  const parts: { readonly piece: PacketPiece; readonly signatures: PacketPiece[] }[] = [];
  for (const piece of pieces) {
    if (piece.tag === enums.packet.signature) parts.at(-1)?.signatures.push(piece);
    else parts.push({ piece, signatures: [] });
  }
  return parts;
}

const TYPES: ReadonlyMap<number, ReadonlySet<number | null>> = new Map<number, ReadonlySet<number>>([
  [enums.packet.publicKey, new Set([enums.signature.key, enums.signature.keyRevocation])],
  [
    enums.packet.userID,
    new Set([
      enums.signature.certGeneric,
      enums.signature.certPersona,
      enums.signature.certCasual,
      enums.signature.certPositive,
      enums.signature.certRevocation,
    ]),
  ],
  [enums.packet.publicSubkey, new Set([enums.signature.subkeyBinding, enums.signature.subkeyRevocation])],
]);

async function verified(
  piece: PacketPiece,
  signatures: readonly PacketPiece[],
  verifier: Verifier,
): Promise<readonly PacketPiece[]> {
  const types = TYPES.get(piece.tag);
  const kept = new Map<string, PacketPiece>();
  for (const each of signatures) {
    const signature = readSignature(each);
    if (types === undefined || signature === null || !types.has(signature.signatureType)) continue;
    if (!signature.issuerKeyID.equals(verifier.id) || kept.has(nameOf(signature))) continue;
    if (verifier.budget-- <= 0) break;
    if (await isSigned(signature, piece, verifier.key)) kept.set(nameOf(signature), each);
  }
  return [...kept.values()];
}

/** A signature packet as OpenPGP.js reads it; null where it cannot. */
export function readSignature({ body }: PacketPiece): SignaturePacket | null {
  try {
    const signature = new SignaturePacket();
    signature.read(body);
    return signature;
  } catch {
    return null;
  }
}

/** What tells one signature from another, whatever its unhashed part says. */
function nameOf({ signatureData, signedHashValue }: SignaturePacket): string {
  const hash = createHash('sha256');
  hash.update(signatureData ?? '').update(signedHashValue ?? '');
  return hash.digest('hex');
}

async function isSigned(
  signature: SignaturePacket,
  piece: PacketPiece,
  key: PublicKeyPacket,
): Promise<boolean> {
  const { signatureType } = signature;
  if (signatureType === null) return false;
  // OpenPGP.js refuses to verify what names a designated revoker (RFC 9580, section 5.2.3.23), whoever signed it.
  signature.revocationKeyClass = null;
  // A subkey of another version is hashed as one of its own by GnuPG, and as one of the signature's by OpenPGP.js.
  for (const version of new Set([piece.body[0] ?? 4, signature.version])) {
    const data = {
      key,
      userID: { write: () => piece.body },
      bind: { writeForHash: () => hashedKey(piece.body, version) },
    };
    try {
      await signature.verify(key, signatureType, data, ANY_TIME, false, lenientConfig);
      return true;
    } catch {
      // Not made by this key, or over something else: it says nothing.
    }
  }
  return false;
}

/** A key packet as signatures hash it (RFC 9580, section 5.2.4). */
export function hashedKey(body: Uint8Array, version: number): Buffer {
  const head = version >= 5 ? Buffer.alloc(5) : Buffer.alloc(3);
  head[0] = version >= 6 ? 0x9b : version === 5 ? 0x9a : 0x99;
  if (version >= 5) head.writeUInt32BE(body.length, 1);
  else head.writeUInt16BE(body.length & 0xffff, 1);
  return Buffer.concat([head, body]);
}

/** What both say: a newer self-signature counts for more wherever it is read, so an older copy undoes nothing. */
export function mergeOriginals(stored: Original, copy: Original): Original {
  return {
    primary: unite([stored.primary], [copy.primary])[0] ?? stored.primary,
    users: unite(stored.users, copy.users),
    subkeys: unite(stored.subkeys, copy.subkeys),
  };
}

/** Each packet once, with the signatures of all its copies, each once. */
function unite(some: readonly OriginalPart[], more: readonly OriginalPart[]): readonly OriginalPart[] {
  const parts = new Map<string, Map<string, PacketPiece>>();
  const pieces = new Map<string, PacketPiece>();
  for (const { piece, signatures } of [...some, ...more]) {
    const name = bodyOf(piece);
    if (!pieces.has(name)) pieces.set(name, piece);
    const kept = parts.get(name) ?? new Map<string, PacketPiece>();
    parts.set(name, kept);
    for (const each of signatures) {
      const signature = readSignature(each);
      const id = signature === null ? bodyOf(each) : nameOf(signature);
      if (!kept.has(id)) kept.set(id, each);
    }
  }
  return [...pieces].map(([name, piece]) => ({ piece, signatures: [...(parts.get(name)?.values() ?? [])] }));
}

/** In binary, in the order of RFC 9580, section 10.1.1. */
export function writeOriginal({ primary, users, subkeys }: Original): Buffer {
  return joinPieces(
    [primary, ...users, ...subkeys].flatMap(({ piece, signatures }) => [piece, ...signatures]),
  );
}

/** The same without the user IDs that another certificate does not have. */
export function withUsersOf(original: Original, certificate: Uint8Array): Original {
  const names = bodiesOf(certificate, enums.packet.userID);
  const users = original.users.filter(({ piece }) => names.has(bodyOf(piece)));
  return { ...original, users };
}

/** How many subkeys a certificate has not got of those that were given. */
export function leftOutSubkeys(given: Uint8Array, certificate: Uint8Array): number {
  const has = bodiesOf(certificate, enums.packet.publicSubkey);
  return [...bodiesOf(given, enums.packet.publicSubkey)].filter((body) => !has.has(body)).length;
}

/** The bodies of all packets of a kind, comparable. */
function bodiesOf(certificate: Uint8Array, wanted: enums.packet): ReadonlySet<string> {
  return new Set((packetPieces(certificate) ?? []).filter(({ tag }) => tag === wanted).map(bodyOf));
}

function bodyOf({ body }: PacketPiece): string {
  return Buffer.from(body).toString('latin1');
}

/**
 * What is stored beside a certificate.
 * @param given what was stored so far, or the certificate where nothing was
 * @returns null where it would be longer than an upload may be: the reduced form then stands alone
 */
export async function originalColumn(given: readonly Uint8Array[]): Promise<Buffer | null> {
  let all: Original | null = null;
  for (const bytes of given) {
    const original = await readOriginal(bytes);
    all = all === null ? original : mergeOriginals(all, original);
  }
  const written = all === null ? null : writeOriginal(all);
  return written === null || written.length > MAX_UPLOAD ? null : written;
}
