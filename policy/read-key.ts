// What a lookup key says, kept for keys that are asked again: Postfix asks several maps for each recipient, and the same
// recipients come again.
import { LRUCache } from 'lru-cache';
import { type AddressParts, normaliseDomain, parsePath } from '../src/address/normalise.ts';

export interface KeyReader {
  /** As parsePath. @param path one character per byte */
  address(path: string): AddressParts | null;
  /** The key as a domain name; null where it is none. @param key one character per byte */
  domain(key: string): string | null;
}

/** Keys of the size of an address, of each kind. */
const MOST_KEYS = 4000;
/** What is longer is no address, and is not kept (RFC 5321, section 4.5.3.1: 64 and 255 octets, and the @). */
const LONGEST_KEY = 320;

/** null: the key says nothing. */
interface Said<T> {
  readonly value: T | null;
}

export function createKeyReader(): KeyReader {
  // And not `max`, which would have memory made ready for all of them.
  const limit = { maxSize: MOST_KEYS, sizeCalculation: () => 1 };
  const addresses = new LRUCache<string, Said<AddressParts>>(limit);
  const domains = new LRUCache<string, Said<string>>(limit);
  return {
    address: (path) => kept(addresses, path, parsePath),
    domain: (key) => kept(domains, key, (name) => normaliseDomain(textOf(name))),
  };
}

function kept<T>(cache: LRUCache<string, Said<T>>, key: string, read: (key: string) => T | null): T | null {
  const known = cache.get(key);
  if (known !== undefined) return known.value;
  const value = read(key);
  if (key.length <= LONGEST_KEY) cache.set(key, { value });
  return value;
}

/** Bytes as text, for what is no path; broken UTF-8 becomes something that nobody has. */
function textOf(key: string): string {
  return Buffer.from(key, 'latin1').toString('utf8');
}
