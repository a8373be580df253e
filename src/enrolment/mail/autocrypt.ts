// The Autocrypt field of a letter (Autocrypt Level 1, section 2.1): the author's key, which most programs that know OpenPGP send with
// every letter. Pure.

import { MAX_UPLOAD } from '../../keys/refusals.ts';
import { addrSpecs } from '../../message/address-list.ts';
import { fieldsNamed, fieldValue, type MessageParts } from '../../message/header.ts';

const KNOWN: ReadonlySet<string> = new Set(['addr', 'prefer-encrypt', 'keydata']);
/** There are three, and some that may be ignored. */
const MOST_ATTRIBUTES = 20;

/**
 * The key in the Autocrypt field.
 * @param from the address in From
 * @returns null where there is no field or several, where it is of another address, or has an attribute that must be known and is not
 */
export function autocryptKey(header: Pick<MessageParts, 'fields'>, from: string): Buffer | null {
  const [field, ...more] = fieldsNamed(header, 'autocrypt');
  if (field === undefined || more.length > 0 || field.raw.length > 2 * MAX_UPLOAD) return null;
  const attributes = new Map<string, string>();
  const pieces = fieldValue(field).split(';', MOST_ATTRIBUTES + 1);
  if (pieces.length > MOST_ATTRIBUTES) return null;
  for (const piece of pieces) {
    const at = piece.indexOf('=');
    const name = piece.slice(0, Math.max(at, 0)).trim().toLowerCase();
    if (at < 0 ? piece.trim() !== '' : attributes.has(name)) return null;
    if (at >= 0) attributes.set(name, piece.slice(at + 1).trim());
  }
  // An attribute that begins with "_" may be ignored; any other that is not known makes the field invalid.
  if ([...attributes.keys()].some((name) => !KNOWN.has(name) && !name.startsWith('_'))) return null;
  const [addr] = addrSpecs(attributes.get('addr') ?? '') ?? [];
  if (addr === undefined || addr.toLowerCase() !== from.toLowerCase()) return null;
  const base64 = (attributes.get('keydata') ?? '').replace(/\s+/g, '');
  if (base64 === '' || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return null;
  const key = Buffer.from(base64, 'base64');
  return key.length > MAX_UPLOAD ? null : key;
}
