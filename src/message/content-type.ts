// Content-Type and Content-Transfer-Encoding as RFC 2045 writes them, read strictly: what could be read in two ways is marked.

import { behindComment, behindQuoted } from './comment.ts';
import { MOST_HEADER_BYTES } from './header.ts';

export interface ContentType {
  /** Lower case, without the subtype. */
  readonly type: string;
  /** Lower case. */
  readonly subtype: string;
  /** Names in lower case, values unquoted; the first of each name. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Something was left over or came twice: another program may read this field differently. */
  readonly ambiguous: boolean;
}

const TOKEN = /[^\x00-\x20\x7f-\xff()<>@,;:\\"/[\]?=]+/y;

/**
 * Reads a Content-Type value. Linear in its length.
 * @param value unfolded, one character per byte
 * @returns null where not even type and subtype can be read, or where the value is longer than {@link MOST_HEADER_BYTES}
 */
export function parseContentType(value: string): ContentType | null {
  if (value.length > MOST_HEADER_BYTES) return null;
  const scanner = createScanner(value);
  const type = scanner.token();
  if (type === null || !scanner.take('/')) return null;
  const subtype = scanner.token();
  if (subtype === null) return null;
  const parameters = new Map<string, string>();
  let ambiguous = false;
  while (scanner.take(';')) {
    const name = scanner.token();
    // A semicolon at the end, or two in a row, mean nothing.
    if (name === null) continue;
    const parameter = scanner.take('=') ? (scanner.quoted() ?? unquotedValue(scanner, name)) : null;
    if (parameter === null || parameters.has(name.toLowerCase())) ambiguous = true;
    else parameters.set(name.toLowerCase(), parameter);
  }
  return {
    type: type.toLowerCase(),
    subtype: subtype.toLowerCase(),
    parameters,
    ambiguous: ambiguous || !scanner.atEnd(),
  };
}

/** A token. A media type that lacks its quotes, as `protocol` often does, is read in one way all the same. */
function unquotedValue(scanner: ReturnType<typeof createScanner>, name: string): string | null {
  const token = scanner.token();
  if (token === null || name.toLowerCase() !== 'protocol' || !scanner.at('/')) return token;
  scanner.skip();
  return `${token}/${scanner.token() ?? ''}`;
}

/**
 * How many characters of a Content-Type value its type and subtype take, and whether comments and quoted strings behind them
 * are closed, so that something can be put at the end of the field. Those of a value longer than {@link MOST_HEADER_BYTES} are
 * not looked for, and count as open.
 */
export function contentTypeShape(value: string): { readonly typeEnd: number; readonly closed: boolean } {
  const scanner = createScanner(value.slice(0, MOST_HEADER_BYTES));
  scanner.token();
  let typeEnd = scanner.position();
  if (scanner.take('/') && scanner.token() !== null) typeEnd = scanner.position();
  while (!scanner.atEnd()) {
    if (scanner.quoted() === null && scanner.token() === null && !scanner.skip()) break;
  }
  return { typeEnd, closed: scanner.atEnd() && value.length <= MOST_HEADER_BYTES };
}

/** A parameter as it stands in a field. */
export interface RawParameter {
  /** Lower case, with the asterisks and numbers of RFC 2231. */
  readonly name: string;
  /** A token, or a quoted string with its quotes. */
  readonly value: string;
}

/** Where a parameter stands in a value. */
export interface ParameterSpan {
  /** Lower case, with the asterisks and numbers of RFC 2231. */
  readonly name: string;
  /** Offset of the name. */
  readonly from: number;
  /** Offset of its value, which may be preceded by white space. */
  readonly valueFrom: number;
  /** Offset behind its value. */
  readonly end: number;
  /** The value is a token or a quoted string. */
  readonly wellFormed: boolean;
}

/**
 * Where the parameters of a Content-Type or Content-Disposition value stand; none where it is longer than
 * {@link MOST_HEADER_BYTES}. Read leniently: a value that is neither a token nor a quoted string counts up to the next
 * semicolon.
 * @param value one character per byte; it may be folded
 */
export function parameterSpans(value: string): readonly ParameterSpan[] {
  const scanner = createScanner(value);
  const spans: ParameterSpan[] = [];
  if (value.length > MOST_HEADER_BYTES) return spans;
  if (scanner.token() !== null && scanner.take('/')) scanner.token();
  // A semicolon in a comment begins no parameter.
  scanner.atEnd();
  scanner.until(';');
  while (scanner.take(';')) {
    const name = scanner.token();
    const from = scanner.position() - (name?.length ?? 0);
    if (name === null || !scanner.take('=')) {
      // A comment that never closes hides the rest; to look behind it would be to search its end once more for every parameter.
      if (scanner.at('(')) break;
      scanner.until(';');
      continue;
    }
    const valueFrom = scanner.position();
    const read = scanner.quoted() ?? scanner.token();
    const behind = scanner.position();
    const wellFormed = (scanner.atEnd() || scanner.at(';')) && read !== null;
    const open = scanner.at('(');
    scanner.until(';');
    const end = wellFormed ? behind : scanner.position();
    spans.push({ name: name.toLowerCase(), from, valueFrom, end, wellFormed });
    if (open) break;
  }
  return spans;
}

/**
 * The parameters that {@link parameterSpans} finds, their values not decoded. One that is neither a token nor a quoted string
 * is quoted here.
 * @param value unfolded, one character per byte
 */
export function rawParameters(value: string): readonly RawParameter[] {
  return parameterSpans(value).map(({ name, valueFrom, end, wellFormed }) => {
    const text = value.slice(valueFrom, end).trim();
    return { name, value: wellFormed ? text : quote(text) };
  });
}

/** A quoted string of RFC 2045 around a text, whose own quotes and backslashes are dropped. */
export function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '')}"`;
}

