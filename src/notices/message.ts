// The notice of keys that expire, as a complete message: a plain-text template with {{placeholders}}, and the header that says
// that a program wrote it (RFC 3834). Pure.
import { rfc5322Date } from '../message/date-time.ts';

/** What a template may name. */
export const PLACEHOLDERS = ['address', 'administrator', 'keys', 'count', 'date', 'consequence'] as const;
export type Placeholder = (typeof PLACEHOLDERS)[number];

export interface NoticeTemplate {
  readonly subject: string;
  readonly body: string;
}

/**
 * Reads a template: `Subject: ...`, an empty line, the text; UTF-8.
 * @returns the template, or the sentence that says what is wrong with it
 */
export function parseTemplate(text: string): NoticeTemplate | string {
  const match = /^Subject:[ \t]*(\S[^\r\n]*)\r?\n\r?\n([\s\S]+)$/.exec(text.replace(/^\ufeff/, ''));
  if (match === null) return 'expected "Subject: ..." in the first line, an empty line, and a text';
  const unknown = [...text.matchAll(/\{\{\s*([^{}]*?)\s*\}\}/g)]
    .map(([, name = '']) => name)
    .filter((name) => !PLACEHOLDERS.some((known) => known === name));
  if (unknown.length > 0) {
    return `found the placeholder {{${unknown[0]}}}, expected one of ${PLACEHOLDERS.map((name) => `{{${name}}}`).join(', ')}`;
  }
  return { subject: (match[1] ?? '').trimEnd(), body: match[2] ?? '' };
}

export interface NoticeInput {
  readonly template: NoticeTemplate;
  readonly values: Readonly<Record<Placeholder, string>>;
  /** Addresses; the sender is a person who may be answered. */
  readonly from: string;
  readonly to: string;
  readonly date: Date;
  /** The left side of Message-ID: the same at every attempt, and no other mail's. */
  readonly id: string;
}

/** Builds the message with CRLF line ends; the same input gives the same bytes. */
export function buildNotice(input: NoticeInput): Buffer {
  const fill = (text: string): string =>
    text.replace(
      /\{\{\s*([a-z]+)\s*\}\}/g,
      (whole, name: string) => input.values[name as Placeholder] ?? whole,
    );
  const body = `${fill(input.template.body)
    .replace(/\r\n|\r|\n/g, '\n')
    .trimEnd()}\n`.replaceAll('\n', '\r\n');
  // RFC 5321, section 4.5.3.1.6: 998 octets a line; and 8-bit text could meet a next hop that takes none.
  const plain = /^[\x20-\x7e\t\r\n]*$/.test(body) && body.split('\r\n').every((line) => line.length <= 998);
  const lines = [
    `From: ${input.from}`,
    `To: ${input.to}`,
    `Subject: ${encodeText(fill(input.template.subject).replace(/\s+/g, ' '))}`,
    `Date: ${rfc5322Date(input.date)}`,
    `Message-ID: <${input.id}@${input.from.slice(input.from.lastIndexOf('@') + 1)}>`,
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    `Content-Transfer-Encoding: ${plain ? '7bit' : 'base64'}`,
    '',
    '',
  ];
  const content = plain ? body : `${inBase64(Buffer.from(body, 'utf8'))}\r\n`;
  return Buffer.from(`${lines.join('\r\n')}${content}`, 'utf8');
}

/** Unstructured text of a header field: encoded words where it is not ASCII (RFC 2047), each below 75 characters. */
function encodeText(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text)) return text;
  const words: string[] = [];
  let word = '';
  for (const character of text) {
    if (Buffer.byteLength(word + character) > 42) {
      words.push(word);
      word = '';
    }
    word += character;
  }
  return [...words, word].map((each) => `=?utf-8?B?${Buffer.from(each).toString('base64')}?=`).join('\r\n ');
}

function inBase64(bytes: Buffer): string {
  return (bytes.toString('base64').match(/.{1,76}/g) ?? []).join('\r\n');
}
