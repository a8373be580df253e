// Addresses made comparable: the only maker of `Address`. From a raw SMTP path or from what a person types to one canonical
// spelling, and the spellings under which the directory may know it. Pure, and never throws.
import { isIPv6, SocketAddress } from 'node:net';
import { domainToASCII } from 'node:url';
import type { Address } from './address.ts';
import { foldCase, isWithinBounds, normaliseName, UNREADABLE } from './fold.ts';

/** An address taken apart. */
export interface AddressParts {
  /** Unquoted, Unicode in NFC, case as written. Empty only for a catch-all and for `""@domain`. */
  readonly local: string;
  /** A-labels in lower case without a trailing dot, or an address literal such as `[127.0.0.1]`. */
  readonly domain: string;
}

/** No stored address is longer: 64 octets, @, and 255 octets (RFC 5321, section 4.5.3.1). Octets of UTF-8. */
export const MAX_ADDRESS = 320;

/** What fits into a path of 256 octets with its brackets (RFC 5321, section 4.5.3.1.3): no address that a person types is longer. */
export const MAX_TYPED = 254;
/** No name of a domain is longer, however it is spelled. UTF-16 units. */
const MAX_DOMAIN = 1000;

/** Letters, digits, hyphen and underscore; DNS allows 63 octets a label, 253 a name (RFC 1035, section 2.3.4). */
const DOMAIN = /^(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/;
const ADDRESS_LITERAL = /^\[[a-z0-9:.-]{1,100}\]$/;
/** dot-string of RFC 5321, section 4.1.2, with the UTF-8 of RFC 6531, section 3.3. */
const DOT_STRING =
  /^[a-z0-9!#$%&'*+/=?^_`{|}~\u0080-\u{10ffff}-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~\u0080-\u{10ffff}-]+)*$/iu;
/** A source route, to be accepted and ignored (RFC 5321, appendix C): `@relay,@[192.0.2.1]:user@domain`. */
const SOURCE_ROUTE = /^@(?:\[[^\]]*\]|[^@:,"]*)(?:,@(?:\[[^\]]*\]|[^@:,"]*))*:/;
/** Control characters (PostgreSQL takes no NUL), half surrogate pairs and what stands for unreadable bytes are in no stored address. */
const FORBIDDEN = /[\p{Cc}\p{Cs}\ufffd]/u;

/**
 * Normalises a domain name or address literal: IDNA A-labels (UTS 46), lower case, no trailing dot.
 * @param text ASCII or Unicode, as typed or as sent
 * @returns null where it is no domain name
 */
export function normaliseDomain(text: string): string | null {
  if (text.length > MAX_DOMAIN) return null;
  const lower = text.replace(/\.$/, '').toLowerCase();
  if (ADDRESS_LITERAL.test(lower)) return shortestLiteral(lower);
  if (DOMAIN.test(lower)) return lower;
  // domainToASCII is a URL parser's: it would undo %XX, so only what is left after the ASCII names may contain Unicode.
  if (
    !/^[\p{L}\p{N}\p{M}\p{S}\p{P}]+$/u.test(lower) ||
    /[^a-z0-9_.\u0080-\u{10ffff}-]/u.test(lower) ||
    !isWithinBounds(lower, MAX_DOMAIN)
  )
    return null;
  const ascii = domainToASCII(lower).replace(/\.$/, '');
  return DOMAIN.test(ascii) ? ascii : null;
}

/** The same for a name alone: null also for an address literal, and white space around it does not count. */
export function domainNameOf(typed: string): string | null {
  const name = normaliseDomain(typed.trim());
  return name?.startsWith('[') ? null : name;
}

/** An IPv6 address has many spellings (RFC 5952); whatever is no IPv6 address stays. */
function shortestLiteral(literal: string): string {
  const address = /^\[ipv6:(.*)\]$/.exec(literal)?.[1] ?? '';
  return isIPv6(address) ? `[ipv6:${new SocketAddress({ address, family: 'ipv6' }).address}]` : literal;
}

