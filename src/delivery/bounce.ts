// The delivery status notification (RFC 3464) for recipients that were refused while others were accepted. It returns the
// original's header only: a bounce is plaintext on its way, so no byte of the body may be in it.
import { rfc5322Date } from '../message/date-time.ts';
import type { RawPath, Reply } from '../smtp/types.ts';

/** One refused recipient. */
export interface RefusedRecipient {
  readonly recipient: RawPath;
  /** The value of ORCPT as the client sent it (`rfc822;user+40example.org`), xtext undecoded. */
  readonly originalRecipient?: string;
  readonly reply: Reply;
}

export interface BounceInput {
  /** Our host name: the Reporting-MTA, and the domain of MAILER-DAEMON. */
  readonly reportingMta: string;
  /** The envelope sender of the refused message; never the null sender. */
  readonly sender: RawPath;
  readonly queueId: string;
  readonly refused: readonly RefusedRecipient[];
  /** The value of ENVID as the client sent it, xtext undecoded; absent: none was given. */
  readonly originalEnvelopeId?: string | undefined;
  /** The refused message's Message-ID without brackets, for References; '' or absent: none. */
  readonly originalMessageId?: string;
  /** The raw header of the refused message, without the empty line. */
  readonly originalHeader: Uint8Array;
  readonly date: Date;
  /** Must not occur in the header; callers pass digits that nobody can choose. */
  readonly boundary: string;
}

/**
 * Builds the notification as a complete message with CRLF line ends, to be sent from `<>` to `input.sender`.
 * Sources: RFC 3464 (fields), RFC 3461, section 6.3 (ENVID and ORCPT), RFC 6522 (multipart/report), RFC 3834 (Auto-Submitted).
 */
export function buildBounce(input: BounceInput): Buffer {
  const host = input.reportingMta;
  const lines = [
    `From: MAILER-DAEMON@${host} (Mail Delivery System)`,
    `To: <${inField(input.sender)}>`,
    'Subject: Undelivered Mail Returned to Sender',
    `Date: ${rfc5322Date(input.date)}`,
    `Message-ID: <${input.boundary}@${host}>`,
    ...referencesTo(input.originalMessageId ?? ''),
    'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="${input.boundary}"`,
    '',
    `--${input.boundary}`,
    'Content-Description: Notification',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    `This is the mail system at host ${host}.`,
    '',
    'Your message could not be delivered to one or more recipients. The header of',
    'the message is attached; its body is not returned.',
    '',
    ...input.refused.flatMap((refused) => [
      `<${inField(refused.recipient)}>: ${diagnostic(refused.reply)}`,
      '',
    ]),
    `--${input.boundary}`,
    'Content-Description: Delivery report',
    'Content-Type: message/delivery-status',
    '',
    ...(input.originalEnvelopeId === undefined
      ? []
      : [`Original-Envelope-Id: ${inField(decodeXtext(input.originalEnvelopeId))}`]),
    `Reporting-MTA: dns; ${host}`,
    ...(input.queueId === '' ? [] : [`X-Sealpost-Queue-ID: ${inField(input.queueId)}`]),
    '',
    ...input.refused.flatMap((refused) => [
      `Final-Recipient: rfc822; ${inField(refused.recipient)}`,
      ...(refused.originalRecipient === undefined
        ? []
        : [`Original-Recipient: ${inField(originalRecipient(refused.originalRecipient))}`]),
      'Action: failed',
      `Status: ${refused.reply.enhanced === '' ? '5.0.0' : refused.reply.enhanced}`,
      `Diagnostic-Code: smtp; ${diagnostic(refused.reply)}`,
      '',
    ]),
    `--${input.boundary}`,
    'Content-Description: Undelivered Message Headers',
    'Content-Type: text/rfc822-headers',
    'Content-Transfer-Encoding: 8bit',
    '',
    '',
  ];
  return Buffer.concat([
    Buffer.from(lines.join('\r\n'), 'utf8'),
    withoutTrailingNewlines(input.originalHeader),
    Buffer.from(`\r\n\r\n--${input.boundary}--\r\n`, 'latin1'),
  ]);
}

/** RFC 5322, section 3.6.4; nothing that would not fit into one line, or is no identifier. */
function referencesTo(messageId: string): string[] {
  return /^[!-;=?-~]{1,900}$/.test(messageId) ? [`References: <${messageId}>`] : [];
}

/** RFC 3464, section 2.3.1: the address as the sender gave it. That of RFC 6533, section 3, is no xtext, and stays. */
function originalRecipient(orcpt: string): string {
  const [, type = '', address = ''] = /^([^;]*);(.*)$/s.exec(orcpt) ?? [];
  return `${type}; ${/^utf-8$/i.test(type) ? address : decodeXtext(address)}`;
}

/** RFC 3461, section 4. What would not be printable ASCII stays encoded: a report has nothing else. */
function decodeXtext(text: string): string {
  const decoded = text.replace(/\+([0-9A-F]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  return /^[\x20-\x7e]*$/.test(decoded) ? decoded : text;
}

/** A raw path as text: UTF-8 decoded, control characters replaced. */
function inField(path: string): string {
  return Buffer.from(path, 'latin1')
    .toString('utf8')
    .replace(/[\x00-\x1f\x7f]/g, '?');
}

function diagnostic(reply: Reply): string {
  const text = reply.text.replace(/[\x00-\x1f\x7f]+/g, ' ').slice(0, 500);
  return [String(reply.code), reply.enhanced, text].filter((part) => part !== '').join(' ');
}

function withoutTrailingNewlines(header: Uint8Array): Uint8Array {
  let end = header.length;
  while (end > 0 && (header[end - 1] === 0x0a || header[end - 1] === 0x0d)) end -= 1;
  return header.subarray(0, end);
}
