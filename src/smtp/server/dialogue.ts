// What has been said so far on a connection: hello, XFORWARD, MAIL and RCPT, and the reply that each of them gets. It
// knows no socket. Every path and parameter is kept as the client wrote it.
import type { FilterConfig } from '../../config/schema.ts';
import { reply } from '../replies.ts';
import type { EnvelopeRecipient, EsmtpParameter, RawPath, Reply, Xforward } from '../types.ts';
import type { Admission, Lease } from './budget.ts';
import { parseAddressed, parseXforward, XFORWARD_ATTRIBUTES } from './commands.ts';
import { NO_STORAGE } from './content-refusal.ts';
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

const OK = reply(250, '2.0.0', 'Ok');

export function createDialogue({ protocol, config, admission, mayForward }: DialogueOptions): Dialogue {
  let client = '';
  let open: OpenTransaction | null = null;
  let attributes: Record<string, string> = {};
  const helloFirst = reply(503, '5.5.1', `Send ${protocol === 'lmtp' ? 'LHLO' : 'EHLO'} first`);

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
        return reply(500, '5.5.1', protocol === 'lmtp' ? 'This is LMTP: use LHLO' : 'This is SMTP: use EHLO');
      }
      if (name === '' || /[\x00-\x1f\x7f]/.test(name)) return reply(501, '5.5.4', `Syntax: ${verb} hostname`);
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
      if (!mayForward) return reply(550, '5.7.0', 'Insufficient authorisation: see filter.xforward_hosts');
      if (client === '') return helloFirst;
      if (open !== null) return reply(503, '5.5.1', 'A mail transaction is in progress');
      const parsed = parseXforward(argument);
      if (typeof parsed === 'string') return reply(501, '5.5.4', `Bad XFORWARD: ${parsed}`);
      Object.assign(attributes, parsed);
      return OK;
    },
    mail(argument) {
      if (client === '') return helloFirst;
      if (open !== null) return reply(503, '5.5.1', 'Nested MAIL command');
      const parsed = parseAddressed(argument, 'FROM');
      if (typeof parsed === 'string') return reply(501, '5.5.4', `Syntax: MAIL FROM:<address>: ${parsed}`);
      const refusal = checkMailParameters(parsed, config().max_message_size);
      if (refusal !== null) return refusal;
      const declared = declaredSize(parsed.parameters) ?? 0;
      const lease = admission.request(declared);
      if (lease === null) return NO_STORAGE;
      const { path, parameters } = parsed;
      open = { sender: path, parameters, recipients: [], lease, declared, received: 0 };
      return reply(250, '2.1.0', 'Ok');
    },
    // Every RCPT is a recipient of its own, the same path twice included: LMTP owes each one a reply.
    rcpt(argument) {
      if (open === null) return reply(503, '5.5.1', 'Need MAIL command');
      const parsed = parseAddressed(argument, 'TO');
      if (typeof parsed === 'string') return reply(501, '5.5.4', `Syntax: RCPT TO:<address>: ${parsed}`);
      if (parsed.path === '') return reply(501, '5.1.3', 'The recipient is empty');
      const refusal = checkRcptParameters(parsed);
      if (refusal !== null) return refusal;
      if (open.recipients.length >= config().max_recipients)
        return reply(452, '4.5.3', 'Too many recipients');
      open.recipients.push(parsed);
      return reply(250, '2.1.5', 'Ok');
    },
  };
}
