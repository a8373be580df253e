// What a request for published keys asks, and of which domain. Pure.
import { domainNameOf } from '../../src/address/normalise.ts';

const LONGEST_HOST = 300;
/** A local part of 64 octets with its quotes and backslashes, percent-encoded, comes to less; also one that is too long for mail. */
export const LONGEST_LOCAL = 512;
const ADVANCED = 'openpgpkey.';

/** The name in a Host field, A-labels in lower case; null where there is none. Any port: the proxy in front has its own. */
export function hostName(field: string | undefined): string | null {
  if (field === undefined || field.length > LONGEST_HOST) return null;
  const name = domainNameOf(field.replace(/:\d{1,5}$/, ''));
  return name === '' ? null : name;
}

/**
 * The domain that a host may speak for by the advanced method (draft-koch-openpgp-webkey-service-21, section 3.1): the one in its
 * path, if the host is `openpgpkey.` before it.
 */
export function advancedDomain(host: string | null, path: string): string | null {
  const domain = domainNameOf(path);
  return domain !== null && host === `${ADVANCED}${domain}` ? domain : null;
}

/** The domain that a host is of, by either method. */
export function domainOfHost(host: string | null): readonly string[] {
  if (host === null) return [];
  return host.startsWith(ADVANCED) ? [host.slice(ADVANCED.length), host] : [host];
}

/**
 * The name in `?l=`. Only percent-encoding is undone: a plus stands for itself (RFC 3986), and is in many addresses.
 * @param url as the request has it
 * @returns null where there is none; undefined where it cannot be read, is too long, or stands there twice
 */
export function localOf(url: string): string | null | undefined {
  const at = url.indexOf('?');
  if (at === -1) return null;
  const given = url
    .slice(at + 1)
    .split('&')
    .filter((each) => each.startsWith('l='));
  const [first] = given;
  if (first === undefined) return null;
  return given.length > 1 ? undefined : decoded(first.slice('l='.length));
}

/** A part of a path or query without percent-encoding; undefined where it cannot be read, is empty or too long. */
export function decoded(part: string): string | undefined {
  if (part === '' || part.length > LONGEST_LOCAL * 3) return undefined;
  try {
    const text = decodeURIComponent(part);
    return text.length > LONGEST_LOCAL ? undefined : text;
  } catch {
    return undefined;
  }
}

/** Upper-case digits of a fingerprint (version 4 or 6); null for anything else. */
export function readFingerprint(text: string): string | null {
  const digits = text.toUpperCase().replace(/^0X/, '');
  return /^(?:[0-9A-F]{40}|[0-9A-F]{64})$/.test(digits) ? digits : null;
}

/** Upper-case digits of a whole key ID; null for anything else: shorter ones name many keys. */
export function readKeyId(text: string): string | null {
  const digits = text.toUpperCase().replace(/^0X/, '');
  return /^[0-9A-F]{16}$/.test(digits) ? digits : null;
}
