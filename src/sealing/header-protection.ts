// Header protection (RFC 9788): the header section of the entity that gets encrypted, and what stands outside in its place.
import { isAscii } from 'node:buffer';
import { contentTypeShape, parameterSpans, parseContentType } from '../message/content-type.ts';
import {
  fieldsNamed,
  fieldValue,
  type HeaderField,
  type LineEnding,
  MAX_FIELDS,
  type MessageParts,
  MOST_HEADER_BYTES,
} from '../message/header.ts';
import { hidesSubject, isInsideOnly, type OuterHeaderOptions, outerFields } from './header-policy.ts';

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
/** What mail programs knew before RFC 9788, and some know alone (draft-autocrypt-lamps-protected-headers). */
const PROTECTED = 'protected-headers="v1"';
/** Room for the fields of the sealed message itself, and for those that it gains on its way: all of them are to be found. */
const MOST_OUTSIDE = MAX_FIELDS - 100;
/**
 * Bytes of user-facing fields that stand outside as well as inside. There they stand twice, in HP-Outer too: of a header as large as a
 * message, that would make a message four times as large.
 */
export const MOST_REPEATED = 32 * 1024;
/** A smaller message may grow by as much as it likes: it stays small. */
const SMALL_MESSAGE = 64 * 1024;
/** Of a message that is not small, what repeated fields may cost in bytes of the sealed one; armor takes 1.37 of all of it. */
const REPEATED_COST = 0.11;
/** What a byte inside costs once it is armored. */
const ARMOR = 1.37;
const HP_OUTER = 'HP-Outer: ';
/** As many times its size an address list may have that `shy` writes anew: a space behind each comma, and folding. */
const LIST_GROWS = 1.3;
/** Fields without which a message is hard to deliver and to sort. They come first. */
const ESSENTIAL: ReadonlySet<string> = new Set(['from', 'date', 'message-id', 'subject']);
/** Lines that would become longer than this are folded (RFC 5322, section 2.1.1). */
const LONG_LINE = 78;

/**
 * Divides a message's header between inside and outside. Pure; original fields keep their bytes and their order.
 *
 * A multipart/signed root keeps its exact Content-* fields, or its signature would cover other bytes than before; so its header
 * stays outside as it is, Subject included, since mail programs read no protected field there. Only what quotes the body goes
 * inside: no signature covers the fields beside the root's own.
 *
 * Of more fields than may stand outside, the last ones are inside only, of a signed root, too. So are the largest user-facing
 * fields where all together would be larger than {@link MOST_REPEATED}, or some 4 % of a message above 64 KB.
 */
