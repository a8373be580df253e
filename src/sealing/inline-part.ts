// What becomes of one part in the inline style: what is encrypted of it, and how its header changes. Pure.
import { isAscii, isUtf8 } from 'node:buffer';
import { holdsAscii } from '../message/charset.ts';
import { parseContentType, rawParameters } from '../message/content-type.ts';
import { type Entity, mediaType } from '../message/entity.ts';
import { fieldsNamed, fieldValue, type HeaderField, type LineEnding } from '../message/header.ts';
import { judgeLeaf, rejectByHead } from '../message/leaf.ts';
import type { Piece } from '../message/mime-tree.ts';
import { decodeLeniently } from '../message/transfer-encoding.ts';
import type { ArmorHeader } from '../openpgp/types.ts';
import { dispositionOf, hasName, sealedName } from './attachment-name.ts';
import { isUtf8Text, utf8Text } from './inline-text.ts';
import { asOriginal, type Changes, rewriteHeader } from './part-header.ts';

type Leaf = Extract<Piece, { kind: 'leaf' }>;

export interface InlinePart {
  /** The header section without its empty line. */
  readonly header: readonly Buffer[];
  readonly plaintext: Buffer;
  /** The plaintext is a text in UTF-8 with CRLF at its line ends. */
  readonly text: boolean;
  readonly armorHeaders: readonly ArmorHeader[];
}

const TYPE = 'content-type';
const ENCODING = 'content-transfer-encoding';
const DISPOSITION = 'content-disposition';
const IDENTITY: ReadonlySet<string | null> = new Set(['7bit', '8bit', 'binary']);

/** What tells of the body as it was, its digest and its length: wrong afterwards, and the digest would betray a short text. */
export const GONE: ReadonlySet<string> = new Set(['content-md5', 'content-length']);

/** Whether a part needs no sealing: it is encrypted already. */
export function isSealedAlready({ entity, body, encrypted }: Leaf): boolean {
  if (encrypted) return true;
  if (entity.contentType === null || entity.contentType.type === 'multipart') return false;
  return rejectByHead(entity, body) === null && judgeLeaf(entity, body).encrypted;
}

/**
 * What is encrypted of a part: its body with the transfer encoding undone as mail programs do.
 * @returns `decoded` false: the bytes are in their transfer encoding still, since it cannot be undone, or since it is that of a
 * multipart, which has none (RFC 2045, section 6.4)
 */
export function plaintextOf({ entity, body, unopened }: Pick<Leaf, 'entity' | 'body' | 'unopened'>): {
  readonly plaintext: Buffer;
  readonly decoded: boolean;
} {
  const decoded =
    unopened || entity.contentType?.type === 'multipart' ? null : decodeLeniently(body, entity.encoding);
  return { plaintext: decoded ?? body, decoded: decoded !== null || IDENTITY.has(entity.encoding) };
}

/**
 * Makes the plan for one part that is not encrypted yet.
 *
 * - A text, whatever its subtype, becomes one armored text of the same type: its transfer encoding is undone first, and it is
 *   written in UTF-8, as its type says then. Where that would lose something, or needs more room than there is, its bytes stay as
 *   they are. The armor tells the character set.
 * - An attachment (everything that is no text, or says that it is an attachment) becomes application/octet-stream, `name.pgp`.
 * - So does a part whose type cannot be made out, if it has a file name or says that it is an attachment: names that are not
 *   quoted are what most often makes a type unreadable.
 * - Any other part whose type or whose parts cannot be made out becomes one armored text/plain of its bytes. What its fields said
 *   of it stands in X-Original-Content-Type then, and in X-Original-Content-Transfer-Encoding where that could not be undone.
 * @param asFile makes an attachment even of a text, for mail programs that show nothing of it in its place
 * @param room bytes by which a text in UTF-8 may be longer than the part's body
 */
