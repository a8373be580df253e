// Address lists of From, To and Cc (RFC 5322, section 3.4), read only to find the addresses: names, comments and groups fall
// away. What cannot be read is left to the caller as it is.
import { behindComment } from './comment.ts';

type Token =
  /** A piece of a phrase, a local part or a domain: atom, quoted string or domain literal, as it stands there. */
  { readonly kind: 'word'; readonly text: string } | { readonly kind: 'special'; readonly text: string };

/** An encoded word counts as one atom even where its text holds a comma, as some programs write it (RFC 2047, section 5). */
const WORD =
  /=\?[^?\s]+\?[BQbq]\?[^?\s]*\?=|"(?:[^"\\]|\\.)*"|\[(?:[^[\]\\]|\\.)*\]|[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\x80-\xff-]+/y;
const SPECIALS = '<>,:;@';

/**
 * The addresses of a list, in order, each as its addr-spec: `local@domain` with quotes kept, comments, names and source routes
 * dropped. The members of groups are among them. Linear in the length of the value.
 * @param value unfolded, one character per byte
 * @returns null where the value is no address list
 */
export function addrSpecs(value: string): readonly string[] | null {
  const tokens = tokenize(value);
  if (tokens === null) return null;
  const addresses: string[] = [];
  let item: Token[] = [];
  let inGroup = false;
  let inBrackets = false;
  const endItem = (): boolean => {
    const address = item.length === 0 ? undefined : mailbox(item);
    item = [];
    if (address !== undefined && address !== null) addresses.push(address);
    return address !== null;
  };
  for (const token of tokens) {
    if (isSpecial(token, '<') || isSpecial(token, '>')) inBrackets = token.text === '<';
    // Commas and colons between brackets belong to a source route.
    if (inBrackets) item.push(token);
    else if (isSpecial(token, ',')) {
      if (!endItem()) return null;
    } else if (isSpecial(token, ';')) {
      if (!inGroup || !endItem()) return null;
      inGroup = false;
    } else if (isSpecial(token, ':')) {
      if (inGroup || item.some((before) => before.kind === 'special')) return null;
      item = [];
      inGroup = true;
    } else item.push(token);
  }
  return inGroup || !endItem() ? null : addresses;
}

function isSpecial(token: Token | undefined, text: string): boolean {
  return token?.kind === 'special' && token.text === text;
}

/** `[phrase] "<" [route ":"] addr-spec ">"`, or a bare addr-spec; null where it is neither. */
function mailbox(item: readonly Token[]): string | null {
  const open = item.findIndex((token) => isSpecial(token, '<'));
  if (open < 0) return addrSpec(item);
  if (!isSpecial(item.at(-1), '>') || item.slice(0, open).some((token) => token.kind === 'special'))
    return null;
  const inside = item.slice(open + 1, -1);
  // An obsolete source route ends with a colon (section 4.4).
  return addrSpec(inside.slice(inside.findLastIndex((token) => isSpecial(token, ':')) + 1));
}

function addrSpec(tokens: readonly Token[]): string | null {
  const at = tokens.findIndex((token) => isSpecial(token, '@'));
  if (at < 0) return null;
  const local = joined(tokens.slice(0, at));
  const domain = joined(tokens.slice(at + 1));
  return local === null || domain === null || domain.startsWith('"') ? null : `${local}@${domain}`;
}

/** Words that a dot joins, white space around it being obsolete; null where two stand side by side without one. */
function joined(words: readonly Token[]): string | null {
  const apart = words.some(({ kind, text }, index) => {
    const before = words[index - 1]?.text;
    return kind !== 'word' || (before !== undefined && !before.endsWith('.') && !text.startsWith('.'));
  });
  return apart || words.length === 0 ? null : words.map(({ text }) => text).join('');
}

function tokenize(value: string): readonly Token[] | null {
  const tokens: Token[] = [];
  let at = 0;
  while (at < value.length) {
    const char = value.charAt(at);
    if (' \t\r\n'.includes(char)) at += 1;
    else if (char === '(') {
      const end = behindComment(value, at);
      if (end === null) return null;
      at = end;
    } else if (SPECIALS.includes(char)) {
      tokens.push({ kind: 'special', text: char });
      at += 1;
    } else {
      WORD.lastIndex = at;
      const text = WORD.exec(value)?.[0];
      if (text === undefined) return null;
      tokens.push({ kind: 'word', text });
      at += text.length;
    }
  }
  return tokens;
}
