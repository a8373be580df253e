// White space as mail knows it: space, tab, CR and LF. JavaScript's trim() also takes A0, 0B and 0C, which mail programs show.

/** Whether a byte is white space. */
export function isWhiteSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d || byte === 0x0a;
}

/** White space of text cut off at both ends. */
export function trimBytes(text: Buffer): Buffer {
  let from = 0;
  let end = text.length;
  while (from < end && isWhiteSpace(text[from])) from += 1;
  while (end > from && isWhiteSpace(text[end - 1])) end -= 1;
  return text.subarray(from, end);
}
