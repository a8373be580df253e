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
  const item = createItem();
  let inGroup = false;
  let inBrackets = false;
  const endItem = (): boolean => {
    const address = item.end();
    if (address !== undefined && address !== null) addresses.push(address);
    return address !== null;
  };
  for (let at = 0, end: number | null = 0; at < value.length; at = end) {
    end = tokenEnd(value, at);
    if (end === null) return null;
    const char = value.charAt(at);
    if (char === '(' || SPACE.includes(char)) continue;
    if (char === '<' || char === '>') inBrackets = char === '<';
    if (!SPECIALS.includes(char)) item.word(value.slice(at, end));
    // Commas and colons between brackets belong to a source route.
    else if (inBrackets) item.special(char);
    else if (char === ',') {
      if (!endItem()) return null;
    } else if (char === ';') {
      if (!inGroup || !endItem()) return null;
      inGroup = false;
    } else if (char === ':') {
      if (inGroup || item.hasSpecials()) return null;
      item.end();
      inGroup = true;
    } else item.special(char);
  }
  return inGroup || !endItem() ? null : addresses;
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

/**
 * Reads one item of a list, `[phrase] "<" [route ":"] addr-spec ">"` or a bare addr-spec, without keeping more of it than
 * the address: a field may be as large as a message.
 */
function createItem() {
  let empty = true;
  let specials = false;
  let opened = false;
  /** The last token was a closing bracket. */
  let closed = false;
  /** What stands before the bracket is no phrase. */
  let phraseBroken = false;
  const spec = createAddrSpec();

  return {
    word(text: string): void {
      empty = false;
      if (closed) spec.spoil();
      closed = false;
      spec.word(text);
    },
    special(char: string): void {
      empty = false;
      if (closed) spec.spoil();
      closed = opened && char === '>';
      if (char === '<' && !opened) {
        opened = true;
        phraseBroken = specials;
        spec.take();
        // An obsolete source route ends with a colon (section 4.4).
      } else if (char === ':') spec.take();
      else if (char === '@') spec.at();
      else if (!closed) spec.spoil();
      specials = true;
    },
    hasSpecials: () => specials,
    /** Begins the next item. @returns undefined where there was nothing, null where it was no mailbox */
    end(): string | null | undefined {
      const address = spec.take();
      const read = empty ? undefined : opened && (!closed || phraseBroken) ? null : address;
      empty = true;
      specials = opened = closed = phraseBroken = false;
      return read;
    },
  };
}

/** Reads `local "@" domain`, each of them words that a dot joins, white space around it being obsolete. */
function createAddrSpec() {
  let local = '';
  let domain = '';
  let last = '';
  let inDomain = false;
  let spoilt = false;

  return {
    word(text: string): void {
      spoilt ||= last !== '' && !last.endsWith('.') && !text.startsWith('.');
      if (spoilt) return;
      if (inDomain) domain += text;
      else local += text;
      last = text;
    },
    at(): void {
      spoilt ||= inDomain;
      inDomain = true;
      last = '';
    },
    spoil(): void {
      spoilt = true;
    },
    /** Begins the next one. @returns null where it was no addr-spec */
    take(): string | null {
      const whole = !spoilt && local !== '' && domain !== '' && !domain.startsWith('"');
      const address = whole ? `${local}@${domain}` : null;
      local = domain = last = '';
      inDomain = spoilt = false;
      return address;
    },
  };
}
