// Finds the OpenPGP certificates in what somebody handed over: armored or binary, one or several, with prose around them. The
// armor is read by hand because mail clients break it in ways that OpenPGP.js refuses; the packets are read by OpenPGP.js.
import { type AnyPacket, enums, PacketList, PublicKey, SignaturePacket, UnparseablePacket } from 'openpgp';
import { CERTIFICATE_PACKETS, packetsByTag } from '../openpgp/read-certificate.ts';
import { createBreather } from '../pacing/breather.ts';
import { type ArmorBlock, armorBlocks } from './armor-blocks.ts';
import { joinPieces, type PacketPiece, packetPieces } from './packet-pieces.ts';
import { lenientConfig } from './policy.ts';
import { type KeyRefusal, MAX_UPLOAD, refuseTooLarge, refuseUnsupported, refuseUpload } from './refusals.ts';
import { unsupportedInWords } from './unsupported.ts';
import { plainUpload } from './upload-text.ts';

/** A certificate as it was found, unjudged, or why that piece of the upload is none. */
export type Found =
  | {
      readonly ok: true;
      readonly key: PublicKey;
      /** Its packets as they were given, in binary. */
      readonly given: Buffer;
    }
  | { readonly ok: false; readonly refusal: KeyRefusal };

/** A secret key packet whose content is never looked at. */
function ignoredPacket(tag: enums.packet) {
  return class IgnoredPacket {
    static readonly tag = tag;
    read(): void {}
    write(): Uint8Array {
      return new Uint8Array();
    }
  };
}
const SecretKey = ignoredPacket(enums.packet.secretKey);
const SecretSubkey = ignoredPacket(enums.packet.secretSubkey);

const ALLOWED = packetsByTag([...CERTIFICATE_PACKETS, SecretKey, SecretSubkey]);

/**
 * Takes an upload apart. Never rejects, never keeps a secret.
 * @param upload the bytes as handed over
 * @returns one entry for each certificate or refused piece, at least one
 */
export async function readCertificates(upload: Uint8Array): Promise<readonly Found[]> {
  if (upload.byteLength > MAX_UPLOAD) return [refused(refuseTooLarge(upload.byteLength))];
  const bytes = plainUpload(upload);
  const text = bytes.toString('latin1');
  if (text.trim() === '') return [refused(refuseUpload('empty'))];
  const blocks = armorBlocks(text);
  if (blocks.length > 0) return (await Promise.all(blocks.map(readBlock))).flat();
  if (/-----BEGIN PGP /.test(text)) return [refused(refuseUpload('damaged'))];
  if (/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----|-----BEGIN PKCS7-----/.test(text) || isDer(bytes)) {
    return [refused(refuseUpload('X.509'))];
  }
  if (
    /^(?:ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-\S+|sk-\S+@openssh\.com) AAAA|BEGIN (?:SSH2 PUBLIC|OPENSSH PRIVATE) KEY/m.test(
      text,
    )
  ) {
    return [refused(refuseUpload('SSH key'))];
  }
  return readPackets(bytes);
}

function refused(refusal: KeyRefusal): Found {
  return { ok: false, refusal };
}

/** The beginning of a DER SEQUENCE that is as long as the rest: a certificate or a PKCS #7 structure. */
function isDer(bytes: Buffer): boolean {
  return (
    bytes[0] === 0x30 && bytes[1] === 0x82 && bytes.length >= 4 && bytes.readUInt16BE(2) === bytes.length - 4
  );
}

async function readBlock({ type, bytes }: ArmorBlock): Promise<readonly Found[]> {
  if (/PRIVATE KEY|SECRET KEY/.test(type)) return [refused(refuseUpload('secret key'))];
  if (/MESSAGE/.test(type)) return [refused(refuseUpload('message'))];
  if (type === 'SIGNATURE') return [refused(refuseUpload('signature'))];
  if (type !== 'PUBLIC KEY BLOCK') return [refused(refuseUpload('not OpenPGP'))];
  return bytes === null ? [refused(refuseUpload('damaged'))] : readPackets(bytes);
}

