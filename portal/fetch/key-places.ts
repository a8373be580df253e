// Where a key for an address may be had: its domain's Web Key Directory, then a key server. Pure.
import { domainToASCII } from 'node:url';
import { directoryHash } from '../../src/address/directory-hash.ts';
import { MAX_TYPED } from '../../src/address/normalise.ts';

/** An address as far as a key is looked up for it. */
interface Asked {
  readonly local: string;
  /** A-labels in lower case. */
  readonly domain: string;
}

const LONGEST_LOCAL = 64;

/** A name of at least two labels that ends with letters: neither `localhost` nor an IP address in any notation. */
const PUBLIC_NAME =
  /^(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:[a-z]{2,63}|xn--[a-z0-9-]{1,59})$/;

/** Names that never lead to the public Internet (RFC 6761, RFC 6762, RFC 8375, RFC 9476). */
const PRIVATE_NAME = /(?:^|\.)(?:localhost|local|internal|home\.arpa|lan|onion|invalid|test|example|alt)$/;

/** Reads an address for a look-up; null where no key could be published for it. */
export function readAsked(address: string): Asked | null {
  if (address.length > MAX_TYPED) return null;
  const at = address.lastIndexOf('@');
  const local = address.slice(0, at);
  if (at < 1 || local.length > LONGEST_LOCAL || /[\s\p{Cc}"<>]/u.test(local)) return null;
  const domain = domainToASCII(address.slice(at + 1)).toLowerCase();
  return isPublicName(domain) ? { local, domain } : null;
}

/** Whether a host name may be asked at all; its addresses are judged when it was resolved. */
export function isPublicName(name: string): boolean {
  return PUBLIC_NAME.test(name) && !PRIVATE_NAME.test(name);
}

/**
 * The places of a key, the nearest to its owner first.
 * @param keyServer a host that speaks VKS (keys.openpgp.org), or null
 */
export function keyPlaces({ local, domain }: Asked, keyServer: string | null): readonly URL[] {
  const hash = directoryHash(local);
  const asked = `?l=${encodeURIComponent(local)}`;
  const well = '/.well-known/openpgpkey';
  const places = [
    new URL(`https://openpgpkey.${domain}${well}/${domain}/hu/${hash}${asked}`),
    new URL(`https://${domain}${well}/hu/${hash}${asked}`),
  ];
  if (keyServer !== null)
    places.push(new URL(`https://${keyServer}/vks/v1/by-email/${encodeURIComponent(`${local}@${domain}`)}`));
  return places;
}
