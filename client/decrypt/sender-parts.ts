// What a mail's own sender encrypted or signed, found by structure: the bytes to decrypt, or the bytes and their signature. Only
// the whole mail counts: a signed part inside an unsigned mail says nothing about what the reader sees around it.

import { detectEncrypted } from '../../src/message/detect.ts';
import { mediaType, readEntity } from '../../src/message/entity.ts';
import { splitMessage } from '../../src/message/header.ts';
import { nextDelimiter } from '../../src/message/mime-scanner.ts';
import { decodeTransferEncoding } from '../../src/message/transfer-encoding.ts';
import { trimBytes } from '../../src/message/white-space.ts';

export type SenderParts =
  /** Nothing of that kind. */
  | { readonly kind: 'plain' }
  | { readonly kind: 'encrypted'; readonly type: 'pgp-mime' | 'inline'; readonly message: Buffer }
  | {
      readonly kind: 'signed';
      readonly type: 'pgp-mime';
      readonly signed: Buffer;
      readonly signature: Buffer;
    }
  | { readonly kind: 'cleartext'; readonly type: 'inline'; readonly text: Buffer }
  /** Encrypted or signed in a way that is not checked here, or that cannot be read. */
  | {
      readonly kind: 'other';
      readonly encrypted: boolean;
      readonly signed: boolean;
      readonly type: 'smime' | 'parts' | 'pgp-mime';
    };

const PGP_SIGNATURE = 'application/pgp-signature';
const CMS_SIGNATURES: ReadonlySet<string> = new Set([
  'application/pkcs7-signature',
  'application/x-pkcs7-signature',
]);
const CMS: ReadonlySet<string> = new Set(['application/pkcs7-mime', 'application/x-pkcs7-mime']);
const CLEARTEXT = '-----BEGIN PGP SIGNED MESSAGE-----';
const CLEARTEXT_END = '-----END PGP SIGNATURE-----';

/** Takes a mail, or what was inside its encryption, apart. Pure. */
export function senderParts(message: Buffer): SenderParts {
  const detection = detectEncrypted(message);
  const parts = splitMessage(message);
  const { contentType, encoding } = readEntity(parts);
  if (detection.encrypted) {
    if (detection.how === 'cms') return { kind: 'other', encrypted: true, signed: false, type: 'smime' };
    if (detection.how === 'multipart')
      return { kind: 'other', encrypted: true, signed: false, type: 'parts' };
    const found =
      detection.how === 'inline'
        ? decodeTransferEncoding(parts.body, encoding)
        : contentOf(childrenOf(parts.body, contentType?.parameters.get('boundary') ?? '')[1]);
    return found === null
      ? { kind: 'other', encrypted: true, signed: false, type: 'pgp-mime' }
      : { kind: 'encrypted', type: detection.how, message: found };
  }
  if (contentType === null) return { kind: 'plain' };
  const type = mediaType(contentType);
  if (CMS.has(type) && contentType.parameters.get('smime-type')?.toLowerCase() === 'signed-data')
    return { kind: 'other', encrypted: false, signed: true, type: 'smime' };
  if (type === 'multipart/signed') {
    const protocol = contentType.parameters.get('protocol')?.toLowerCase() ?? '';
    if (CMS_SIGNATURES.has(protocol)) return { kind: 'other', encrypted: false, signed: true, type: 'smime' };
    if (protocol !== PGP_SIGNATURE) return { kind: 'plain' };
    const [signed, signature, ...more] = childrenOf(parts.body, contentType.parameters.get('boundary') ?? '');
    const bytes = contentOf(signature);
    return signed === undefined || bytes === null || more.length > 0
      ? { kind: 'other', encrypted: false, signed: true, type: 'pgp-mime' }
      : { kind: 'signed', type: 'pgp-mime', signed: withCrlf(signed), signature: bytes };
  }
  if (contentType.type === 'text') {
    const beginning = trimBytes(parts.body.subarray(0, 4096)).toString('latin1');
    if (!beginning.startsWith(CLEARTEXT)) return { kind: 'plain' };
    const text = decodeTransferEncoding(parts.body, encoding);
    // What stands before or behind the signed text is not signed.
    if (text !== null && isOneCleartext(trimBytes(text).toString('latin1'))) {
      return { kind: 'cleartext', type: 'inline', text };
    }
  }
  return { kind: 'plain' };
}

function isOneCleartext(text: string): boolean {
  return (
    text.startsWith(CLEARTEXT) &&
    text.endsWith(CLEARTEXT_END) &&
    text.indexOf(CLEARTEXT_END) === text.length - CLEARTEXT_END.length &&
    text.indexOf(`\n${CLEARTEXT}`) < 0
  );
}

/** The parts of a multipart, header and body each, without the line ending that belongs to the delimiter behind them. */
function childrenOf(body: Buffer, boundary: string): readonly Buffer[] {
  const active = new Map([[boundary, 0]]);
  const children: Buffer[] = [];
  let delimiter = boundary === '' ? null : nextDelimiter(body, 0, body.length, active);
  while (delimiter !== null && !delimiter.closing && children.length < 3) {
    const from = delimiter.after;
    delimiter = nextDelimiter(body, from, body.length, active);
    children.push(body.subarray(from, Math.max(from, delimiter?.before ?? body.length)));
  }
  return children;
}

/** The body of a part, its transfer encoding undone; null where that cannot be done. */
function contentOf(part: Buffer | undefined): Buffer | null {
  if (part === undefined) return null;
  const split = splitMessage(part);
  return decodeTransferEncoding(split.body, readEntity(split).encoding);
}

/** Signatures are over lines that end with CRLF (RFC 3156, section 5); a Maildir's lines end with LF. */
function withCrlf(bytes: Buffer): Buffer {
  if (!/(?<!\r)\n/.test(bytes.toString('latin1'))) return bytes;
  return Buffer.from(bytes.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1');
}