const MESSAGE_TAGS: ReadonlySet<number> = new Set([
  enums.packet.publicKeyEncryptedSessionKey,
  enums.packet.symEncryptedSessionKey,
  enums.packet.onePassSignature,
  enums.packet.compressedData,
  enums.packet.symmetricallyEncryptedData,
  enums.packet.literalData,
  enums.packet.symEncryptedIntegrityProtectedData,
  enums.packet.aeadEncryptedData,
]);

async function readPackets(bytes: Buffer): Promise<readonly Found[]> {
  if (((bytes[0] ?? 0) & 0x80) === 0) return [refused(refuseUpload('not OpenPGP'))];
  const pieces = packetPieces(bytes);
  const first = pieces?.[0]?.tag ?? firstTag(bytes[0] ?? 0);
  if (MESSAGE_TAGS.has(first)) return [refused(refuseUpload('message'))];
  if (SECRET_TAGS.has(first)) return [refused(refuseUpload('secret key'))];
  if (pieces === null) return [refused(refuseUpload(KEY_TAGS.has(first) ? 'damaged' : 'not OpenPGP'))];
  if (first === enums.packet.signature) return [refused(refuseUpload(await signatureKind(pieces)))];
  if (!KEY_TAGS.has(first)) return [refused(refuseUpload('not OpenPGP'))];
  const found: Found[] = [];
  const breathe = createBreather();
  for (const certificate of certificatesOf(pieces)) {
    found.push(await readCertificatePieces(certificate));
    await breathe();
  }
  return found;
}

/** The packet type in a first octet (RFC 9580, section 4.2). */
function firstTag(octet: number): number {
  return (octet & 0x40) !== 0 ? octet & 0x3f : (octet & 0x3c) >> 2;
}

const SECRET_TAGS: ReadonlySet<number> = new Set([enums.packet.secretKey, enums.packet.secretSubkey]);

const KEY_TAGS: ReadonlySet<number> = new Set([enums.packet.publicKey, enums.packet.publicSubkey]);

async function signatureKind(
  pieces: readonly PacketPiece[],
): Promise<'revocation certificate' | 'signature' | 'not OpenPGP'> {
  const packets = await parse(pieces.slice(0, 1));
  const [packet] = packets ?? [];
  if (packets === null) return 'not OpenPGP';
  return packet instanceof SignaturePacket && packet.signatureType === enums.signature.keyRevocation
    ? 'revocation certificate'
    : 'signature';
}

async function parse(pieces: readonly PacketPiece[]): Promise<PacketList<AnyPacket> | null> {
  try {
    return await PacketList.fromBinary(new Uint8Array(joinPieces(pieces)), ALLOWED, lenientConfig);
  } catch {
    return null;
  }
}

/** Each certificate begins with its primary key packet. */
function certificatesOf(pieces: readonly PacketPiece[]): readonly (readonly PacketPiece[])[] {
  const certificates: PacketPiece[][] = [];
  for (const piece of pieces) {
    if (
      piece.tag === enums.packet.publicKey ||
      piece.tag === enums.packet.secretKey ||
      certificates.length === 0
    )
      certificates.push([]);
    certificates.at(-1)?.push(piece);
  }
  return certificates;
}

async function readCertificatePieces(pieces: readonly PacketPiece[]): Promise<Found> {
  if (pieces.some(({ tag }) => SECRET_TAGS.has(tag))) return refused(refuseUpload('secret key'));
  const [first] = pieces;
  if (first?.tag !== enums.packet.publicKey) return refused(refuseUpload('damaged'));
  const packets = await parse(pieces);
  const [primary] = packets ?? [];
  if (packets === null || primary === undefined) return refused(refuseUpload('damaged'));
  if (primary instanceof UnparseablePacket) return refused(refuseUnsupported(unsupportedInWords(first.body)));
  try {
    return { ok: true, key: new PublicKey(packets), given: joinPieces(pieces) };
  } catch {
    return refused(refuseUpload('damaged'));
  }
}
