// Finds X.509 certificates in what somebody handed over: PEM or DER, one or several, or a PKCS #7 bundle; private keys are
// recognised, and never looked into.
import {
  type BaseBlock,
  BitString,
  Constructed,
  fromBER,
  Integer,
  ObjectIdentifier,
  OctetString,
  Sequence,
} from 'asn1js';
import { Certificate, CertificationRequest, ContentInfo } from 'pkijs';
import { type TextBlock, textBlocks } from '../openpgp/text-blocks.ts';
import { ID_SIGNED_DATA } from './object-identifiers.ts';

/** Why a piece of an upload is no certificate. */
export type NoCertificate =
  | 'private key'
  | 'certificate request'
  | 'public key'
  | 'encrypted message'
  | 'damaged'
  | 'too many';

/** The certificates in DER, each once, in order; or why there is none. */
export type X509Upload =
  | { readonly ok: true; readonly certificates: readonly Buffer[] }
  | { readonly ok: false; readonly because: NoCertificate };

/** More than this is a trust store, not somebody's certificate with its chain. */
const MAX_CERTIFICATES = 32;
/** Blocks that are looked at: a certificate may stand there twice, and parameters, lists and empty ones beside it. */
const MAX_BLOCKS = 4 * MAX_CERTIFICATES;

/** PEM blocks that are not OpenPGP's or SSH's (RFC 7468). */
function pemBlocks(bytes: Buffer, most?: number): readonly TextBlock[] {
  return textBlocks(bytes.toString('latin1'), (label) => !/^(?:PGP|OPENSSH|SSH2) /.test(label), most);
}

/** Whether an upload is for this reader: PEM with labels of X.509, or one DER or BER structure. */
export function isX509Upload(upload: Uint8Array): boolean {
  const bytes = bufferOf(upload);
  return isStructure(withoutNewline(bytes)) || pemBlocks(bytes, 1).length > 0;
}

/** The beginning of a SEQUENCE that is as long as the rest, or of indefinite length (BER). */
function isStructure(bytes: Buffer): boolean {
  if (bytes[0] !== 0x30 || bytes.length < 4) return false;
  if (bytes[1] === 0x80) return bytes.subarray(-2).equals(Buffer.alloc(2));
  if ((bytes[1] ?? 0) < 0x80) return bytes.length === 2 + (bytes[1] ?? 0);
  const size = [0x81, 0x82, 0x83].indexOf(bytes[1] ?? 0) + 1;
  return size > 0 && bytes.readUIntBE(2, size) === bytes.length - 2 - size;
}

/** Takes an upload apart. Never throws, never keeps a secret: with a private key in it nothing of it is read. */
export function readX509Upload(upload: Uint8Array): X509Upload {
  const bytes = bufferOf(upload);
  const structure = withoutNewline(bytes);
  if (isStructure(structure)) return gather([readStructure(structure)]);
  const text = bytes.toString('latin1');
  const private_ = textBlocks(text, (label) => /PRIVATE KEY$/.test(label) && !label.startsWith('PGP '), 1);
  // Also one that was cut off.
  if (private_.length > 0) return { ok: false, because: 'private key' };
  const blocks = pemBlocks(bytes).filter(({ body }) => body !== null);
  if (blocks.length === 0) return { ok: false, because: 'damaged' };
  if (blocks.length > MAX_BLOCKS) return { ok: false, because: 'too many' };
  const read: X509Upload[] = [];
  for (const { label, body } of blocks) {
    const one = readBlock(label, body ?? '');
    // One bad block is enough: others may be dear to read.
    if (!one.ok) return one;
    read.push(one);
  }
  return gather(read);
}

