// Base64 in lines of 76 columns and CRLF, the longest that RFC 2045, section 6.8, and RFC 9580, section 6.3, allow. Large
// messages go through here, so it copies in big steps.

/** 57 bytes become 76 columns. */
export const LINE_BYTES = 57;
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
  let end = at;
  for (let from = 0; from < bytes.length; from += step) {
    const written = out.write(
      bytes.toString('base64', from, Math.min(from + step, bytes.length)),
      end,
      'latin1',
    );
    const lines = Math.ceil(written / LINE_COLUMNS);
    // From the last line on, so that no line is overwritten before it has moved.
    for (let line = lines - 1; line >= 0; line -= 1) {
      const start = end + line * LINE_COLUMNS;
      const length = Math.min(LINE_COLUMNS, written - line * LINE_COLUMNS);
      const target = start + line * 2;
      if (line > 0) out.copyWithin(target, start, start + length);
      out[target + length] = 0x0d;
      out[target + length + 1] = 0x0a;
    }
    end += written + lines * 2;
  }
  return end;
}

/** The lines in a buffer of their own, so that it can be transferred between threads. */
export function base64Lines(bytes: Uint8Array): Buffer {
  const out = Buffer.allocUnsafeSlow(base64LinesLength(bytes.length));
  writeBase64Lines(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), out, 0);
  return out;
}
