// The message as DATA carries it: a dot before every line that begins with one, CRLF at the end, and the final dot
// (RFC 5321, section 4.5.2). On bytes, in pieces, and without a copy where nothing has to be stuffed.

const CR = 13;
const LF = 10;
const DOT = 46;
const STUFFED_LINE = Buffer.from('\r\n.');
/** What is looked at, copied and written at once; between pieces other connections get their turn. */
export const PIECE_BYTES = 256 * 1024;

/** Bytes of all parts. */
export function messageSize(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

/**
 * Yields the message dot-stuffed, in pieces of about {@link PIECE_BYTES}. The message must have CRLF line ends only.
 * It does not yield the end: that is {@link finalDot}.
 */
export function* dotStuffed(parts: readonly Uint8Array[]): Generator<Buffer, void> {
  // The last two bytes; a message begins as if behind a CRLF.
  let last = LF;
  let beforeLast = CR;
  for (const part of parts) {
    for (let start = 0; start < part.length; start += PIECE_BYTES) {
      const end = Math.min(start + PIECE_BYTES, part.length);
      const piece = Buffer.from(part.buffer, part.byteOffset + start, end - start);
      yield stuff(piece, beforeLast, last);
      beforeLast = piece.length > 1 ? (piece.at(-2) ?? 0) : last;
      last = piece.at(-1) ?? 0;
    }
  }
}

/** What ends DATA: CRLF first where the message lacks it, then the dot. An empty message ends with the dot alone. */
export function finalDot(parts: readonly Uint8Array[]): string {
  return endsWithCrlf(parts) ? '.\r\n' : '\r\n.\r\n';
}

/** Whether the message is empty or its last line is complete. */
export function endsWithCrlf(parts: readonly Uint8Array[]): boolean {
  const end: number[] = [];
  for (let index = parts.length - 1; index >= 0 && end.length < 2; index -= 1) {
    const part = parts[index];
    for (let at = (part?.length ?? 0) - 1; at >= 0 && end.length < 2; at -= 1) end.push(part?.[at] ?? 0);
  }
  return end.length === 0 || (end[0] === LF && end[1] === CR);
}

function stuff(piece: Buffer, beforeLast: number, last: number): Buffer {
  const dots: number[] = [];
  if (piece[0] === DOT && last === LF && beforeLast === CR) dots.push(0);
  if (piece[0] === LF && piece[1] === DOT && last === CR) dots.push(1);
  for (
    let found = piece.indexOf(STUFFED_LINE);
    found !== -1;
    found = piece.indexOf(STUFFED_LINE, found + 3)
  ) {
    dots.push(found + 2);
  }
  if (dots.length === 0) return piece;
  const stuffed = Buffer.allocUnsafe(piece.length + dots.length);
  let from = 0;
  let to = 0;
  for (const dot of dots) {
    to += piece.copy(stuffed, to, from, dot);
    stuffed[to] = DOT;
    to += 1;
    from = dot;
  }
  piece.copy(stuffed, to, from);
  return stuffed;
}
