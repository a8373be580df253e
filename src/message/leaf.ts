// One part that is no multipart: is it encrypted, and how?
import { encryptedMessageKeyIds } from '../openpgp/encrypted-message.ts';
import { beginsArmoredMessage, beginsBlock, readArmoredMessage } from './armored-text.ts';
import { encryptedCmsKind } from './cms.ts';
import { type Entity, mediaType } from './entity.ts';
import { fieldValue } from './header.ts';
import { parameterReadings } from './parameter.ts';
import { decodeTransferEncoding } from './transfer-encoding.ts';

export type LeafVerdict =
  | {
      readonly encrypted: true;
      readonly how: 'inline' | 'attachment' | 'cms';
      readonly because: string;
      readonly keyIds: readonly string[];
    }
  | { readonly encrypted: false; readonly because: string };

/** The media type of the first part of PGP/MIME (RFC 3156, section 4). */
export const PGP_ENCRYPTED = 'application/pgp-encrypted';

/** So much of a part is looked at before all of it is decoded. */
const HEAD_BYTES = 4096;

/** RFC 8551, section 3.2, and what it was called before it was registered. */
const CMS_TYPES: ReadonlySet<string> = new Set(['application/pkcs7-mime', 'application/x-pkcs7-mime']);

/**
 * Judges a part by its beginning alone, so that ordinary mail need not be read to the end.
 * @returns why it is not encrypted; null when it may be
 */
export function rejectByHead(entity: Entity, body: Buffer): string | null {
  if (body.length <= HEAD_BYTES || (entity.contentType?.type !== 'text' && isCms(entity))) return null;
  const head = decodeHead(body, entity.encoding);
  const isFile = entity.contentType?.type !== 'text';
  const binary = isFile && ((head?.[0] ?? 0) & 0x80) !== 0;
  const isKey = isFile && head !== null && beginsBlock(head, 'PGP PUBLIC KEY BLOCK');
  if (head !== null && (binary || isKey || beginsArmoredMessage(head))) return null;
  const verdict = judgeLeaf(entity, Buffer.alloc(0));
  return verdict.encrypted ? null : verdict.because;
}

/**
 * Judges a part that is no multipart.
 * @param entity with a readable content type
 * @param body in its transfer encoding
 */
export function judgeLeaf(entity: Entity, body: Buffer): LeafVerdict {
  const { contentType, encoding } = entity;
  if (contentType === null)
    return no('the Content-Type of a part cannot be read, or can be read in two ways');
  const type = mediaType(contentType);
  if (contentType.type === 'message') return no(`${type} is no encrypted part`);
  if (contentType.type === 'text') {
    const keyIds = armoredKeyIds(body, encoding);
    if (keyIds === null) return no(`${type} that is not one armored encrypted message`);
    return {
      encrypted: true,
      how: 'inline',
      because: `${type} that is one armored encrypted message`,
      keyIds,
    };
  }
  if (isCms(entity)) {
    const der = decodeTransferEncoding(body, encoding);
    const kind = der === null ? null : encryptedCmsKind(der);
    if (kind === null)
      return no(`${type} whose CMS content type is not enveloped-data or authEnveloped-data`);
    return { encrypted: true, how: 'cms', because: `${type} with CMS content type ${kind}`, keyIds: [] };
  }
  const keyIds = encryptedKeyIds(body, encoding);
  if (keyIds === null) return no(`${type} that is not an encrypted OpenPGP message`);
  return {
    encrypted: true,
    how: 'attachment',
    because: `${type} that is an encrypted OpenPGP message`,
    keyIds,
  };
}

/**
 * The recipients of a body that is an encrypted OpenPGP message, armored or binary; null where it is none.
 * @param encoding as in {@link Entity}
 */
export function encryptedKeyIds(body: Buffer, encoding: string | null): readonly string[] | null {
  const head = decodeHead(body, encoding);
  if (head === null) return null;
  if (beginsArmoredMessage(head)) return armoredKeyIds(body, encoding);
  // Every packet begins with its highest bit set (RFC 9580, section 4.2).
  if (((head[0] ?? 0) & 0x80) === 0) return null;
  const packets = decodeTransferEncoding(body, encoding);
  return packets === null ? null : encryptedMessageKeyIds(packets);
}

function armoredKeyIds(body: Buffer, encoding: string | null): readonly string[] | null {
  const head = decodeHead(body, encoding);
  if (head === null || !beginsArmoredMessage(head)) return null;
  const text = decodeTransferEncoding(body, encoding);
  const packets = text === null ? null : readArmoredMessage(text);
  return packets === null ? null : encryptedMessageKeyIds(packets);
}

function isCms({ contentType, disposition }: Entity): boolean {
  if (contentType === null) return false;
  if (CMS_TYPES.has(mediaType(contentType))) return true;
  // RFC 8551, section 3.2.1: some send it as application/octet-stream with this ending, in either field.
  if (contentType.subtype !== 'octet-stream') return false;
  const names = disposition === null ? [] : parameterReadings(fieldValue(disposition), 'filename');
  return [contentType.parameters.get('name') ?? '', ...names].some((name) => /\.p7m$/i.test(name));
}

/** The beginning of a body with its transfer encoding undone, as far as it can be told from a piece. */
function decodeHead(body: Buffer, encoding: string | null): Buffer | null {
  if (body.length <= HEAD_BYTES) return decodeTransferEncoding(body, encoding);
  const head = body.subarray(0, HEAD_BYTES);
  if (encoding === 'base64') return Buffer.from(head.toString('latin1'), 'base64');
  if (encoding !== 'quoted-printable') return decodeTransferEncoding(head, encoding);
  const lastLine = head.lastIndexOf(0x0a);
  return lastLine < 0 ? null : decodeTransferEncoding(head.subarray(0, lastLine + 1), encoding);
}

function no(because: string): LeafVerdict {
  return { encrypted: false, because };
}
