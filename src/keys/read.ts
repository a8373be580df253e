// Finds the OpenPGP certificates in what somebody handed over: armored or binary, one or several, with prose around them. The
// armor is read by hand because mail clients break it in ways that OpenPGP.js refuses; the packets are read by OpenPGP.js.
import {
  type AnyPacket,
  enums,
  PacketList,
  PublicKey,
  PublicKeyPacket,
  PublicSubkeyPacket,
  SignaturePacket,
  UnparseablePacket,
  UserAttributePacket,
  UserIDPacket,
} from 'openpgp';
import { lenientConfig } from './policy.ts';
import { type KeyRefusal, MAX_UPLOAD, refuseTooLarge, refuseUpload } from './refusals.ts';

/** A certificate as it was found, unjudged, or why that piece of the upload is none. */
export type Found =
  | { readonly ok: true; readonly key: PublicKey }
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

const READABLE = [
  PublicKeyPacket,
  PublicSubkeyPacket,
  UserIDPacket,
  UserAttributePacket,
  SignaturePacket,
  SecretKey,
  SecretSubkey,
] as const;

/** OpenPGP.js takes a plain object here; its types say Map. */
const ALLOWED = Object.fromEntries(READABLE.map((packet) => [packet.tag, packet])) as unknown as Parameters<
  typeof PacketList.fromBinary
>[1];

/**
 * Takes an upload apart. Never rejects, never keeps a secret.
 * @param upload the bytes as handed over
 * @returns one entry for each certificate or refused piece, at least one
 */
export async function readCertificates(upload: Uint8Array): Promise<readonly Found[]> {
  if (upload.byteLength > MAX_UPLOAD) return [refused(refuseTooLarge(upload.byteLength))];
  const bytes = Buffer.from(upload.buffer, upload.byteOffset, upload.byteLength);
  const text = bytes.toString('latin1').replace(/^\xef\xbb\xbf/, '');
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

interface ArmorBlock {
  /** Such as `PUBLIC KEY BLOCK`. */
  readonly type: string;
  /** What the base64 says, or null where it is none. */
  readonly bytes: Buffer | null;
}

/**
 * Every armored block (RFC 9580, section 6.2), tolerant of CRLF, white space and `> ` before the lines, headers of any name,
 * and a missing empty line after them. The CRC24 is not checked (section 6.1): damage shows in packets and signatures.
 */
function armorBlocks(text: string): readonly ArmorBlock[] {
  const lines = text.split(/\r\n|\r|\n/).map((line) => line.replace(/^(?:> ?)+/, '').trim());
  const blocks: ArmorBlock[] = [];
  for (let index = 0; index < lines.length; index++) {
    const type = /^-----BEGIN PGP ([A-Z0-9 ,/]+)-----$/.exec(lines[index] ?? '')?.[1];
    if (type === undefined) continue;
    const end = lines.indexOf(`-----END PGP ${type}-----`, index);
    if (type === 'SIGNED MESSAGE') {
      blocks.push({ type, bytes: null });
      const signatureEnd = lines.indexOf('-----END PGP SIGNATURE-----', index);
      if (signatureEnd !== -1) index = signatureEnd;
      continue;
    }
    if (end === -1) {
      blocks.push({ type, bytes: null });
      continue;
    }
    blocks.push({ type, bytes: decodeBody(lines.slice(index + 1, end)) });
    index = end;
  }
  return blocks;
}

function decodeBody(lines: readonly string[]): Buffer | null {
  const body = lines
    .filter(
      (line) =>
        line !== '' && !/^[A-Za-z][A-Za-z0-9-]*:(?: |$)/.test(line) && !/^=[A-Za-z0-9+/]{4}$/.test(line),
    )
    .join('');
  if (body === '' || !/^[A-Za-z0-9+/]+={0,2}$/.test(body)) return null;
  return Buffer.from(body, 'base64');
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

/** The packet type in a first octet (RFC 9580, section 4.2), or null where it begins no packet. */
function packetTag(octet: number | undefined): number | null {
  if (octet === undefined || (octet & 0x80) === 0) return null;
  return (octet & 0x40) !== 0 ? octet & 0x3f : (octet & 0x3c) >> 2;
}

async function readPackets(bytes: Buffer): Promise<readonly Found[]> {
  const first = packetTag(bytes[0]);
  if (first === null) return [refused(refuseUpload('not OpenPGP'))];
  if (MESSAGE_TAGS.has(first)) return [refused(refuseUpload('message'))];
  if (first === enums.packet.secretKey || first === enums.packet.secretSubkey) {
    return [refused(refuseUpload('secret key'))];
  }
  let packets: PacketList<AnyPacket>;
  try {
    packets = await PacketList.fromBinary(new Uint8Array(bytes), ALLOWED, lenientConfig);
  } catch {
    return [refused(refuseUpload(KEY_TAGS.has(first) ? 'damaged' : 'not OpenPGP'))];
  }
  if (first === enums.packet.signature)
    return [refused(refuseUpload(isRevocation(packets) ? 'revocation certificate' : 'signature'))];
  if (!KEY_TAGS.has(first)) return [refused(refuseUpload('not OpenPGP'))];
  return certificatesOf(packets).map(readCertificate);
}

const KEY_TAGS: ReadonlySet<number> = new Set([enums.packet.publicKey, enums.packet.publicSubkey]);

function tagOf(packet: AnyPacket): number {
  return packet instanceof UnparseablePacket
    ? packet.tag
    : (packet.constructor as unknown as { tag: number }).tag;
}

function isRevocation(packets: readonly AnyPacket[]): boolean {
  const [packet] = packets;
  return packet instanceof SignaturePacket && packet.signatureType === enums.signature.keyRevocation;
}

/** Each certificate begins with its primary key packet. */
function certificatesOf(packets: readonly AnyPacket[]): readonly (readonly AnyPacket[])[] {
  const certificates: AnyPacket[][] = [];
  for (const packet of packets) {
    const tag = tagOf(packet);
    if (tag === enums.packet.publicKey || tag === enums.packet.secretKey || certificates.length === 0)
      certificates.push([]);
    certificates.at(-1)?.push(packet);
  }
  return certificates;
}

function readCertificate(packets: readonly AnyPacket[]): Found {
  const tags = packets.map(tagOf);
  if (tags.includes(enums.packet.secretKey) || tags.includes(enums.packet.secretSubkey)) {
    return refused(refuseUpload('secret key'));
  }
  const [primary] = packets;
  if (primary === undefined || tagOf(primary) !== enums.packet.publicKey)
    return refused(refuseUpload('damaged'));
  if (primary instanceof UnparseablePacket) return refused(refuseUpload('unsupported'));
  try {
    const list = new PacketList<AnyPacket>();
    list.push(...packets);
    return { ok: true, key: new PublicKey(list) };
  } catch {
    return refused(refuseUpload('damaged'));
  }
}