/**
 * Reads a recipient or sender path (RFC 5321, section 4.1.2; RFC 6531): quoted local parts, address literals, source
 * routes, also what only nearly keeps the grammar (`dot..dot@x`), since Postfix passes such paths on. Bytes of the local part
 * that are not UTF-8, and control characters, become U+FFFD, which no stored address has, and so does what is longer than any
 * stored address: whose domain can be read belongs to that domain, with its settings and its catch-all, and an extension is
 * cut off.
 * @param path without angle brackets, one character per byte (latin1)
 * @param defaultDomain for a path without a domain (`postmaster`)
 * @returns null where it is no address: empty, an open quote, an impossible domain
 */
export function parsePath(path: string, defaultDomain?: string): AddressParts | null {
  const parts = split(decodeUtf8(path).replace(SOURCE_ROUTE, ''));
  if (parts === null || (parts.domain === null && defaultDomain === undefined)) return null;
  const domain = normaliseDomain(parts.domain ?? defaultDomain ?? '');
  if (domain === null || (parts.local === '' && !parts.quoted)) return null;
  return { local: nameOf(parts.local), domain };
}

/** A local part without quotes, as Postfix has it internally, in the form in which it is looked up. */
export function nameOf(local: string): string {
  return normaliseName(withoutQuotes(local), MAX_ADDRESS);
}

/**
 * A path in Postfix's internal form: without quotes, the last @ begins the domain (unquote_822_local(3)). Nothing in it is
 * judged or bounded.
 * @param path without angle brackets, one character per byte (latin1)
 * @returns null where a quote stays open
 */
export function internalForm(path: string): string | null {
  const parts = split(decodeUtf8(path));
  if (parts === null) return null;
  return parts.domain === null ? parts.local : `${parts.local}@${parts.domain}`;
}

/** RFC 5321, section 4.1.2, Quoted-string. */
const QUOTED = /^"(?:[^"\\]|\\.)*"$/s;

/**
 * A name that is a quoted string once more. Postfix asks its maps for `"\"alice\""@...` first and then for `"alice"@...`
 * (mail_addr_find(3)), which is alice: so it is for all of us, or mail for alice would pass by her key.
 */
function withoutQuotes(local: string): string {
  let name = local;
  while (QUOTED.test(name)) name = split(name)?.local ?? '';
  return name;
}

/**
 * Reads an address as a person types it: white space around it, and `<...>`, are forgiven; a domain is required.
 * `@domain` is the catch-all.
 * @param text Unicode
 */
export function parseTyped(text: string): AddressParts | null {
  const trimmed = text.trim();
  const inner = /^<(.*)>$/.exec(trimmed)?.[1] ?? trimmed;
  if (FORBIDDEN.test(inner) || Buffer.byteLength(inner) > MAX_ADDRESS) return null;
  const parts = split(inner);
  if (parts?.domain == null) return null;
  const domain = normaliseDomain(parts.domain);
  if (domain === null || (parts.local === '' && parts.quoted)) return null;
  if (!isWithinBounds(parts.local, MAX_ADDRESS)) return null;
  return { local: normaliseName(parts.local, MAX_ADDRESS), domain };
}

function decodeUtf8(path: string): string {
  if (!/[^\x20-\x7e]/.test(path)) return path;
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.from(path, 'latin1'));
  return text.replace(new RegExp(FORBIDDEN, 'gu'), UNREADABLE);
}

/** Unquotes the local part; the last unquoted @ begins the domain, as in Postfix's tok822. */
function split(text: string): { local: string; quoted: boolean; domain: string | null } | null {
  let unquoted = '';
  let quoted = false;
  let inQuotes = false;
  /** Where the last unquoted @ is: in the text, and in what has been unquoted. */
  let at: { readonly text: number; readonly unquoted: number } | null = null;
  for (let index = 0; index < text.length; index++) {
    const character = text.charAt(index);
    if (character === '"') {
      inQuotes = !inQuotes;
      quoted = true;
    } else if (character === '\\') {
      index++;
      if (index >= text.length) return null;
      unquoted += text.charAt(index);
    } else {
      if (character === '@' && !inQuotes) at = { text: index, unquoted: unquoted.length };
      unquoted += character;
    }
  }
  if (inQuotes) return null;
  if (at === null) return text === '' ? null : { local: unquoted, quoted, domain: null };
  return { local: unquoted.slice(0, at.unquoted), quoted, domain: text.slice(at.text + 1) };
}