export function protectHeader(parts: MessageParts, options: OuterHeaderOptions): ProtectedHeader {
  const { eol } = options;
  const content = parts.fields.filter(isContentField);
  const rest = parts.fields.filter((field) => !isContentField(field) && field.name !== 'mime-version');
  if (isSigned(parts) && rest.length <= MOST_OUTSIDE) {
    const insideOnly = rest.filter(isInsideOnly);
    return {
      inner: [...insideOnly, ...content].map((field) => endedWith(field.raw, eol)),
      outer: rest.filter((field) => !isInsideOnly(field)).map((field) => endedWith(field.raw, eol)),
    };
  }
  const inOnly = tooLargeToRepeat(rest, options, sizeOf(parts));
  const outer = outerFields(
    rest.filter((field) => !inOnly.has(field)),
    options,
  ).slice(0, MOST_OUTSIDE);
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

/** The user-facing fields for which there is no room outside; one whose value is not told outside takes none. */
function tooLargeToRepeat(
  fields: readonly HeaderField[],
  options: OuterHeaderOptions,
  messageSize: number,
): ReadonlySet<HeaderField> {
  const hidden = hidesSubject(options);
  const repeated = fields.filter((field) => isUserFacing(field) && !(hidden && field.name === 'subject'));
  const inOnly = new Set<HeaderField>();
  const room = { bytes: MOST_REPEATED, cost: roomFor(messageSize) };
  const isEssential = ({ name }: HeaderField): boolean => ESSENTIAL.has(name);
  const smallestFirst = repeated
    .filter((field) => !isEssential(field))
    .sort((a, b) => a.raw.length - b.raw.length);
  for (const field of [...repeated.filter(isEssential), ...smallestFirst]) {
    const bytes = field.raw.length;
    const cost = costOf(options.policy === 'shy' ? bytes * LIST_GROWS : bytes);
    if (bytes > room.bytes || cost > room.cost) inOnly.add(field);
    else {
      room.bytes -= bytes;
      room.cost -= cost;
    }
  }
  return inOnly;
}

function roomFor(messageSize: number): number {
  return messageSize < SMALL_MESSAGE ? Number.POSITIVE_INFINITY : messageSize * REPEATED_COST;
}

/** What a field of so many bytes costs that stands outside, too: there, and in HP-Outer. */
function costOf(bytes: number): number {
  return bytes + (HP_OUTER.length + bytes) * ARMOR;
}

/** Bytes of the message; its preamble and separator count for nothing. */
function sizeOf({ fields, body }: MessageParts): number {
  return fields.reduce((sum, { raw }) => sum + raw.length, body.length);
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
  return Buffer.concat([Buffer.from(HP_OUTER, 'latin1'), endedWith(field.raw, eol)]);
}

/** The Content-* fields, the (first) Content-Type saying that this header is protected and was encrypted. */
function withCipher(content: readonly HeaderField[], body: Buffer, eol: LineEnding): readonly Buffer[] {
  const type = content.find((field) => field.name === 'content-type');
  const fields = content.map((field) => (field === type ? announce(field, eol) : endedWith(field.raw, eol)));
  if (type !== undefined) return fields;
  // RFC 2045, section 5.2. Nobody can tell the charset of an 8-bit body that does not say.
  const charset = isAscii(body) ? ' charset=us-ascii;' : '';
  return [bothAdded(`Content-Type: text/plain;${charset} ${CIPHER}`, eol), ...fields];
}

/**
 * Says in a Content-Type field that this header is protected and was encrypted, in both forms, and touches no other byte: what
 * the sender said of the header, which was not encrypted then, is overwritten where it stands; what is missing comes at the
 * end, or, where a quoted string or a comment is not closed, behind the type.
 */
function announce(field: HeaderField, eol: LineEnding): Buffer {
  const whole = field.raw.toString('latin1');
  const colon = whole.indexOf(':') + 1;
  const value = whole.slice(colon, whole.trimEnd().length);
  const ending = whole.slice(Math.max(whole.trimEnd().length, colon));
  // Nothing there: text/plain, as every mail program takes it.
  if (value.trim() === '') return bothAdded(`${whole.slice(0, colon)} text/plain; ${CIPHER}`, eol);
  const told = overwritten(value);
  const { typeEnd, closed } = contentTypeShape(told.value);
  const at = closed ? told.value.length : typeEnd;
  let before = `${whole.slice(0, colon)}${told.value.slice(0, at)}`;
  for (const parameter of [...(told.cipher ? [] : [CIPHER]), ...(told.protected ? [] : [PROTECTED])]) {
    const separator = /;[ \t\r\n]*$/.test(before) ? '' : ';';
    before += `${separator}${spaceFor(before, parameter, eol)}${parameter}`;
  }
  return endedWith(Buffer.from(`${before}${told.value.slice(at)}${ending}`, 'latin1'), eol);
}

/** @param field without a line ending, and with the first form */
function bothAdded(field: string, eol: LineEnding): Buffer {
  return Buffer.from(`${field};${spaceFor(field, PROTECTED, eol)}${PROTECTED}${eol}`, 'latin1');
}

/** What stands before a parameter: a fold where the line would become too long. */
function spaceFor(before: string, parameter: string, eol: LineEnding): string {
  const lastLine = before.length - Math.max(before.lastIndexOf('\n'), before.lastIndexOf('\r')) - 1;
  return lastLine + parameter.length + 2 > LONG_LINE ? `${eol} ` : ' ';
}

/** A Content-Type value whose own `hp` and `protected-headers` say what is true now, in whatever way they were written (RFC 2231). */
function overwritten(value: string): {
  readonly value: string;
  readonly cipher: boolean;
  readonly protected: boolean;
} {
  const pieces: string[] = [];
  const found = new Set<string>();
  let at = 0;
  for (const { name, from, end } of parameterSpans(value)) {
    const parameter = /^hp(?:\*|$)/.test(name)
      ? CIPHER
      : /^protected-headers(?:\*|$)/.test(name)
        ? PROTECTED
        : null;
    if (parameter === null) continue;
    const written = value.slice(from, end);
    const [word = '', says = ''] = parameter.split('=');
    const same =
      written.toLowerCase() === parameter || written.toLowerCase() === `${word}=${says.slice(1, -1)}`;
    found.add(parameter);
    pieces.push(value.slice(at, from), same ? written : parameter);
    at = end;
  }
  return {
    value: pieces.join('') + value.slice(at),
    cipher: found.has(CIPHER),
    protected: found.has(PROTECTED),
  };
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
