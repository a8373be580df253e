// Policy delegation on the wire (SMTPD_POLICY_README): `name=value` lines that end with an empty one in, `action=...` and an
// empty line out, LF only. Pure: bytes in, requests or errors out.
import { EMPTY_ACTION } from '../src/smtp/our-replies.ts';
import type { Decoded, Decoder } from './wire.ts';

/** Postfix sends about forty attributes; more than this is somebody else. */
export const MOST_ATTRIBUTES = 1000;
/** Bytes of a whole request. */
export const LONGEST_REQUEST = 65_536;

/** Attributes by name, one character per byte. */
export type PolicyRequest = ReadonlyMap<string, string>;

const LF = 0x0a;

/** A reply. The action is one line and never empty: Postfix permits on an empty one. */
export function encodeAction(action: string): Buffer {
  const line = action.replace(/[^\x20-\x7e]+/g, ' ').trim();
  return Buffer.from(`action=${line === '' ? EMPTY_ACTION : line}\n\n`, 'latin1');
}

/** Splits input into requests. Any error ends the connection without a reply, which is what Postfix understands. */
export function createPolicyDecoder(): Decoder<PolicyRequest> {
  let buffer: Buffer = Buffer.alloc(0);
  let searched = 0;
  let attributes = new Map<string, string>();
  let count = 0;
  let bytes = 0;

  function broken(reason: string): Decoded<PolicyRequest> {
    return { kind: 'error', reply: null, reason, close: true };
  }

  function next(): Decoded<PolicyRequest> | null {
    for (;;) {
      const at = buffer.indexOf(LF, searched);
      if (at === -1) {
        searched = buffer.length;
        return bytes + buffer.length > LONGEST_REQUEST ? broken('overlong request') : null;
      }
      const line = buffer.toString('latin1', 0, at);
      buffer = buffer.subarray(at + 1);
      searched = 0;
      bytes += at + 1;
      if (bytes > LONGEST_REQUEST) return broken('overlong request');
      if (line === '') {
        const request = attributes;
        attributes = new Map();
        count = 0;
        bytes = 0;
        return request.get('request') === 'smtpd_access_policy'
          ? { kind: 'request', request }
          : broken('no request=smtpd_access_policy');
      }
      if (line.endsWith('\r')) return broken('CRLF: lines end in LF alone');
      if (line.includes('\0')) return broken('NUL in a line');
      const equals = line.indexOf('=');
      if (equals < 1) return broken('a line without name=value');
      count += 1;
      if (count > MOST_ATTRIBUTES) return broken('too many attributes');
      const name = line.slice(0, equals);
      // As Postfix's own attribute parser does: of several with one name the first counts.
      if (!attributes.has(name)) attributes.set(name, line.slice(equals + 1));
    }
  }

  return {
    push(chunk) {
      buffer = buffer.length === 0 ? chunk : Buffer.concat([buffer, chunk]);
    },
    next,
    buffered: () => buffer.length,
  };
}