/** What "echo" and editors put behind a file of one structure. */
function withoutNewline(bytes: Buffer): Buffer {
  if (bytes[0] !== 0x30) return bytes;
  for (const end of ['\r\n', '\n'] as const) {
    const whole = bytes.subarray(0, bytes.length - end.length);
    if (!isStructure(bytes) && bytes.subarray(-end.length).toString('latin1') === end && isStructure(whole))
      return whole;
  }
  return bytes;
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function gather(found: readonly X509Upload[]): X509Upload {
  const bad = found.find((each) => !each.ok);
  if (bad !== undefined) return bad;
  const certificates = new Map(
    found.flatMap((each) => (each.ok ? each.certificates : [])).map((der) => [der.toString('latin1'), der]),
  );
  if (certificates.size === 0) return { ok: false, because: 'damaged' };
  if (certificates.size > MAX_CERTIFICATES) return { ok: false, because: 'too many' };
  return { ok: true, certificates: [...certificates.values()] };
}

function readBlock(label: string, text: string): X509Upload {
  if (/CERTIFICATE REQUEST$/.test(label)) return { ok: false, because: 'certificate request' };
  if (/PUBLIC KEY$/.test(label)) return { ok: false, because: 'public key' };
  // Parameters of an elliptic curve say nothing, and are put before the key by some tools; a revocation list is not asked.
  if (/PARAMETERS$|^X509 CRL$/.test(label)) return { ok: true, certificates: [] };
  // Quoted in a reply, or dash-escaped in a clear-signed mail, lines have something before them.
  const base64 = text.replace(/^[ \t]*(?:>[ \t]?)+|^[ \t]*-[ \t]?$/gm, '').replace(/\s+/g, '');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return { ok: false, because: 'damaged' };
  return readStructure(Buffer.from(base64, 'base64'), label === 'TRUSTED CERTIFICATE');
}

/** asn1js tells most faults by an offset of -1, and throws at strings that are none. */
function parseBer(bytes: Buffer): Pick<ReturnType<typeof fromBER>, 'offset'> & { readonly result: unknown } {
  try {
    return fromBER(bytes);
  } catch {
    return { offset: -1, result: null };
  }
}

/** @param trailing OpenSSL appends what it trusts a certificate for */
function readStructure(bytes: Buffer, trailing = false): X509Upload {
  const { offset, result } = parseBer(bytes);
  if (offset === -1 || !(result instanceof Sequence)) return { ok: false, because: 'damaged' };
  if (offset !== bytes.length && !trailing) return { ok: false, because: 'damaged' };
  const [first, second] = result.valueBlock.value;
  // PKCS #8 and PKCS #1 keys begin with their version, and so does PKCS #12, which holds such a key.
  if (first instanceof Integer) return { ok: false, because: 'private key' };
  if (first instanceof ObjectIdentifier) return readContentInfo(result);
  if (second instanceof OctetString) return { ok: false, because: 'private key' };
  if (second instanceof BitString) return { ok: false, because: 'public key' };
  const der = bytes.subarray(0, offset);
  try {
    Certificate.fromBER(der);
    return { ok: true, certificates: [der] };
  } catch {
    return { ok: false, because: isRequest(der) ? 'certificate request' : 'damaged' };
  }
}

function isRequest(der: Buffer): boolean {
  try {
    CertificationRequest.fromBER(der);
    return true;
  } catch {
    return false;
  }
}

/** The certificates of a PKCS #7 bundle ("certs-only", RFC 8551, section 3.8), byte for byte as they stand in it. */
function readContentInfo(schema: Sequence): X509Upload {
  try {
    const { contentType, content } = new ContentInfo({ schema });
    if (contentType !== ID_SIGNED_DATA) return { ok: false, because: 'encrypted message' };
    const bag = (content as Sequence).valueBlock.value.find(
      ({ idBlock }) => idBlock.tagClass === 3 && idBlock.tagNumber === 0,
    );
    const certificates = bag instanceof Constructed ? bag.valueBlock.value : [];
    return { ok: true, certificates: certificates.filter(isSequence).map(bytesOf) };
  } catch {
    return { ok: false, because: 'damaged' };
  }
}

function isSequence(block: BaseBlock): boolean {
  return block instanceof Sequence;
}

function bytesOf({ valueBeforeDecodeView }: BaseBlock): Buffer {
  return Buffer.from(valueBeforeDecodeView);
}
