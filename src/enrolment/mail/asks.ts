// Whether a letter to the key address asks for an answer, and whose: RFC 3834 (automatic responses), with the marks that programs set
// in practice. Only a person's own letter does; whoever else is answered hears from us without having asked. Pure.
import { addrSpecs } from '../../message/address-list.ts';
import { parseContentType } from '../../message/content-type.ts';
import { fieldsNamed, fieldValue, type MessageParts, MOST_HEADER_BYTES } from '../../message/header.ts';
import type { RawPath } from '../../smtp/types.ts';
import { OUR_MESSAGE_ID } from '../letters/compose.ts';

/** Why nobody is answered. */
export type Silence =
  | 'null sender'
  | 'no single author'
  | 'automatic mail'
  | 'list or bulk mail'
  | 'a report'
  | 'sent by a mail system'
  | 'a letter of our own';

/** Who asks: the one address in From, as it stands there; or why nobody does. */
export type Asks =
  | { readonly ok: true; readonly from: string }
  | { readonly ok: false; readonly because: Silence };

const BULK: ReadonlySet<string> = new Set(['bulk', 'list', 'junk']);
/** Programs that answer by themselves have set these for as long as there has been no standard. */
const AUTOMATIC = ['x-autoreply', 'x-autorespond', 'x-autoresponse', 'x-auto-response-suppress', 'x-loop'];
/** RFC 3834, section 2: addresses behind which is no person. */
const SYSTEM =
  /^(?:mailer-daemon|double-bounce|no-?reply|bounces?|owner-.*|.*-owner|.*-request|listserv|majordomo)$/i;

/**
 * @param header the message's header section
 * @param sender MAIL FROM without angle brackets
 */
export function whoAsks(header: Pick<MessageParts, 'fields'>, sender: RawPath): Asks {
  if (sender === '') return silent('null sender');
  const value = (name: string): string | null => {
    const [field] = fieldsNamed(header, name);
    return field === undefined ? null : fieldValue(field).trim().toLowerCase();
  };
  const submitted = value('auto-submitted');
  if (submitted !== null && !/^no(?:[\s;(]|$)/.test(submitted)) return silent('automatic mail');
  if (AUTOMATIC.some((name) => value(name) !== null)) return silent('automatic mail');
  if (header.fields.some(({ name }) => name.startsWith('list-'))) return silent('list or bulk mail');
  if (BULK.has(value('precedence') ?? '')) return silent('list or bulk mail');
  const type = parseContentType(value('content-type') ?? '');
  if (type?.type === 'multipart' && type.subtype === 'report') return silent('a report');
  if (value('message-id')?.startsWith(`<${OUR_MESSAGE_ID}`) === true) return silent('a letter of our own');
  const [from, ...others] = authorsOf(header);
  if (from === undefined || others.length > 0) return silent('no single author');
  if ([from, sender].some((address) => SYSTEM.test(address.slice(0, address.lastIndexOf('@')))))
    return silent('sent by a mail system');
  return { ok: true, from };
}

function silent(because: Silence): Asks {
  return { ok: false, because };
}

/** The addresses of the one From field; none where there are two fields, or one that cannot be read. */
function authorsOf(header: Pick<MessageParts, 'fields'>): readonly string[] {
  const [field, ...more] = fieldsNamed(header, 'from');
  if (field === undefined || more.length > 0 || field.raw.length > MOST_HEADER_BYTES) return [];
  return addrSpecs(fieldValue(field)) ?? [];
}