export function planPart(leaf: Leaf, eol: LineEnding, asFile: boolean, room: number): InlinePart {
  const { head, entity } = leaf;
  const { plaintext, decoded } = plaintextOf(leaf);
  const fields = head.fields.filter(({ name }) => !GONE.has(name));
  const { contentType } = entity;
  const encoding = fieldsNamed({ fields }, ENCODING).length === 0 ? [] : ['Content-Transfer-Encoding: 7bit'];
  const changes = new Map<string, readonly (string | Buffer)[]>([
    [ENCODING, [...encoding, ...(decoded ? [] : asOriginal(fields, ENCODING))]],
  ]);
  const label = contentType?.parameters.get('charset');
  const attached = asFile || dispositionOf(fields) === 'attachment';
  const unread = contentType === null && !leaf.unopened && hasName(fields) && !isWholeText(leaf);
  const asText =
    leaf.unopened || contentType?.type === 'multipart' || (contentType === null && !attached && !unread);
  const inPlace = contentType?.type === 'text' && !attached;
  const text =
    inPlace && decoded ? utf8Text(plaintext, label, leaf.body.length - plaintext.length + room) : null;
  const charset = text === null ? label : charsetAfter(text, label);
  if (asText) {
    changes.set(TYPE, ['Content-Type: text/plain; charset=us-ascii', ...asOriginal(fields, TYPE)]);
  } else if (!inPlace) {
    for (const [name, change] of attachmentFields(head.fields, entity, eol)) changes.set(name, change);
    if (contentType === null) changes.set(TYPE, [...(changes.get(TYPE) ?? []), ...asOriginal(fields, TYPE)]);
    changes.set(ENCODING, [
      'Content-Transfer-Encoding: 7bit',
      ...(changes.get(ENCODING) ?? []).slice(encoding.length),
    ]);
  } else if (charset !== label) {
    changes.set(TYPE, [typeIn('utf-8', fields, entity, eol)]);
  } else if (label !== undefined && !holdsAscii(label)) {
    // The one character set that armor surely is in.
    changes.set(TYPE, [typeIn('us-ascii', fields, entity, eol)]);
  }
  return {
    header: rewriteHeader(fields, changes, eol),
    plaintext: text ?? plaintext,
    text: text !== null || ((asText || inPlace) && isUtf8Text(plaintext)),
    armorHeaders: asText || contentType?.type === 'text' ? charsetOf(text ?? plaintext, charset) : [],
  };
}

/** Whether a message, and not a part of one, calls itself a text: a file alone is no mail, whatever its name. */
function isWholeText({ head, within }: Leaf): boolean {
  const [field] = fieldsNamed(head, TYPE);
  return within === null && field !== undefined && parseContentType(fieldValue(field))?.type === 'text';
}

/** The Charset header for a text (RFC 9580, section 6.2.2); none where nobody can tell. */
export function charsetOf(text: Buffer, label?: string): readonly ArmorHeader[] {
  const guess = isAscii(text) ? 'us-ascii' : isUtf8(text) ? 'utf-8' : '';
  const value = label ?? guess;
  return /^[\w.:+-]{1,40}$/.test(value) ? [{ name: 'Charset', value }] : [];
}

function attachmentFields(fields: readonly HeaderField[], { contentType }: Entity, eol: LineEnding): Changes {
  const names = sealedName(fields, contentType);
  const parameters = (base: string) =>
    names.map(({ form, value }) => `;${eol} ${base}${form}=${value}`).join('');
  return new Map([
    [TYPE, [`Content-Type: application/octet-stream${parameters('name')}`]],
    [DISPOSITION, [`Content-Disposition: attachment${parameters('filename')}`]],
  ]);
}

/** What a type says of a text in UTF-8: what it said, where that is as true. */
function charsetAfter(text: Buffer, label: string | undefined): string | undefined {
  if (label === undefined || /^utf-?8$/i.test(label)) return label;
  return holdsAscii(label) && isAscii(text) ? label : 'utf-8';
}

/** The Content-Type of a text with another character set. */
function typeIn(
  charset: 'utf-8' | 'us-ascii',
  fields: readonly HeaderField[],
  { contentType }: Entity,
  eol: LineEnding,
): string {
  const [field] = fieldsNamed({ fields }, TYPE);
  const others =
    field === undefined ? [] : rawParameters(fieldValue(field)).filter(({ name }) => name !== 'charset');
  const type = contentType === null ? 'text/plain' : mediaType(contentType);
  return `Content-Type: ${[type, `charset=${charset}`, ...others.map(({ name, value }) => `${name}=${value}`)].join(`;${eol} `)}`;
}