/** A quoted string of RFC 2045 that stands for exactly this text. */
export function quoteExactly(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/** A mechanism of RFC 2045, section 6, in lower case; `7bit` where the value is empty, null where it is no single token. */
export function parseTransferEncoding(value: string): string | null {
  const scanner = createScanner(value);
  const mechanism = scanner.token();
  if (!scanner.atEnd()) return null;
  return mechanism === null ? '7bit' : mechanism.toLowerCase();
}

function createScanner(text: string) {
  let at = 0;

  /** White space and comments, which nest (RFC 5322, section 3.2.2). Stops before a comment that is not closed. */
  function skipSpace(): void {
    for (;;) {
      while (at < text.length && ' \t\r\n'.includes(text.charAt(at))) at += 1;
      if (text.charAt(at) !== '(') return;
      const end = behindComment(text, at);
      if (end === null) return;
      at = end;
    }
  }

  return {
    token(): string | null {
      skipSpace();
      TOKEN.lastIndex = at;
      const found = TOKEN.exec(text)?.[0];
      if (found === undefined) return null;
      at += found.length;
      return found;
    },
    quoted(): string | null {
      skipSpace();
      if (text.charAt(at) !== '"') return null;
      const end = behindQuoted(text, at);
      if (end === null) return null;
      // One piece of the text, and not character by character: that would cost 32 bytes for each.
      const inside = text.slice(at + 1, end - 1);
      at = end;
      return inside.includes('\\') ? inside.replace(/\\(.)/gs, '$1') : inside;
    },
    take(char: string): boolean {
      skipSpace();
      if (text.charAt(at) !== char) return false;
      at += 1;
      return true;
    },
    /** Passes over one character that opens nothing. */
    skip(): boolean {
      skipSpace();
      if (at >= text.length || text.charAt(at) === '"' || text.charAt(at) === '(') return false;
      at += 1;
      return true;
    },
    at: (char: string): boolean => text.charAt(at) === char,
    /** Passes over everything before the next such character, or the end. */
    until(char: string): string {
      const from = at;
      const found = text.indexOf(char, at);
      at = found < 0 ? text.length : found;
      return text.slice(from, at);
    },
    position: () => at,
    atEnd(): boolean {
      skipSpace();
      return at >= text.length;
    },
  };
}