/**
 * The canonical spelling: the local part bare where it may be, else quoted with the fewest backslashes.
 * @param fold false where the domain's local parts differ by case
 */
export function toAddress(parts: AddressParts, fold = true): Address {
  const local = fold ? foldCase(parts.local).normalize('NFC') : parts.local;
  const spelled = DOT_STRING.test(local) ? local : quoteLocalPart(local);
  return `${spelled}@${parts.domain}` as Address;
}

/** A local part as a Quoted-string (RFC 5321, section 4.1.2). */
export function quoteLocalPart(local: string): string {
  return `"${local.replace(/["\\]/g, '\\$&')}"`;
}

/** The catch-all of a domain, as it is stored. */
export function catchAllOf(domain: string): Address {
  return `@${domain}` as Address;
}

/**
 * The address that a person typed, canonical. An empty local part gives the catch-all.
 * @param fold whether local parts of that domain are folded; default: every domain's
 */
export function normaliseTyped(text: string, fold: (domain: string) => boolean = () => true): Address | null {
  const parts = parseTyped(text);
  if (parts === null) return null;
  return parts.local === '' ? catchAllOf(parts.domain) : toAddress(parts, fold(parts.domain));
}

/** The address that a raw path names, canonical; see {@link parsePath}. */
export function normalisePath(
  path: string,
  fold: (domain: string) => boolean = () => true,
  defaultDomain?: string,
): Address | null {
  const parts = parsePath(path, defaultDomain);
  return parts === null ? null : toAddress(parts, fold(parts.domain));
}

/** Takes a canonical address apart again. */
export function partsOf(address: Address): AddressParts {
  const parts = split(address);
  return { local: parts?.local ?? '', domain: parts?.domain ?? '' };
}

/**
 * The local part without its extension, after Postfix's split_addr(3): at the first character that is in the set, never
 * leaving an empty name; postmaster, mailer-daemon and double-bounce stay whole, and with `-` in the set owner-* and
 * *-request too.
 * @param delimiters Postfix's recipient_delimiter: each character is one
 * @returns null where there is no extension
 */
export function stripExtension(local: string, delimiters: string): string | null {
  const lower = local.toLowerCase();
  if (lower === 'postmaster' || lower === 'mailer-daemon' || lower === 'double-bounce') return null;
  if (delimiters.includes('-')) {
    if (lower.startsWith('owner-')) return null;
    if (lower.length > '-request'.length && lower.endsWith('-request')) return null;
  }
  for (let index = 0; index < local.length; index++) {
    if (delimiters.includes(local.charAt(index))) return index === 0 ? null : local.slice(0, index);
  }
  return null;
}

/**
 * The spellings under which a name may be stored in a domain that folds: an address that could not be folded again without
 * becoming another one's (refold.ts) is in lower case only, and whoever is stored as it is spelled comes first.
 */
export function storedSpellings(parts: AddressParts, fold: boolean): readonly Address[] {
  const address = toAddress(parts, fold);
  if (!fold) return [address];
  const lower = toAddress({ ...parts, local: parts.local.toLowerCase().normalize('NFC') }, false);
  return lower === address ? [address] : [lower, address];
}

/**
 * The addresses under which a recipient may be known, in Postfix's order (postconf(5), virtual(5)): `user+ext@domain`,
 * `user@domain`, `@domain`.
 */
export function lookupCandidates(parts: AddressParts, delimiters: string, fold: boolean): readonly Address[] {
  const bare = stripExtension(parts.local, delimiters);
  return [
    ...storedSpellings(parts, fold),
    ...(bare === null ? [] : storedSpellings({ local: bare, domain: parts.domain }, fold)),
    catchAllOf(parts.domain),
  ];
}
