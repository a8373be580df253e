// tcp_table(5) on the wire: `get SPACE key NEWLINE` in, `NNN SPACE text NEWLINE` out, both with %XX encoding as in Postfix's
// hex_quote(3). Pure: bytes in, requests or errors out.
import type { Answer } from './facts.ts';
import type { Decoded, Decoder } from './wire.ts';

/** Of a request line, newline included; tcp_table(5) limits replies to the same. */
export const LONGEST_LINE = 4096;

const LF = 0x0a;

/**
 * Decodes %XX, hexadecimal digits in either case.
 * @param text one character per byte
 * @returns one character per byte, or null where a % is not followed by two digits
 */
export function hexUnquote(text: string): string | null {
  if (!text.includes('%')) return text;
  if (/%(?![0-9a-f]{2})/i.test(text)) return null;
  return text.replace(/%([0-9a-f]{2})/gi, (_all, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}

/** Encodes `%`, white space and everything but printable ASCII as upper-case %XX. @param bytes one character per byte */
export function hexQuote(bytes: string): string {
  return bytes.replace(
    /[^!-$&-~]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}

function replyLine(code: 200 | 400 | 500, text: string): Buffer {
  return Buffer.from(`${code} ${hexQuote(Buffer.from(text, 'utf8').toString('latin1'))}\n`, 'latin1');
}

/** Bytes of the reply line that a value needs; more than LONGEST_LINE cannot be sent. @param value Unicode */
export function tcpReplyBytes(value: string): number {
  return replyLine(200, value).length;
}

/** A reply line. @param text Unicode */
export function tcpReply(code: 200 | 400 | 500, text: string): Buffer {
  const line = replyLine(code, text);
  return line.length <= LONGEST_LINE ? line : Buffer.from('400 the%20answer%20is%20too%20long\n', 'latin1');
}

/** An answer as a reply line. An empty value would be a configuration error for Postfix: it is a temporary one here. */
export function encodeTcpAnswer(answer: Answer): Buffer {
  switch (answer.kind) {
    case 'found':
      return answer.value === '' ? tcpReply(400, 'the answer is empty') : tcpReply(200, answer.value);
    case 'not found':
      return tcpReply(500, answer.reason);
    case 'temporary':
      return tcpReply(400, answer.reason);
  }
}

/** Splits input into keys; an overlong line is answered once, and skipped to its end. */
export function createTcpTableDecoder(): Decoder<string> {
  let buffer: Buffer = Buffer.alloc(0);
  let skipping = false;
  /** Where no newline is known to be before. */
  let searched = 0;

  function take(): Decoded<string> | null {
    for (;;) {
      const at = buffer.indexOf(LF, searched);
      if (at === -1) {
        searched = buffer.length;
        if (skipping) {
          buffer = Buffer.alloc(0);
          searched = 0;
        } else if (buffer.length >= LONGEST_LINE) {
          buffer = Buffer.alloc(0);
          searched = 0;
          skipping = true;
          return refused(400, `a request line has at most ${LONGEST_LINE} bytes`, 'overlong line');
        }
        return null;
      }
      const line = buffer.toString('latin1', 0, at);
      buffer = buffer.subarray(at + 1);
      searched = 0;
      if (!skipping) return line.length >= LONGEST_LINE ? overlong() : readLine(line);
      skipping = false;
    }
  }

  return {
    push(chunk) {
      buffer = buffer.length === 0 ? chunk : Buffer.concat([buffer, chunk]);
    },
    next: take,
    buffered: () => buffer.length,
  };
}

function overlong(): Decoded<string> {
  return refused(400, `a request line has at most ${LONGEST_LINE} bytes`, 'overlong line');
}

function refused(code: 400 | 500, text: string, reason: string): Decoded<string> {
  return { kind: 'error', reply: tcpReply(code, text), reason, close: false };
}

/** tcp_table(5), "REQUEST FORMAT". */
function readLine(line: string): Decoded<string> {
  const [command = ''] = line.split(' ', 1);
  if (command === 'put') return refused(500, 'put is not supported: these tables are read-only', 'put');
  if (command !== 'get') return refused(500, 'expected: get SPACE key NEWLINE', 'unknown command');
  const encoded = line.slice('get '.length);
  if (line.length === command.length) return refused(400, 'expected: get SPACE key NEWLINE', 'no key');
  // Postfix encodes all of these; a CR is what telnet sends.
  if (/[^!-~]/.test(encoded))
    return refused(400, 'expected a key with %XX for white space and 8-bit bytes', 'raw bytes in the key');
  const key = hexUnquote(encoded);
  if (key === null) return refused(400, 'expected two hexadecimal digits after %', 'bad hex');
  return { kind: 'request', request: key };
}
