// What has been said so far on a connection: hello, XFORWARD, MAIL and RCPT, and the reply that each of them gets. It
// knows no socket. Every path and parameter is kept as the client wrote it.
import type { FilterConfig } from '../../config/schema.ts';
import {
  EHLO_FIRST,
  EMPTY_RECIPIENT,
  helloSyntax,
  LHLO_FIRST,
  MAIL_FIRST,
  mailSyntax,
  NESTED_MAIL,
  NO_STORAGE,
  OK,
  RECIPIENT_OK,
  rcptSyntax,
  SENDER_OK,
  TOO_MANY_RECIPIENTS,
  USE_EHLO,
  USE_LHLO,
  XFORWARD_FORBIDDEN,
  XFORWARD_TOO_LATE,
  xforwardSyntax,
} from '../our-replies.ts';
import type { EnvelopeRecipient, EsmtpParameter, RawPath, Reply, Xforward } from '../types.ts';
import type { Admission, Lease } from './budget.ts';
import { parseAddressed, parseXforward, XFORWARD_ATTRIBUTES } from './commands.ts';
import { checkMailParameters, checkRcptParameters, declaredSize } from './parameters.ts';

export type Hello = 'LHLO' | 'EHLO' | 'HELO';

/** Between MAIL and the reply to the final dot. */
export interface OpenTransaction {
  readonly sender: RawPath;
  readonly parameters: readonly EsmtpParameter[];
  readonly recipients: EnvelopeRecipient[];
  readonly lease: Lease;
  /** SIZE, or 0. */
  readonly declared: number;
  /** Bytes of content so far. */
  received: number;
  /** Bytes of the memory budget so far. */
  held: number;
}

export interface DialogueOptions {
  readonly protocol: 'lmtp' | 'smtp';
  /** The configuration of this moment. */
  readonly config: () => FilterConfig;
  readonly admission: Admission;
  /** Whether this client may send XFORWARD. */
  readonly mayForward: boolean;
}

export interface Dialogue {
  /** @returns the lines of the reply as they go over the wire, or a refusal */
  hello(verb: Hello, name: string, hostname: string): string | Reply;
  xforward(argument: string): Reply;
  mail(argument: string): Reply;
  rcpt(argument: string): Reply;
  /** Ends the transaction and gives its memory back. XFORWARD counts for one transaction only (XFORWARD_README). */
  reset(): void;
  readonly open: OpenTransaction | null;
  readonly attributes: Xforward;
  /** The name in the last hello; '' before it. */
  readonly client: string;
}

export function createDialogue({ protocol, config, admission, mayForward }: DialogueOptions): Dialogue {
  let client = '';
  let open: OpenTransaction | null = null;
  let attributes: Record<string, string> = {};
  const helloFirst = protocol === 'lmtp' ? LHLO_FIRST : EHLO_FIRST;

  function reset(): void {
    open?.lease.release();
    open = null;
    attributes = {};
  }

  return {
    get open() {
      return open;
    },
    get attributes() {
      return attributes;
    },
    get client() {
      return client;
    },
    reset,
    hello(verb, name, hostname) {
      if ((protocol === 'lmtp') !== (verb === 'LHLO')) {
        // RFC 2033, section 4.1.
        return protocol === 'lmtp' ? USE_LHLO : USE_EHLO;
      }
      if (name === '' || /[\x00-\x1f\x7f]/.test(name)) return helloSyntax(verb);
      client = name;
      reset();
      if (verb === 'HELO') return `250 ${hostname}\r\n`;
      const lines = [
        hostname,
        'PIPELINING',
        `SIZE ${config().max_message_size}`,
        '8BITMIME',
        'SMTPUTF8',
        'DSN',
      ];
      lines.push('ENHANCEDSTATUSCODES');
      if (mayForward) lines.push(`XFORWARD ${XFORWARD_ATTRIBUTES.join(' ')}`);
      return lines.map((line, at) => `250${at === lines.length - 1 ? ' ' : '-'}${line}\r\n`).join('');
    },
    xforward(argument) {
      if (!mayForward) return XFORWARD_FORBIDDEN;
      if (client === '') return helloFirst;
      if (open !== null) return XFORWARD_TOO_LATE;
      const parsed = parseXforward(argument);
      if (typeof parsed === 'string') return xforwardSyntax(parsed);
      Object.assign(attributes, parsed);
      return OK;
    },
    mail(argument) {
      if (client === '') return helloFirst;
      if (open !== null) return NESTED_MAIL;
      const parsed = parseAddressed(argument, 'FROM');
      if (typeof parsed === 'string') return mailSyntax(parsed);
      const refusal = checkMailParameters(parsed, config().max_message_size);
      if (refusal !== null) return refusal;
      const declared = declaredSize(parsed.parameters) ?? 0;
      // What is only announced takes no room: clients that say MAIL and wait would have all of it.
      const lease = admission.fits(declared) ? admission.request(0) : null;
      if (lease === null) return NO_STORAGE;
      const { path, parameters } = parsed;
      open = { sender: path, parameters, recipients: [], lease, declared, received: 0, held: 0 };
      return SENDER_OK;
    },
    // Every RCPT is a recipient of its own, the same path twice included: LMTP owes each one a reply.
    rcpt(argument) {
      if (open === null) return MAIL_FIRST;
      const parsed = parseAddressed(argument, 'TO');
      if (typeof parsed === 'string') return rcptSyntax(parsed);
      if (parsed.path === '') return EMPTY_RECIPIENT;
      const refusal = checkRcptParameters(parsed);
      if (refusal !== null) return refusal;
      if (open.recipients.length >= config().max_recipients) return TOO_MANY_RECIPIENTS;
      open.recipients.push(parsed);
      return RECIPIENT_OK;
    },
  };
}
