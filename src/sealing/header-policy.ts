// Which header fields stand outside a sealed message, and how (RFC 9788, section 3.2: header confidentiality policies). Pure.
import { addrSpecs } from '../message/address-list.ts';
import { parseDateTime, rfc5322Date } from '../message/date-time.ts';
import { fieldValue, type HeaderField, type LineEnding } from '../message/header.ts';
import { isTraceOrRouting, quotesBody, subjectRepeats } from './repeated-fields.ts';

/** The policies of RFC 9788, sections 3.2.1 to 3.2.3, by its own names without `hcp_`. */
export type HeaderPolicy = 'no_confidentiality' | 'baseline' | 'shy';

export interface OuterHeaderOptions {
  /** `hide`: `Subject: [...]` outside, whatever the policy says. */
  readonly subject: 'keep' | 'hide';
  /** Default `no_confidentiality`. */
  readonly policy?: HeaderPolicy;
  /** Names, in lower case, of fields that `shy` leaves outside beside those of trace and routing. Default: none. */
  readonly outside?: readonly string[];
  readonly eol: LineEnding;
}

/** RFC 9788, section 3.2.1. */
const HIDDEN_SUBJECT = '[...]';
const MAX_LINE = 78;

/**
 * What stands outside in the place of these fields: as it was, changed, or nothing. The order stays.
 *
 * - What quotes the body is no longer outside, whatever the policy; nor is HP-Outer, which means something inside only.
 * - A Subject is hidden under `subject = hide`, and under every policy but `no_confidentiality`: the stricter one of the two
 *   settings counts. Several Subjects become one. What repeats the subject goes with it, signatures that hold copies of header
 *   fields included (RFC 6376, section 3.5, `z=`); no such signature verifies over the sealed message.
 * - `baseline` and `shy` remove Comments and Keywords.
 * - `shy` leaves the bare addresses in From, To and Cc (RFC 9788 says so of mailboxes; here groups lose their names too), and
 *   tells the Date in UTC. A field that cannot be read stays as it is, as the RFC has it. Of the others it leaves what trace
 *   and routing need, and what `outside` names.
 */
export function outerFields(
  fields: readonly HeaderField[],
  { subject, policy = 'no_confidentiality', outside = [], eol }: OuterHeaderOptions,
): readonly HeaderField[] {
  const hidden = hidesSubject({ subject, policy });
  const firstSubject = fields.find(({ name }) => name === 'subject');
  const repeatsSubject = hidden ? subjectRepeats(fields) : () => false;
  return fields.flatMap((field) => {
    if (isInsideOnly(field) || repeatsSubject(field)) return [];
    if (field.name === 'subject') {
      if (!hidden) return [field];
      return field === firstSubject ? [withValue(field, HIDDEN_SUBJECT, eol, 'Subject')] : [];
    }
    if (policy === 'shy' && !isTraceOrRouting(field) && !outside.includes(field.name)) return [];
    switch (field.name) {
      case 'comments':
      case 'keywords':
        return policy === 'no_confidentiality' ? [field] : [];
      case 'from':
      case 'to':
      case 'cc':
        return [policy === 'shy' ? withoutNames(field, eol) : field];
      case 'date':
        return [policy === 'shy' ? inUtc(field, eol) : field];
      default:
        return [field];
    }
  });
}

/** Whether a field stands inside only, whatever the settings and whatever the root is. */
export function isInsideOnly(field: HeaderField): boolean {
  return field.name === 'hp-outer' || quotesBody(field);
}

/** Whether the Subject does not stand outside. */
export function hidesSubject({
  subject,
  policy = 'no_confidentiality',
}: Pick<OuterHeaderOptions, 'subject' | 'policy'>): boolean {
  return subject === 'hide' || policy !== 'no_confidentiality';
}

function withoutNames(field: HeaderField, eol: LineEnding): HeaderField {
  const addresses = addrSpecs(fieldValue(field));
  if (addresses === null || addresses.length === 0) return field;
  let value = '';
  let column = field.name.length + 1;
  for (const [index, address] of addresses.entries()) {
    const separator = index === 0 ? '' : column + address.length + 2 > MAX_LINE ? `,${eol} ` : ', ';
    column = separator.includes('\n') ? 1 : column + separator.length;
    column += address.length;
    value += separator + address;
  }
  return withValue(field, value, eol);
}

function inUtc(field: HeaderField, eol: LineEnding): HeaderField {
  const date = parseDateTime(fieldValue(field));
  return date === null ? field : withValue(field, rfc5322Date(date), eol);
}

/** The field with another value; with all its bytes where that is the value it has. */
function withValue(field: HeaderField, value: string, eol: LineEnding, name?: string): HeaderField {
  if (fieldValue(field) === value.replaceAll(`${eol} `, ' ')) return field;
  const written = name ?? field.raw.toString('latin1', 0, field.name.length);
  return { ...field, raw: Buffer.from(`${written}: ${value}${eol}`, 'latin1') };
}
