// The file name of an attachment, with `.pgp` at its end, in whatever way it is written: plain, as encoded words (which RFC 2047
// forbids there, and everybody sends), or as RFC 2231 has it, in one piece or in many.
import { type ContentType, quote, type RawParameter, rawParameters } from '../message/content-type.ts';
import { fieldsNamed, fieldValue, type HeaderField } from '../message/header.ts';

const SUFFIX = '.pgp';

/** One way in which the name is written: `name=...`, `name*=...`, or the pieces `name*0=...`. */
interface NameParameter {
  /** What stands behind `name` or `filename`: '', '*', '*0', '*1*' and so on. */
  readonly form: string;
  readonly value: string;
}

/**
 * The parameters of an attachment's name with `.pgp` appended, to be put behind `name` or `filename`. That of Content-Disposition
 * counts before that of Content-Type; an attachment without any name is called for its type, or `attachment.pgp`.
 */
export function sealedName(
  fields: readonly HeaderField[],
  contentType: ContentType | null,
): readonly NameParameter[] {
  const found = everyName(fields);
  const names = found.slice(0, 1).flatMap(({ base }) => found.filter((each) => each.base === base));
  if (names.length === 0) return [{ form: '', value: quote(`${defaultName(contentType)}${SUFFIX}`) }];
  const pieces = names.filter(({ form }) => pieceNumber(form) !== null);
  const last = Math.max(...pieces.map(({ form }) => pieceNumber(form) ?? 0));
  return names.map(({ form, value }) => {
    const number = pieceNumber(form);
    return { form, value: number === null || number === last ? withSuffix(value) : value };
  });
}

/** Whether a part has a file name. */
export function hasName(fields: readonly HeaderField[]): boolean {
  return everyName(fields).length > 0;
}

function everyName(fields: readonly HeaderField[]): readonly (NameParameter & { base: string })[] {
  return [
    ...nameParameters(fields, 'content-disposition', 'filename'),
    ...nameParameters(fields, 'content-type', 'name'),
  ];
}

function nameParameters(
  fields: readonly HeaderField[],
  name: string,
  base: string,
): readonly (NameParameter & { base: string })[] {
  const [first] = fieldsNamed({ fields }, name);
  if (first === undefined) return [];
  const seen = new Set<string>();
  return rawParameters(fieldValue(first))
    .filter((each) => each.name.startsWith(base) && /^(?:\*\d{1,3})?\*?$/.test(each.name.slice(base.length)))
    .filter((each) => !seen.has(each.name) && seen.add(each.name))
    .map((each) => ({ base, form: each.name.slice(base.length), value: each.value }));
}

/** RFC 2231, section 3. */
function pieceNumber(form: string): number | null {
  const number = /^\*(\d+)/.exec(form)?.[1];
  return number === undefined ? null : Number(number);
}

function withSuffix(value: RawParameter['value']): string {
  if (!value.startsWith('"')) return `${value}${value.endsWith('?=') ? ENCODED_SUFFIX : SUFFIX}`;
  const text = value.slice(1, -1);
  // White space between two encoded words is no part of the text (RFC 2047, section 6.2).
  return `"${text}${/\?=\s*$/.test(text) ? ENCODED_SUFFIX : SUFFIX}"`;
}

const ENCODED_SUFFIX = ` =?us-ascii?Q?${SUFFIX}?=`;

/** What a reader needs to open it: the type as an ending, where it looks like one. */
function defaultName(contentType: ContentType | null): string {
  const { type = '', subtype = '' } = contentType ?? {};
  if (type === 'message' && ['rfc822', 'global', 'news'].includes(subtype)) return 'message.eml';
  if (type === 'text' && subtype === 'calendar') return 'invite.ics';
  if (type === 'text' && subtype === 'html') return 'message.htm';
  const ending = subtype === 'plain' ? 'txt' : subtype;
  return /^[a-z0-9]{2,5}$/.test(ending) ? `attachment.${ending}` : 'attachment';
}

/** `inline`, `attachment` or what else the first Content-Disposition says, in lower case; '' where there is none. */
export function dispositionOf(fields: readonly HeaderField[]): string {
  const field = fields.find(({ name }) => name === 'content-disposition');
  return field === undefined ? '' : (/^[^\s;]*/.exec(fieldValue(field))?.[0] ?? '').toLowerCase();
}
