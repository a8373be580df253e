// Which header fields stand outside a sealed message, and how (RFC 9788, section 3.2: header confidentiality policies). Pure.
import { addrSpecs } from '../message/address-list.ts';
import { parseDateTime, rfc5322Date } from '../message/date-time.ts';
import { fieldValue, type HeaderField, type LineEnding } from '../message/header.ts';

/** The policies of RFC 9788, sections 3.2.1 to 3.2.3, by its own names without `hcp_`. */
export type HeaderPolicy = 'no_confidentiality' | 'baseline' | 'shy';

export interface OuterHeaderOptions {
  /** `hide`: `Subject: [...]` outside, whatever the policy says. */
  readonly subject: 'keep' | 'hide';
  /** Default `no_confidentiality`. */
  readonly policy?: HeaderPolicy;
  readonly eol: LineEnding;
}

/** RFC 9788, section 3.2.1. */
const HIDDEN_SUBJECT = '[...]';
const MAX_LINE = 78;
/** The tag `z=` in a tag list (RFC 6376, section 3.2). */
const COPIED_FIELDS = /(?:^|;)[ \t]*z[ \t]*=/;

/**
 * What stands outside in the place of these fields: as it was, changed, or nothing. The order stays.
 *
 * - A Subject is hidden under `subject = hide`, and under every policy but `no_confidentiality`: the stricter one of the two
 *   settings counts. Several Subjects become one. What repeats the subject goes with it: Outlook's Thread-Topic, the subject
 *   as it was before a spam filter marked it, and signatures that hold copies of header fields (RFC 6376, section 3.5, `z=`);
 *   no such signature verifies over the sealed message.
 * - `baseline` and `shy` remove Comments and Keywords.
 * - `shy` leaves the bare addresses in From, To and Cc (RFC 9788 says so of mailboxes; here groups lose their names too), and
 *   tells the Date in UTC. A field that cannot be read stays as it is, as the RFC has it.
 */
export function outerFields(
  fields: readonly HeaderField[],
  { subject, policy = 'no_confidentiality', eol }: OuterHeaderOptions,
): readonly HeaderField[] {
  const hidesSubject = subject === 'hide' || policy !== 'no_confidentiality';
  const firstSubject = fields.find(({ name }) => name === 'subject');
  return fields.flatMap((field) => {
    switch (field.name) {
      case 'subject':
        if (!hidesSubject) return [field];
        return field === firstSubject ? [withValue(field, HIDDEN_SUBJECT, eol, 'Subject')] : [];
      case 'thread-topic':
      case 'x-spam-prev-subject':
      case 'x-original-subject':
        return hidesSubject ? [] : [field];
      case 'dkim-signature':
      case 'arc-message-signature':
        return hidesSubject && COPIED_FIELDS.test(fieldValue(field)) ? [] : [field];
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
