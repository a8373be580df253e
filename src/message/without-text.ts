// Parts that hold nothing which a reader would see as text: beside an encrypted part they change nothing.
import { isPublicKeyBlock } from '../openpgp/public-key-block.ts';
import { beginsBlock, readBlock, visibleText } from './armored-text.ts';
import { holdsAscii } from './charset.ts';
import { type Entity, mediaType } from './entity.ts';
import { PGP_ENCRYPTED } from './leaf.ts';
import { decodeTransferEncoding } from './transfer-encoding.ts';

/** White space of an empty text, a control part in base64: none of them needs more. */
const MAX_BYTES = 4096;
/** An attached certificate in its transfer encoding: as much as import takes, and a third more. */
const MAX_KEY_BYTES = 400 * 1024;

export type WithoutText = 'empty-text' | 'control' | 'public-key';

/**
 * Which of the parts without text this is; null where it is none, or cannot be read in one way.
 * @param body in its transfer encoding
 */
export function withoutText(entity: Entity, body: Buffer): WithoutText | null {
  const { contentType } = entity;
  if (contentType === null) return null;
  if (contentType.type === 'text') return isEmptyText(entity, body) ? 'empty-text' : null;
  if (isControlPart(entity, body)) return 'control';
  return contentType.type === 'application' && isPublicKey(entity, body) ? 'public-key' : null;
}

/**
 * The first part of PGP/MIME (RFC 3156, section 4), encoded or not. The version may be left out; anything else would be a text
 * that nobody has encrypted.
 */
export function isControlPart({ contentType, encoding }: Entity, body: Buffer): boolean {
  if (contentType === null || mediaType(contentType) !== PGP_ENCRYPTED || body.length > MAX_BYTES)
    return false;
  const decoded = decodeTransferEncoding(body, encoding);
  const version = decoded === null ? null : visibleText(decoded);
  return (
    version !== null && version.length <= 64 && /^(?:Version:[ \t]*1)?$/i.test(version.toString('latin1'))
  );
}

/** In UTF-16 or EBCDIC the bytes of white space may be letters. */
function isEmptyText({ contentType, encoding }: Entity, body: Buffer): boolean {
  const label = contentType?.parameters.get('charset');
  if (body.length > MAX_BYTES || (label !== undefined && !holdsAscii(label))) return false;
  const decoded = decodeTransferEncoding(body, encoding);
  return decoded !== null && visibleText(decoded).length === 0;
}

/** An attachment that is a certificate, armored or binary. */
function isPublicKey({ encoding }: Entity, body: Buffer): boolean {
  if (body.length > MAX_KEY_BYTES) return false;
  const decoded = decodeTransferEncoding(body, encoding);
  if (decoded === null) return false;
  const packets = beginsBlock(decoded, 'PGP PUBLIC KEY BLOCK')
    ? readBlock(decoded, 'PGP PUBLIC KEY BLOCK')
    : decoded;
  return packets !== null && isPublicKeyBlock(packets);
}
