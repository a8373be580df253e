// Address lists of From, To and Cc (RFC 5322, section 3.4), read only to find the addresses: names, comments and groups fall
// away. What cannot be read is left to the caller as it is.
import { behindComment, behindQuoted } from './comment.ts';

/** An encoded word counts as one atom even where its text holds a comma, as some programs write it (RFC 2047, section 5). */
const ATOM = /=\?[^?\s]+\?[BQbq]\?[^?\s]*\?=|[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\x80-\xff-]+/y;
const SPECIALS = '<>,:;@';
const SPACE = ' \t\r\n';

/**
 * The addresses of a list, in order, each as its addr-spec: `local@domain` with quotes kept, comments, names and source routes
 * dropped. The members of groups are among them. Linear in the length of the value.
 * @param value unfolded, one character per byte
 * @returns null where the value is no address list
 */
export function addrSpecs(value: string): readonly string[] | null {
  const addresses: string[] = [];
  const item = newItem();
  let inGroup = false;
  let inBrackets = false;
  const ended = (): boolean => {
    const address = endItem(item);
    if (address !== undefined && address !== null) addresses.push(address);
    return address !== null;
  };
  for (let at = 0, end: number | null = 0; at < value.length; at = end) {
    end = tokenEnd(value, at);
    if (end === null) return null;
    const char = value.charAt(at);
    if (char === '(' || SPACE.includes(char)) continue;
    if (char === '<' || char === '>') inBrackets = char === '<';
    if (!SPECIALS.includes(char)) addWord(item, value.slice(at, end));
    // Commas and colons between brackets belong to a source route.
    else if (inBrackets) addSpecial(item, char);
    else if (char === ',') {
      if (!ended()) return null;
    } else if (char === ';') {
      if (!inGroup || !ended()) return null;
      inGroup = false;
    } else if (char === ':') {
      if (inGroup || item.specials) return null;
      endItem(item);
      inGroup = true;
    } else addSpecial(item, char);
  }
  return inGroup || !ended() ? null : addresses;
}

/** Behind the white space, comment, special or word (atom, quoted string, domain literal) that begins there; null: there is none. */
function tokenEnd(value: string, at: number): number | null {
  const char = value.charAt(at);
  if (char === '(') return behindComment(value, at);
  if (SPACE.includes(char) || SPECIALS.includes(char)) return at + 1;
  if (char === '"' || char === '[') return behindQuoted(value, at);
  ATOM.lastIndex = at;
  return ATOM.test(value) ? ATOM.lastIndex : null;
}

/** `local "@" domain`, each of them words that a dot joins, white space around it being obsolete. */
interface AddrSpec {
  local: string;
  domain: string;
  /** The last word of the part that is being read. */
  last: string;
  inDomain: boolean;
  /** It is no addr-spec. */
  spoilt: boolean;
}

function addToSpec(spec: AddrSpec, word: string): void {
  spec.spoilt ||= spec.last !== '' && !spec.last.endsWith('.') && !word.startsWith('.');
  if (spec.spoilt) return;
  if (spec.inDomain) spec.domain += word;
  else spec.local += word;
  spec.last = word;
}

function beginDomain(spec: AddrSpec): void {
  spec.spoilt ||= spec.inDomain;
  spec.inDomain = true;
  spec.last = '';
}

/** Begins the next one. @returns null where it was no addr-spec */
function takeSpec(spec: AddrSpec): string | null {
  const { local, domain, spoilt } = spec;
  spec.local = spec.domain = spec.last = '';
  spec.inDomain = spec.spoilt = false;
  return !spoilt && local !== '' && domain !== '' && !domain.startsWith('"') ? `${local}@${domain}` : null;
}

/**
 * One item of a list, `[phrase] "<" [route ":"] addr-spec ">"` or a bare addr-spec, of which no more is kept than the address:
 * a field may be as large as a message.
 */
interface ListItem {
  readonly spec: AddrSpec;
  empty: boolean;
  specials: boolean;
  opened: boolean;
  /** The last token was a closing bracket. */
  closed: boolean;
  /** What stands before the bracket is no phrase. */
  phraseBroken: boolean;
}

function newItem(): ListItem {
  return {
    spec: { local: '', domain: '', last: '', inDomain: false, spoilt: false },
    empty: true,
    specials: false,
    opened: false,
    closed: false,
    phraseBroken: false,
  };
}

function addWord(item: ListItem, word: string): void {
  const { spec } = item;
  item.empty = false;
  if (item.closed) spec.spoilt = true;
  item.closed = false;
  addToSpec(spec, word);
}

function addSpecial(item: ListItem, char: string): void {
  const { spec } = item;
  item.empty = false;
  if (item.closed) spec.spoilt = true;
  item.closed = item.opened && char === '>';
  if (char === '<' && !item.opened) {
    item.opened = true;
    item.phraseBroken = item.specials;
    takeSpec(spec);
    // An obsolete source route ends with a colon (section 4.4).
  } else if (char === ':') takeSpec(spec);
  else if (char === '@') beginDomain(spec);
  else if (!item.closed) spec.spoilt = true;
  item.specials = true;
}

/** Begins the next item. @returns undefined where there was nothing, null where it was no mailbox */
function endItem(item: ListItem): string | null | undefined {
  const address = takeSpec(item.spec);
  const { empty, opened, closed, phraseBroken } = item;
  item.empty = true;
  item.specials = item.opened = item.closed = item.phraseBroken = false;
  if (empty) return undefined;
  return opened && (!closed || phraseBroken) ? null : address;
}
