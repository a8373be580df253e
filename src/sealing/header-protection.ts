// Header protection (RFC 9788): the header section of the entity that gets encrypted, and what stands outside in its place.
import { isAscii } from 'node:buffer';
import { contentTypeShape, parseContentType } from '../message/content-type.ts';
import {
  fieldsNamed,
  fieldValue,
  type HeaderField,
  type LineEnding,
  MAX_FIELDS,
  type MessageParts,
  MOST_HEADER_BYTES,
} from '../message/header.ts';
import { type OuterHeaderOptions, outerFields } from './header-policy.ts';

export interface ProtectedHeader {
  /** Header section of what gets encrypted, without the empty line. */
  readonly inner: readonly Buffer[];
  /** The original fields that stand outside: without Content-* and MIME-Version, as the policy has them. */
  readonly outer: readonly Buffer[];
}

/** Non-structural fields that a person sees or answers to. Trace fields and what is for mail servers stay outside only. */
const USER_FACING: ReadonlySet<string> = new Set([
  'from',
  'to',
  'cc',
  'subject',
  'date',
  'message-id',
  'in-reply-to',
  'references',
  'reply-to',
  'sender',
  'keywords',
  'comments',
]);

const CIPHER = 'hp="cipher"';
/** Room for the fields of the sealed message itself, and for those that it gains on its way: all of them are to be found. */
const MOST_OUTSIDE = MAX_FIELDS - 100;
/** Lines that would become longer than this are folded (RFC 5322, section 2.1.1). */
const LONG_LINE = 78;

/**
 * Divides a message's header between inside and outside. Pure; original fields keep their bytes and their order.
 *
 * A multipart/signed root keeps its exact Content-* fields and gets nothing else inside, or its signature would cover other
 * bytes than before; so its header stays outside as it is, Subject included, since nothing inside could carry it.
 *
 * Of more fields than may stand outside, the last ones are inside only, of a signed root, too.
 */
export function protectHeader(parts: MessageParts, options: OuterHeaderOptions): ProtectedHeader {
  const { eol } = options;
  const content = parts.fields.filter(isContentField);
  const rest = parts.fields.filter((field) => !isContentField(field) && field.name !== 'mime-version');
  if (isSigned(parts) && rest.length <= MOST_OUTSIDE) {
    return {
      inner: content.map((field) => endedWith(field.raw, eol)),
      outer: rest.map((field) => endedWith(field.raw, eol)),
    };
  }
  const outer = outerFields(rest, options).slice(0, MOST_OUTSIDE);
  const unchanged = new Set(outer);
  // What is not outside is inside, or it would be lost.
  const inside = rest.filter((field) => isUserFacing(field) || !unchanged.has(field));
  return {
    inner: [
      ...inside.map((field) => endedWith(field.raw, eol)),
      ...outer.filter(isUserFacing).map((field) => hpOuter(field, eol)),
      ...withCipher(content, parts.body, eol),
    ],
    outer: outer.map((field) => endedWith(field.raw, eol)),
  };
}

function isContentField(field: HeaderField): boolean {
  return field.name.startsWith('content-');
}

function isUserFacing(field: HeaderField): boolean {
  return USER_FACING.has(field.name) || field.name.startsWith('list-');
}

function isSigned(parts: MessageParts): boolean {
  let left = MOST_HEADER_BYTES;
  return fieldsNamed(parts, 'content-type').some((field) => {
    left -= field.raw.length;
    if (left < 0) return false;
    const contentType = parseContentType(fieldValue(field));
    return contentType?.type === 'multipart' && contentType.subtype === 'signed';
  });
}

/** RFC 9788, section 2.2: the field as it stands outside, so that a change on the way, or a hidden Subject, is seen. A field that is not outside has none. */
function hpOuter(field: HeaderField, eol: LineEnding): Buffer {
  return Buffer.concat([Buffer.from('HP-Outer: ', 'latin1'), endedWith(field.raw, eol)]);
}

/** The Content-* fields, the (first) Content-Type saying that this header is protected and was encrypted. */
function withCipher(content: readonly HeaderField[], body: Buffer, eol: LineEnding): readonly Buffer[] {
  const type = content.find((field) => field.name === 'content-type');
  const fields = content.map((field) => (field === type ? addCipher(field, eol) : endedWith(field.raw, eol)));
  if (type !== undefined) return fields;
  // RFC 2045, section 5.2. Nobody can tell the charset of an 8-bit body that does not say.
  const charset = isAscii(body) ? ' charset=us-ascii;' : '';
  return [Buffer.from(`Content-Type: text/plain;${charset} ${CIPHER}${eol}`, 'latin1'), ...fields];
}

/**
 * Puts the parameter into a Content-Type field without touching another byte: at the end, or, where a quoted string or a
 * comment is not closed, behind the type. A field that says that its header is protected, as RFC 9788 does (`hp`) or as mail
 * programs did before (`protected-headers`), keeps its bytes.
 */
function addCipher(field: HeaderField, eol: LineEnding): Buffer {
  const whole = field.raw.toString('latin1');
  const { parameters } = parseContentType(fieldValue(field)) ?? {};
  if (parameters?.has('hp') || parameters?.has('protected-headers')) return endedWith(field.raw, eol);
  const colon = whole.indexOf(':') + 1;
  const end = whole.trimEnd().length;
  const value = whole.slice(colon, end);
  const { typeEnd, closed } = contentTypeShape(value);
  // Nothing there: text/plain, as every mail program takes it.
  if (value.trim() === '')
    return Buffer.from(`${whole.slice(0, colon)} text/plain; ${CIPHER}${eol}`, 'latin1');
  const at = closed ? Math.max(end, colon) : colon + typeEnd;
  const before = whole.slice(0, at);
  const lastLine = before.length - Math.max(before.lastIndexOf('\n'), before.lastIndexOf('\r')) - 1;
  const space = lastLine + CIPHER.length + 2 > LONG_LINE ? `${eol} ` : ' ';
  const separator = /;[ \t\r\n]*$/.test(before) ? '' : ';';
  const changed = `${before}${separator}${space}${CIPHER}${whole.slice(at)}`;
  return endedWith(Buffer.from(changed, 'latin1'), eol);
}

/**
 * A field with a line ending that every mail program takes for one. Only the last line of a message can lack it; a bare CR, which
 * RFC 5322 forbids and some read as a line ending and some do not, becomes one.
 */
export function endedWith(raw: Buffer, eol: LineEnding): Buffer {
  const last = raw[raw.length - 1];
  const bareCr = raw.includes(0x0d) && /\r(?!\n)/.test(raw.toString('latin1'));
  if (last === 0x0a && !bareCr) return raw;
  const text = raw.toString('latin1').replace(/\r(?!\n)/g, eol);
  return Buffer.from(text.endsWith('\n') ? text : `${text}${eol}`, 'latin1');
}
