// A letter that is signed with S/MIME brings its author's certificate: it counts where the signature is right, and where the
// certificate is the author's.

import { MAX_UPLOAD } from '../../keys/refusals.ts';
import { type ContentType, parseContentType, parseTransferEncoding } from '../../message/content-type.ts';
import { fieldsNamed, fieldValue, type MessageParts, splitMessage } from '../../message/header.ts';
import { nextDelimiter } from '../../message/mime-scanner.ts';
import { decodeTransferEncoding } from '../../message/transfer-encoding.ts';
import { readX509 } from '../../smime/certificate.ts';
import { verifySigned } from '../../smime/signed.ts';

export type SignedLetter =
  | { readonly kind: 'certificate'; readonly upload: Buffer }
  /** It is signed, and the signature proves nothing. */
  | { readonly kind: 'not proven' }
  | { readonly kind: 'not signed' };

const SIGNATURES: ReadonlySet<string> = new Set(['pkcs7-signature', 'x-pkcs7-signature']);
const MESSAGES: ReadonlySet<string> = new Set(['pkcs7-mime', 'x-pkcs7-mime']);
/** Certificates beside the signer's that are looked at. */
const MOST_OTHERS = 10;

/**
 * Reads the certificate of a signed letter.
 * @param from the address in From
 */
export async function readSignedLetter(parts: MessageParts, from: string): Promise<SignedLetter> {
  const found = signatureIn(parts);
  if (found === null) return { kind: 'not signed' };
  const { cms, content } = found;
  if (cms === null || cms.length > MAX_UPLOAD + (content === null ? parts.body.length : 0))
    return { kind: 'not proven' };
  const verified = await verifySigned(cms, content);
  if (!verified.ok || !isOf(verified.signer, from)) return { kind: 'not proven' };
  const chain = verified.others.slice(0, MOST_OTHERS).filter(isAuthority);
  return {
    kind: 'certificate',
    upload: Buffer.from([verified.signer, ...chain].map(pem).join(''), 'latin1'),
  };
}

interface Signature {
  /** null: it cannot be decoded. */
  readonly cms: Buffer | null;
  /** null: it stands in the signature. */
  readonly content: Buffer | null;
}

/** null: the letter as a whole is not signed. */
function signatureIn(parts: MessageParts): Signature | null {
  const type = typeOf(parts);
  if (type === null) return null;
  if (type.type === 'application' && MESSAGES.has(type.subtype)) {
    const kind = type.parameters.get('smime-type')?.toLowerCase();
    if (kind !== undefined && kind !== 'signed-data') return null;
    return { cms: decoded(parts), content: null };
  }
  const protocol = (type.parameters.get('protocol') ?? '').toLowerCase().split('/')[1] ?? '';
  if (type.type !== 'multipart' || type.subtype !== 'signed' || !SIGNATURES.has(protocol)) return null;
  return twoParts(parts.body, type.parameters.get('boundary') ?? '');
}

/** RFC 1847, section 2.1: exactly two parts; all of the first one, its header included, is what is signed. */
function twoParts(body: Buffer, boundary: string): Signature {
  const broken: Signature = { cms: null, content: Buffer.alloc(0) };
  if (boundary === '') return broken;
  const next = (from: number) => nextDelimiter(body, from, body.length, new Map([[boundary, 0]]));
  const first = next(0);
  const second = first === null || first.closing ? null : next(first.after);
  const third = second === null || second.closing ? null : next(second.after);
  if (first === null || second === null || third?.closing !== true) return broken;
  const signature = splitMessage(body.subarray(second.after, third.before));
  const type = typeOf(signature);
  if (type?.type !== 'application' || !SIGNATURES.has(type.subtype)) return broken;
  return { cms: decoded(signature), content: body.subarray(first.after, second.before) };
}

function typeOf(parts: MessageParts): ContentType | null {
  const [field, ...more] = fieldsNamed(parts, 'content-type');
  const type = field === undefined || more.length > 0 ? null : parseContentType(fieldValue(field));
  return type === null || type.ambiguous ? null : type;
}

function decoded(parts: MessageParts): Buffer | null {
  const [field, ...more] = fieldsNamed(parts, 'content-transfer-encoding');
  const encoding = field === undefined ? '7bit' : parseTransferEncoding(fieldValue(field));
  return more.length > 0 ? null : decodeTransferEncoding(parts.body, encoding);
}

/** Whose certificate it is, it says itself. */
function isOf(der: Buffer, from: string): boolean {
  return readX509(der).addresses.some((address) => address.toLowerCase() === from.toLowerCase());
}

function isAuthority(der: Buffer): boolean {
  return readX509(der).authority;
}

function pem(der: Buffer): string {
  const lines = der.toString('base64').replace(/.{64}/g, '$&\n').trimEnd();
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}
