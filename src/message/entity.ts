// A MIME entity: the header fields that say what its body is, read strictly (RFC 2045, RFC 2046).
import { type ContentType, parseContentType, parseTransferEncoding } from './content-type.ts';
import { fieldsNamed, fieldValue, type HeaderField, type MessageParts } from './header.ts';

export interface Entity {
  /** null where it cannot be read, or can be read in two ways. */
  readonly contentType: ContentType | null;
  /** Lower case; null where it cannot be read, or stands there twice. */
  readonly encoding: string | null;
  /** The first Content-Disposition. */
  readonly disposition: HeaderField | null;
}

const TEXT_PLAIN: ContentType = {
  type: 'text',
  subtype: 'plain',
  parameters: new Map(),
  ambiguous: false,
};

/** RFC 2046, section 5.1.5: what a part of multipart/digest is when it does not say. */
const MESSAGE_RFC822: ContentType = { ...TEXT_PLAIN, type: 'message', subtype: 'rfc822' };

/** Reads what an entity says of its body. */
export function readEntity(parts: MessageParts, inDigest = false): Entity {
  return {
    contentType: soleContentType(parts, inDigest ? MESSAGE_RFC822 : TEXT_PLAIN),
    encoding: soleEncoding(parts),
    disposition: fieldsNamed(parts, 'content-disposition')[0] ?? null,
  };
}

function soleContentType(parts: MessageParts, absent: ContentType): ContentType | null {
  const [field, ...more] = fieldsNamed(parts, 'content-type');
  if (field === undefined) return absent;
  if (more.length > 0) return null;
  const contentType = parseContentType(fieldValue(field));
  return contentType === null || contentType.ambiguous ? null : contentType;
}

function soleEncoding(parts: MessageParts): string | null {
  const [field, ...more] = fieldsNamed(parts, 'content-transfer-encoding');
  if (field === undefined) return '7bit';
  return more.length > 0 ? null : parseTransferEncoding(fieldValue(field));
}

/** `type/subtype` in lower case. */
export function mediaType(contentType: ContentType): string {
  return `${contentType.type}/${contentType.subtype}`;
}
