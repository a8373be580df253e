// socketmap_table(5) on the wire: netstrings (`len:bytes,`) with `name SPACE key` in, and `OK data`, `NOTFOUND `,
// `TEMP reason` or `PERM reason` out. Pure: bytes in, requests or errors out.
import type { Answer } from './facts.ts';
import type { Decoded, Decoder } from './wire.ts';

/** Bytes of a request, without the framing; as in Postfix's own socketmap server (3.12). */
export const LONGEST_REQUEST = 10_000;
/** Bytes of a reply that Postfix accepts (dict_sockmap). */
export const LONGEST_REPLY = 100_000;

export interface SocketmapRequest {
  readonly map: string;
  /** One character per byte. */
  readonly key: string;
}

const COLON = 0x3a;
const COMMA = 0x2c;
const ZERO = 0x30;

const EXPECTED = `expected a netstring of at most ${LONGEST_REQUEST} bytes`;

/** @param payload one character per byte */
export function netstring(payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${payload.length}:`, 'latin1'), payload, Buffer.from(',', 'latin1')]);
}

/** Bytes of the reply that a value needs; more than LONGEST_REPLY cannot be sent. @param value Unicode */
export function socketmapReplyBytes(value: string): number {
  return payloadOf('OK', value).length;
}

function payloadOf(status: 'OK' | 'NOTFOUND' | 'TEMP' | 'PERM', text: string): Buffer {
  return Buffer.from(`${status} ${text}`, 'utf8');
}

function encodeStatus(status: 'OK' | 'NOTFOUND' | 'TEMP' | 'PERM', text: string): Buffer {
  const payload = payloadOf(status, text);
  return netstring(
    payload.length <= LONGEST_REPLY ? payload : Buffer.from('TEMP the answer is too long', 'latin1'),
  );
}

/** An answer as a reply. An empty value would be a configuration error for Postfix: it is a temporary one here. */
export function encodeSocketmapAnswer(answer: Answer): Buffer {
  switch (answer.kind) {
    case 'found':
      return answer.value === ''
        ? encodeStatus('TEMP', 'the answer is empty')
        : encodeStatus('OK', answer.value);
    case 'not found':
      return encodeStatus('NOTFOUND', '');
    case 'temporary':
      return encodeStatus('TEMP', answer.reason);
  }
}

/** The reply to a request that can be read but not answered; PERM is a configuration error to Postfix. */
export function socketmapRefusal(text: string): Buffer {
  return encodeStatus('PERM', text);
}

/** Splits input into requests; after a wrong netstring nothing can be read any more. */
export function createSocketmapDecoder(): Decoder<SocketmapRequest> {
  let buffer: Buffer = Buffer.alloc(0);

  function next(): Decoded<SocketmapRequest> | null {
    // Digit by digit, so that the verdict does not depend on how the bytes were cut.
    let length = 0;
    let at = 0;
    for (; at < buffer.length && buffer[at] !== COLON; at += 1) {
      const digit = (buffer[at] ?? 0) - ZERO;
      if (digit < 0 || digit > 9 || (at === 1 && length === 0))
        return broken(EXPECTED, 'bad netstring length');
      length = length * 10 + digit;
      if (length > LONGEST_REQUEST) return broken(EXPECTED, 'overlong netstring');
    }
    if (at === buffer.length) return null;
    if (at === 0) return broken(EXPECTED, 'bad netstring length');
    const end = at + 1 + length;
    if (buffer.length <= end) return null;
    if (buffer[end] !== COMMA)
      return broken('expected a comma at the end of the netstring', 'netstring without comma');
    const payload = buffer.toString('latin1', at + 1, end);
    buffer = buffer.subarray(end + 1);
    const space = payload.indexOf(' ');
    if (space < 1) {
      return {
        kind: 'error',
        reply: socketmapRefusal('expected: map SPACE key'),
        reason: 'no map name',
        close: false,
      };
    }
    return { kind: 'request', request: { map: payload.slice(0, space), key: payload.slice(space + 1) } };
  }

  return {
    push(chunk) {
      buffer = buffer.length === 0 ? chunk : Buffer.concat([buffer, chunk]);
    },
    next,
    buffered: () => buffer.length,
  };
}

function broken(text: string, reason: string): Decoded<SocketmapRequest> {
  return { kind: 'error', reply: socketmapRefusal(text), reason, close: true };
}
