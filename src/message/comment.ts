// Comments of structured header fields (RFC 5322, section 3.2.2): they nest, and a backslash quotes.

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
