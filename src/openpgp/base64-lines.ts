// Base64 in lines of 76 columns and CRLF, the longest that RFC 2045, section 6.8, and RFC 9580, section 6.3, allow. Large
// messages go through here, so it copies in big steps.

/** 57 bytes become 76 columns. */
const LINE_BYTES = 57;
const LINE_COLUMNS = 76;
const LINES_PER_STEP = 512;

/** How long the text of so many bytes is, line endings included. */
export function base64LinesLength(bytes: number): number {
  const columns = Math.ceil(bytes / 3) * 4;
  return columns + Math.ceil(columns / LINE_COLUMNS) * 2;
}

/**
 * Writes bytes as lines, each ended with CRLF.
 * @param at where in `out`, which must have room for {@link base64LinesLength}
 * @returns the offset behind the last line
 */
export function writeBase64Lines(bytes: Buffer, out: Buffer, at: number): number {
  const step = LINE_BYTES * LINES_PER_STEP;
  const line = Buffer.allocUnsafe(LINE_COLUMNS * LINES_PER_STEP);
  let end = at;
  for (let from = 0; from < bytes.length; from += step) {
    const written = line.write(bytes.toString('base64', from, Math.min(from + step, bytes.length)), 'latin1');
    for (let start = 0; start < written; start += LINE_COLUMNS) {
      end += line.copy(out, end, start, Math.min(start + LINE_COLUMNS, written));
      out[end++] = 0x0d;
      out[end++] = 0x0a;
    }
  }
  return end;
}

/** The lines in a buffer of their own, so that it can be transferred between threads. */
export function base64Lines(bytes: Uint8Array): Buffer {
  const out = Buffer.allocUnsafeSlow(base64LinesLength(bytes.length));
  writeBase64Lines(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), out, 0);
  return out;
}
