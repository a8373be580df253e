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

interface Input {
  /** What has not been taken apart yet. */
  buffer: Buffer;
  /** Where no newline is known to be before. */
  searched: number;
  /** Of the request that has begun. */
  attributes: Map<string, string>;
  /** Lines of it, and their bytes. */
  count: number;
  bytes: number;
}

/** Splits input into requests. Any error ends the connection without a reply, which is what Postfix understands. */
export function createPolicyDecoder(): Decoder<PolicyRequest> {
  const input: Input = { buffer: Buffer.alloc(0), searched: 0, attributes: new Map(), count: 0, bytes: 0 };
  return {
    push(chunk) {
      input.buffer = input.buffer.length === 0 ? chunk : Buffer.concat([input.buffer, chunk]);
    },
    next: () => nextRequest(input),
    buffered: () => input.buffer.length,
  };
}

function nextRequest(input: Input): Decoded<PolicyRequest> | null {
  for (;;) {
    const line = nextLine(input);
    if (input.bytes + (line === null ? input.buffer.length : 0) > LONGEST_REQUEST)
      return broken('overlong request');
    if (line === null) return null;
    if (line === '') return endRequest(input);
    const wrong = addAttribute(input, line);
    if (wrong !== null) return broken(wrong);
  }
}

/** Takes a line without its newline; null: more bytes are needed. */
function nextLine(input: Input): string | null {
  const { buffer } = input;
  const at = buffer.indexOf(LF, input.searched);
  if (at === -1) {
    input.searched = buffer.length;
    return null;
  }
  input.buffer = buffer.subarray(at + 1);
  input.searched = 0;
  input.bytes += at + 1;
  return buffer.toString('latin1', 0, at);
}

function endRequest(input: Input): Decoded<PolicyRequest> {
  const request = input.attributes;
  input.attributes = new Map();
  input.count = 0;
  input.bytes = 0;
  return request.get('request') === 'smtpd_access_policy'
    ? { kind: 'request', request }
    : broken('no request=smtpd_access_policy');
}

/** @returns what is wrong with the line, or null */
function addAttribute(input: Input, line: string): string | null {
  if (line.endsWith('\r')) return 'CRLF: lines end in LF alone';
  if (line.includes('\0')) return 'NUL in a line';
  const equals = line.indexOf('=');
  if (equals < 1) return 'a line without name=value';
  input.count += 1;
  if (input.count > MOST_ATTRIBUTES) return 'too many attributes';
  const name = line.slice(0, equals);
  // As Postfix's own attribute parser does: of several with one name the first counts.
  if (!input.attributes.has(name)) input.attributes.set(name, line.slice(equals + 1));
  return null;
}

function broken(reason: string): Decoded<PolicyRequest> {
  return { kind: 'error', reply: null, reason, close: true };
}
