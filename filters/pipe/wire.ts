// The message between pipe(8) and the wire: pipe(8) writes LF line ends, LMTP wants CRLF, dot-stuffing and a final dot.
const LF = 0x0a;
const CR = 0x0d;
const DOT = 0x2e;

/**
 * Ends every line with CRLF: a bare LF is the line end of pipe(8), a CRLF stays. The last line gets one too. Every other
 * byte stays, bare CR and NUL included.
 */
export function toCrlf(message: Buffer): Buffer {
  return copyLines(message, false).bytes;
}

/**
 * The DATA of the message: {@link toCrlf}, dots doubled at the start of lines, the final dot (RFC 5321, section 4.5.2).
 * @returns the bytes, and what SIZE declares: octets with CRLF, without the transparency (RFC 1870, section 5)
 */
export function toData(message: Buffer): { readonly bytes: Buffer; readonly size: number } {
  return copyLines(message, true);
}

function copyLines(message: Buffer, asData: boolean): { readonly bytes: Buffer; readonly size: number } {
  let lines = 0;
  let dots = 0;
  for (let start = 0; start < message.length; lines += 1) {
    if (message[start] === DOT) dots += 1;
    const end = message.indexOf(LF, start);
    start = end === -1 ? message.length : end + 1;
  }
  const out = Buffer.allocUnsafe(message.length + lines + 1 + (asData ? dots + 3 : 0));
  let length = 0;
  for (let start = 0; start < message.length; ) {
    if (asData && message[start] === DOT) length = out.writeUInt8(DOT, length);
    const found = message.indexOf(LF, start);
    const end = found === -1 ? message.length : found;
    length += message.copy(out, length, start, end);
    // A final CR without its LF belongs to the line; the line end that is missing comes behind it.
    if (found === -1 || end === start || message[end - 1] !== CR) length = out.writeUInt8(CR, length);
    length = out.writeUInt8(LF, length);
    start = end + 1;
  }
  const size = length - (asData ? dots : 0);
  if (asData) length += out.write('.\r\n', length, 'latin1');
  return { bytes: out.subarray(0, length), size };
}

/** The line ends of pipe(8) and sendmail(1) again: CRLF becomes LF, every other byte stays. */
export function toLf(message: Uint8Array): Buffer {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  const out = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  for (let start = 0; start < bytes.length; ) {
    const found = bytes.indexOf('\r\n', start, 'latin1');
    const end = found === -1 ? bytes.length : found;
    length += bytes.copy(out, length, start, end);
    if (found !== -1) length = out.writeUInt8(LF, length);
    start = found === -1 ? bytes.length : found + 2;
  }
  return out.subarray(0, length);
}
