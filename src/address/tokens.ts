// An address as RFC 822 tokens, in the two spellings that Postfix has: external (quoted, as in a header) and internal (without
// quotes). What Postfix reads in an address depends on these tokens (tok822_parse(3), quote_822_local(3)). Pure; each function
// takes time in proportion to the text.

/** `operator`: one character with a meaning of its own, such as `@`, `%`, `!`, `.`; `literal`: without its brackets. */
export interface Token {
  readonly kind: 'operator' | 'atom' | 'quoted' | 'literal' | 'comment';
  readonly text: string;
  /** No space is put behind it, not even in front of another word. */
  readonly glued?: true;
}

const BLANK = /[ \t\r\n]/;
/** The specials of RFC 822, section 3.3, and the operators that Postfix reads in unquoted local parts. */
const SPECIAL = /[|%!()<>@,;:\\".[\]]/;
/** An atom with one of these in it (behind a backslash) is a quoted string. */
const NOT_IN_ATOMS = /[\x00-\x20\x7f|%!()<>@,;:\\".[\]]/;
/** What makes a local part a quoted string. */
const NOT_PLAIN = /[\x00-\x20\x7f()<>@,;:\\"[\]]/;

/** Cuts an address in external form into tokens. White space between them is dropped; nothing is refused. */
export function scan(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let position = 0;
  while (position < text.length) {
    const character = text.charAt(position);
    if (BLANK.test(character)) {
      position += 1;
      continue;
    }
    const { token, end } = tokenAt(text, position, character);
    tokens.push(token);
    position = end;
  }
  return tokens;
}

interface Found {
  readonly token: Token;
  readonly end: number;
}

function tokenAt(text: string, start: number, character: string): Found {
  if (character === '(') return commentAt(text, start);
  if (character === '[') return collect(text, start + 1, 'literal', (each) => each !== ']');
  if (character === '"') return collect(text, start + 1, 'quoted', (each) => each !== '"');
  if (character !== '\\' && SPECIAL.test(character))
    return { token: { kind: 'operator', text: character }, end: start + 1 };
  const atom = collect(text, start, 'atom', (each) => !BLANK.test(each) && !SPECIAL.test(each));
  return NOT_IN_ATOMS.test(atom.token.text)
    ? { ...atom, token: { kind: 'quoted', text: atom.token.text } }
    : atom;
}

/** Collects as long as characters belong to the token; a backslash makes the next one belong. */
function collect(
  text: string,
  start: number,
  kind: 'literal' | 'quoted' | 'atom',
  belongs: (character: string) => boolean,
): Found {
  let collected = '';
  let position = start;
  for (; position < text.length; position += 1) {
    let character = text.charAt(position);
    if (character === '\\') {
      position += 1;
      if (position >= text.length) break;
      character = text.charAt(position);
    } else if (!belongs(character)) break;
    collected += BLANK.test(character) ? ' ' : character;
  }
  // The closing quote or bracket.
  const end = kind === 'atom' ? position : Math.min(position + 1, text.length);
  return { token: { kind, text: collected }, end };
}

/** A comment keeps its parentheses and backslashes. They nest. */
function commentAt(text: string, start: number): Found {
  let depth = 0;
  let position = start;
  for (; position < text.length; position += 1) {
    const character = text.charAt(position);
    if (character === '\\') position += 1;
    else if (character === '(') depth += 1;
    else if (character === ')') depth -= 1;
    if (depth === 0) break;
  }
  const end = Math.min(position + 1, text.length);
  return { token: { kind: 'comment', text: text.slice(start, end) }, end };
}

/** Tokens in internal form: without quotes, one space between two words that stand side by side. */
export function internalise(tokens: readonly Token[]): string {
  let text = '';
  let previous: Token | undefined;
  for (const token of tokens) {
    if (previous !== undefined && needsSpace(previous, token)) text += ' ';
    text += token.kind === 'literal' ? `[${token.text}]` : token.text;
    previous = token;
  }
  return text;
}

function needsSpace(left: Token, right: Token): boolean {
  if (left.glued) return false;
  if (left.kind !== 'operator' && right.kind !== 'operator') return true;
  return (left.kind === 'operator' && left.text === ',') || (right.kind === 'operator' && right.text === '<');
}

/**
 * An address in internal form, its local part quoted where it is no dot-string; a source route in front stays as it is.
 * @param address the last @ begins the domain
 */
export function quoteInternal(address: string): string {
  const start = address.startsWith('@') ? address.indexOf(':') + 1 : 0;
  const at = address.indexOf('@', start) === -1 ? address.length : address.lastIndexOf('@');
  const local = address.slice(start, at);
  if (isDotString(local)) return address;
  return `${address.slice(0, start)}"${local.replace(/["\\\r]/g, '\\$&')}"${address.slice(at)}`;
}

function isDotString(local: string): boolean {
  return local !== '' && !NOT_PLAIN.test(local) && !/^\.|\.\.|\.$/.test(local);
}
