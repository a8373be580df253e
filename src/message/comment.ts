// What structured header fields put between characters of its own, and where a backslash quotes: comments, which nest (RFC 5322,
// section 3.2.2), quoted strings (3.2.4) and domain literals (3.4.1). Read character by character: a regular expression runs out of
// stack where millions of characters are quoted.

/** The offset behind the comment that opens at `from`, its parenthesis included; null where it is not closed. */
export function behindComment(text: string, from: number): number | null {
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === '\\') at += 1;
    else if (char === '(') depth += 1;
    else if (char === ')') {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return null;
}

/** The offset behind the quoted string or domain literal that opens at `from`; null where it is not closed. */
export function behindQuoted(text: string, from: number): number | null {
  const open = text.charAt(from);
  const close = open === '[' ? ']' : open;
  for (let at = from + 1; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === close) return at + 1;
    if (char === open) return null;
    if (char === '\\') at += 1;
  }
  return null;
}

/** The text with a space for each comment and each quoted string; what is not closed stays as it is. */
export function withoutQuotedText(text: string): string {
  const kept: string[] = [];
  let from = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char !== '(' && char !== '"') continue;
    const end = char === '(' ? behindComment(text, at) : behindQuoted(text, at);
    if (end === null) break;
    kept.push(text.slice(from, at));
    from = end;
    at = end - 1;
  }
  return [...kept, text.slice(from)].join(' ');
}
