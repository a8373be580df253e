// The nouns of a mail transaction, as both filters and the next-hop client use them (RFC 5321, RFC 2033, RFC 3461).
import type { NextHop } from '../config/units.ts';

/**
 * A path as the client sent it, without the angle brackets: '' is the null sender. One character per byte (latin1), so
 * that UTF-8 and anything else comes out exactly as it went in.
 */
export type RawPath = string;

/** An ESMTP parameter of MAIL or RCPT as the client wrote it, such as `RET=HDRS`; value undecoded. */
export interface EsmtpParameter {
  /** Upper case. */
  readonly keyword: string;
  /** undefined for a bare keyword such as SMTPUTF8. */
  readonly value: string | undefined;
}

export interface EnvelopeRecipient {
  readonly path: RawPath;
  readonly parameters: readonly EsmtpParameter[];
}

export interface Envelope {
  readonly sender: RawPath;
  readonly parameters: readonly EsmtpParameter[];
  readonly recipients: readonly EnvelopeRecipient[];
}

/** XFORWARD attributes as sent, xtext undecoded (XFORWARD_README); keys in upper case. */
export type Xforward = Readonly<Record<string, string>>;

/** One SMTP reply: code, enhanced status code (RFC 3463) and text, which may have several lines. */
export interface Reply {
  readonly code: number;
  /** Such as `2.1.5`; '' where the reply carries none. */
  readonly enhanced: string;
  /** Without code and enhanced code; lines separated by \n. Printable ASCII or UTF-8 only. */
  readonly text: string;
}

/** 2xx, 4xx and 5xx as what they mean for the recipient. */
export type ReplyClass = 'accepted' | 'temporary' | 'permanent';

/** One transaction as a filter received it: what has to be delivered, and to whom. */
export interface Transaction {
  /** For logs: unique in this process. */
  readonly id: string;
  /** The name of the listener that it came in by. */
  readonly listener?: string;
  /** The name that the client gave in HELO, EHLO or LHLO. */
  readonly client?: string;
  readonly envelope: Envelope;
  readonly xforward: Xforward;
  /** The message as received: dot-stuffing undone, the final dot removed. */
  readonly message: Buffer;
  /** Unix milliseconds by which our reply must be out. */
  readonly deadline: number;
  /** Where its listener sends mail; absent: where `filter.next_hop` says. */
  readonly nextHop?: NextHop;
  /**
   * Of a message of our own, which is made anew for every attempt: what makes two of them the same (SHA-256 in hexadecimal),
   * in place of queue ID, Message-ID and content.
   */
  readonly identity?: string;
  /** Of a notification of non-delivery: the message that it tells of, whose story it belongs to. */
  readonly reportsOn?: { readonly queueId: string; readonly messageId: string };
}
