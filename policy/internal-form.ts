// Postfix's internal form of an address: without quotes, the last @ begins the domain, and quotes and backslashes before it
// belong to the name. Policy requests have it, and maps are asked with it where the quoted form was not found (mail_addr_find(3)).
// Pure; one character per byte.
import { quoteLocalPart } from '../src/address/normalise.ts';

/** What a path cannot hold without quotes, or would take for a source route. */
const NOT_PLAIN = /^@|["\\]/;

/** An address in internal form, as a path. */
export function pathOfInternalForm(address: string): string {
  const at = address.lastIndexOf('@');
  const local = address.slice(0, Math.max(at, 0));
  return NOT_PLAIN.test(local) ? `${quoteLocalPart(local)}${address.slice(at)}` : address;
}

/**
 * The key of a map as a path. A key in internal form must not be read as a path: `al\ice@...`, whom nobody knows and for whom
 * the filter has no key, would be delivered to alice.
 */
export function pathOfKey(key: string): string {
  return key.startsWith('"') ? key : pathOfInternalForm(key);
}
