// SMTP replies: what a code means, how a reply is written, and reading the next hop's replies off the wire
// (RFC 5321, section 4.2; enhanced status codes: RFC 2034 and RFC 3463).
import type { Reply, ReplyClass } from './types.ts';

/** Longest line we write without its CRLF; RFC 5321, section 4.5.3.1.5, allows 512 octets with it. */
const MAX_LINE_WRITTEN = 510;
const MAX_LINES_WRITTEN = 50;
const ENHANCED = /^([245]\.\d{1,3}\.\d{1,3})(?:[ \t]+|$)/;
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f]|\t/g;

export function reply(code: number, enhanced: string, text: string): Reply {
  return { code, enhanced, text };
}

/** 2xx is accepted and 5xx permanent; 4xx and everything a server should not answer is temporary. */
export function classOf(answer: { readonly code: number }): ReplyClass {
  if (answer.code >= 200 && answer.code < 300) return 'accepted';
  return answer.code >= 500 && answer.code < 600 ? 'permanent' : 'temporary';
}

/** A reply as another one's connection may carry it: 421 would close that one, too (RFC 5321, section 3.8). */
export function notClosing(answer: Reply): Reply {
  return answer.code === 421 ? { ...answer, code: 451 } : answer;
}

/** A reply on one line, for logs and messages: `550 5.1.1 User unknown`. */
export function formatReply(answer: Reply): string {
  const text = answer.text.replace(/\s*\n\s*/g, ' ').replace(CONTROL, ' ');
  return [String(answer.code), answer.enhanced, text].filter((part) => part !== '').join(' ');
}

/**
 * Exactly one enhanced code for a reply: its own, else one that its text begins with, else X.0.0. Its class always
 * agrees with the reply code, and the text no longer repeats it. Codes below 200 and 3xx carry none (RFC 2034).
 */
function enhancedAndText(answer: Reply): { readonly enhanced: string; readonly text: string } {
  const first = Math.trunc(answer.code / 100);
  if (first !== 2 && first !== 4 && first !== 5) return { enhanced: '', text: answer.text };
  const inText = ENHANCED.exec(answer.text);
  const text = inText === null ? answer.text : answer.text.slice(inText[0].length);
  const fits = [answer.enhanced, inText?.[1] ?? ''].find(
    (code) => /^[245]\.\d{1,3}\.\d{1,3}$/.test(code) && code.startsWith(String(first)),
  );
  return { enhanced: fits ?? `${first}.0.0`, text };
}

/**
 * A reply as it goes over the wire, every line with code, enhanced code and CRLF. Control characters become spaces,
 * overlong lines are folded into several.
 * @param utf8 whether the client may be sent UTF-8 (it used SMTPUTF8; RFC 6531, section 3.7.4); else it becomes `?`
 * @returns text to be written in UTF-8
 */
export function encodeReply(answer: Reply, utf8 = false): string {
  const { enhanced, text } = enhancedAndText(answer);
  const prefix = enhanced === '' ? '' : `${enhanced} `;
  // Four bytes at most for each character of UTF-8.
  const room = Math.floor((MAX_LINE_WRITTEN - 4 - prefix.length) / (utf8 ? 4 : 1));
  const lines: string[] = [];
  for (const line of text.split(/\r?\n/)) {
    const clean = line.replace(CONTROL, ' ').replace(utf8 ? /[\ud800-\udfff]/gu : /[^\x20-\x7e]/gu, '?');
    for (let start = 0; start === 0 || start < clean.length; start += room)
      lines.push(clean.slice(start, start + room));
    if (lines.length >= MAX_LINES_WRITTEN) break;
  }
  lines.length = Math.min(lines.length, MAX_LINES_WRITTEN);
  return lines
    .map((line, index) => `${answer.code}${index === lines.length - 1 ? ' ' : '-'}${prefix}${line}\r\n`)
    .join('');
}

/** Cuts replies out of a stream of bytes. */
export interface ReplyParser {
  /**
   * Takes the next bytes and adds every completed reply to `into`.
   * @returns null, or one sentence about a violation of the protocol; the connection is then of no more use
   */
  push(bytes: Buffer, into: Reply[]): string | null;
}

/** Limits of {@link createReplyParser}; generous, since a next hop may be verbose but not endless. */
export interface ReplyLimits {
  readonly lineBytes: number;
  readonly lines: number;
}

/** The reply that is being read. */
interface PartialReply {
  readonly limits: ReplyLimits;
  /** The beginning of a line, one character per byte. */
  line: string;
  /** Of the lines so far; '' where none of them had one. */
  enhanced: string;
  code: number;
  texts: string[];
}

/**
 * Reads replies from a stream of bytes, however they are split. The enhanced code is taken out of every line. A code
 * that changes within a reply, a line without a code and anything beyond the limits is a violation.
 */
export function createReplyParser(limits: ReplyLimits = { lineBytes: 4096, lines: 250 }): ReplyParser {
  const partial: PartialReply = { limits, line: '', enhanced: '', code: 0, texts: [] };
  return { push: (bytes, into) => pushBytes(partial, bytes, into) };
}

function pushBytes(partial: PartialReply, bytes: Buffer, into: Reply[]): string | null {
  const { lineBytes } = partial.limits;
  // One character per byte while lines are cut; what is not ASCII is decoded line by line.
  const data = partial.line + bytes.toString('latin1');
  let start = 0;
  for (let end = data.indexOf('\n'); end !== -1; end = data.indexOf('\n', start)) {
    const line = data.slice(start, data[end - 1] === '\r' && end > start ? end - 1 : end);
    start = end + 1;
    if (line.length > lineBytes) return `a reply line of more than ${lineBytes} bytes`;
    const violation = addLine(partial, line, into);
    if (violation !== null) return violation;
  }
  partial.line = data.slice(start);
  return partial.line.length > lineBytes ? `a reply line of more than ${lineBytes} bytes` : null;
}

function addLine(partial: PartialReply, line: string, into: Reply[]): string | null {
  const match = /^([2-5]\d\d)(?:([ -])(.*))?$/s.exec(line);
  if (match === null) return 'a line that is no SMTP reply';
  const code = Number(match[1]);
  if (partial.texts.length > 0 && partial.code !== code)
    return 'a reply whose code changes from line to line';
  partial.code = code;
  let text = readable(match[3] ?? '');
  const found = ENHANCED.exec(text);
  if (found !== null && text.startsWith(String(Math.trunc(code / 100)))) {
    if (partial.enhanced === '') partial.enhanced = found[1] ?? '';
    text = text.slice(found[0].length);
  }
  partial.texts.push(text);
  const { lines } = partial.limits;
  if (partial.texts.length > lines) return `a reply of more than ${lines} lines`;
  if (match[2] === '-') return null;
  into.push({ code, enhanced: partial.enhanced, text: partial.texts.join('\n') });
  partial.texts = [];
  partial.enhanced = '';
  return null;
}

/** Text of a reply line: UTF-8 where there are bytes beyond ASCII, control characters as spaces. */
function readable(line: string): string {
  const text = /[\x80-\xff]/.test(line) ? Buffer.from(line, 'latin1').toString('utf8') : line;
  return text.replace(CONTROL, ' ');
}
