// Every reply that sealpost itself says, each with its code, enhanced code, text and source or reason: what an administrator
// reads in the log of Postfix stands here. What a next hop says is passed on as it is,
// for each recipient, over LMTP; where one reply is for all, by delivery/answer.ts. What sealpost-pipe prints in place of a
// reply stands in filters/pipe/reasons.ts.
//
// Codes: RFC 5321, section 4.2.3; enhanced codes: RFC 3463 and the registry of RFC 5248. 4xx: Postfix keeps the mail and tries
// again; 5xx: it returns the mail to its sender.
import type { RefusalAction, RefusalReason } from '../config/refusal-texts.ts';
import { reply } from './replies.ts';
import type { Reply } from './types.ts';

// ---- To a client, while it talks (RFC 5321, section 4.1.1; LMTP: RFC 2033) ----

export const OK = reply(250, '2.0.0', 'Ok');
export const SENDER_OK = reply(250, '2.1.0', 'Ok');
export const RECIPIENT_OK = reply(250, '2.1.5', 'Ok');
/** RFC 5321, section 4.1.1.10. */
export const BYE = reply(221, '2.0.0', 'Bye');
/** RFC 5321, section 4.1.1.4; 3xx carries no enhanced code (RFC 2034). */
export const START_DATA = reply(354, '', 'End data with <CR><LF>.<CR><LF>');

/** RFC 5321, section 3.8: 421 ends the connection. The administrator stops sealpost, or closes this listener. */
export const SHUTTING_DOWN = reply(421, '4.3.2', 'Service shutting down');
/** filter.max_connections. */
export const TOO_MANY_CONNECTIONS = reply(421, '4.3.2', 'Too many connections');
/** filter.idle_timeout. */
export const IDLE_TOO_LONG = reply(421, '4.4.2', 'Timeout: nothing received for too long');
/** As Postfix does at smtpd_hard_error_limit. */
export const TOO_MANY_ERRORS = reply(421, '4.7.0', 'Too many errors');
/** A fault of ours, in a command or in a delivery: the client keeps the mail. */
export const COMMAND_FAILED = reply(451, '4.3.0', 'Internal error, try again later');

/** RFC 5321, section 4.5.3.1.4, bounds command lines. */
export const LINE_TOO_LONG = reply(500, '5.5.2', 'Line too long');
export const UNKNOWN_COMMAND = reply(500, '5.5.2', 'Command not recognised');
/** RFC 5321, section 4.2.4. */
export const NOT_IMPLEMENTED = reply(502, '5.5.1', 'Command not implemented');
/** RFC 2033, section 4.1: LMTP knows no HELO and EHLO, SMTP no LHLO. */
export const USE_LHLO = reply(500, '5.5.1', 'This is LMTP: use LHLO');
export const USE_EHLO = reply(500, '5.5.1', 'This is SMTP: use EHLO');

/** 503, bad sequence of commands: RFC 5321, section 4.1.4. */
export const LHLO_FIRST = reply(503, '5.5.1', 'Send LHLO first');
export const EHLO_FIRST = reply(503, '5.5.1', 'Send EHLO first');
export const MAIL_FIRST = reply(503, '5.5.1', 'Need MAIL command');
export const NESTED_MAIL = reply(503, '5.5.1', 'Nested MAIL command');
export const NO_RECIPIENTS = reply(503, '5.5.1', 'No valid recipients');
/** XFORWARD_README: between transactions only. */
export const XFORWARD_TOO_LATE = reply(503, '5.5.1', 'A mail transaction is in progress');
export const XFORWARD_FORBIDDEN = reply(
  550,
  '5.7.0',
  'Insufficient authorisation: see filter.xforward_hosts',
);

/** 501, a parameter that is wrong: the client speaks another protocol, or is broken. */
export const DATA_SYNTAX = reply(501, '5.5.4', 'Syntax: DATA');
export const helloSyntax = (verb: string): Reply => reply(501, '5.5.4', `Syntax: ${verb} hostname`);
export const mailSyntax = (problem: string): Reply =>
  reply(501, '5.5.4', `Syntax: MAIL FROM:<address>: ${problem}`);
export const rcptSyntax = (problem: string): Reply =>
  reply(501, '5.5.4', `Syntax: RCPT TO:<address>: ${problem}`);
export const xforwardSyntax = (problem: string): Reply => reply(501, '5.5.4', `Bad XFORWARD: ${problem}`);
export const badParameter = (keyword: string): Reply =>
  reply(501, '5.5.4', `Bad value for parameter ${keyword}`);
export const EMPTY_RECIPIENT = reply(501, '5.1.3', 'The recipient is empty');
/** RFC 5321, section 4.1.1.11: what cannot be passed on must be refused. */
export const unsupportedParameter = (keyword: string): Reply =>
  reply(555, '5.5.4', `Unsupported parameter: ${keyword.slice(0, 40)}`);

/** filter.max_recipients; RFC 5321, section 4.5.3.1.10: the client sends the rest in another transaction. */
export const TOO_MANY_RECIPIENTS = reply(452, '4.5.3', 'Too many recipients');
/** filter.memory_budget. */
export const NO_STORAGE = reply(
  452,
  '4.3.1',
  'Insufficient system storage: too many message bytes in flight, try again later',
);
/** filter.max_message_size, in bytes; RFC 1870, section 6. */
export const messageTooLarge = (maxSize: number): Reply =>
  reply(552, '5.3.4', `Message size exceeds the limit of ${maxSize} bytes`);
/** filter.bare_newline = "reject"; RFC 5321, section 2.3.8. */
export const BARE_NEWLINE = reply(
  550,
  '5.5.2',
  'Message contains bare <CR> or <LF>; lines must end in <CR><LF>',
);

// ---- Why a letter waits, or comes back: what the plan says of a recipient ----

/** The same code as Postfix's own for too deep a nesting. */
export const ALIAS_LOOP = reply(
  451,
  '4.4.6',
  'The alias of this recipient is a loop; see "sealpost alias list"',
);
/** 4.1.3: the address is no clear one (RFC 3463, section 3.2). */
export const readerUnclear = (because: string): Reply =>
  reply(451, '4.1.3', `Whose address this is cannot be told: ${because}`);
/** 4.2.4: mailing list expansion problem. */
export const ALIAS_WITHOUT_TARGETS = reply(
  451,
  '4.2.4',
  'The alias of this recipient has no targets; see "sealpost alias list"',
);
/** One copy for several readers would show plaintext to one, or the others' names to each. */
export const readersDiffer = (how: string): Reply =>
  reply(
    451,
    '4.7.5',
    `The readers of this alias cannot share one copy: ${how}; Postfix must expand it before the filter`,
  );
/** Never "no key": absence is not failure. */
export const DIRECTORY_AWAY = reply(451, '4.4.3', 'The key directory cannot be reached now; try again later');
/** A fault of ours, not of the mail's. */
export const NOT_DECIDED = reply(
  451,
  '4.3.0',
  'What becomes of this mail could not be decided; it stays queued and will be tried again',
);
/** Keys that came after the backup are missing: what has none now may have had one. */
export const NOT_ACCEPTED = reply(
  450,
  '4.7.5',
  'This server was restored from a backup, which may lack the key of this recipient; the mail waits',
);
/** An administrator's rule with the action reject. */
export const RULE_REFUSES = reply(550, '5.7.1', 'A rule of this recipient refuses this message');
/** A rule that seals leaves plaintext no way out. */
export const RULE_NEEDS_KEY = reply(
  450,
  '4.7.5',
  'A rule seals this message, and no usable key of this recipient is known',
);

/** X.7.5: cryptographic failure. It waits for a key, or is refused for the want of one, as a setting says. */
function withoutKey(action: 'defer' | 'reject', text: string): Reply {
  return action === 'defer' ? reply(450, '4.7.5', text) : reply(550, '5.7.5', text);
}

/** on_missing_key. */
export const noKey = (action: 'defer' | 'reject'): Reply =>
  withoutKey(action, 'No OpenPGP key is known for this recipient, and mail is not stored unencrypted here');
/** on_expired_key and on_unusable_key. @param state such as `expired` */
export const noUsableKey = (action: 'defer' | 'reject', state: string): Reply =>
  withoutKey(action, `Every OpenPGP key or S/MIME certificate of this recipient is ${state}`);

// ---- Why a letter waits, or comes back: what befell its delivery ----

/** Whoever wrote it, and whatever came of it: the answer tells of nobody. */
export const KEY_LETTER_READ = reply(250, '2.0.0', 'Ok: the letter was read for keys');
/** A fault of ours at the key address: the letter comes again. */
export const KEY_LETTER_NOT_READ = reply(
  451,
  '4.3.0',
  'The letter could not be read for keys; try again later',
);
/** Sealing itself failed: never plaintext instead. */
export const SEALING_FAILED = reply(
  451,
  '4.7.5',
  'Encryption failed; the mail stays queued and will be tried again',
);
/** filter.max_received Received fields. */
export const TOO_MANY_HOPS = reply(554, '5.4.6', 'Too many hops: the message is in a loop');
/** Without the memory of deliveries a retry could be a duplicate. */
export const DATABASE_AWAY = reply(451, '4.3.0', 'The database cannot be reached now; try again later');
/** Another process, or a late reply of the next hop, has the recipient in hand: to send now could double the mail. */
export const UNDER_WAY = reply(451, '4.3.0', 'An earlier attempt to deliver this message has not ended yet');
/** The same, at another node, or in another worker while there are several nodes. */
export const UNDER_WAY_ELSEWHERE = reply(
  451,
  '4.3.0',
  'Another node or worker is delivering this message; what came of it is known at the next attempt',
);
/** Another node may have taken the message over: what was begun is not finished here. */
export const CLAIM_LOST = reply(
  451,
  '4.3.0',
  'This node was cut off from the database for too long; the mail stays queued and will be tried again',
);
/** Until the other nodes have seen this one. */
export const NOT_JOINED = reply(
  451,
  '4.3.0',
  'This node waits until the other nodes know of it; try again later',
);
export const TOO_MANY_LARGE = reply(451, '4.3.2', 'Too many large messages at once; the mail stays queued');
/** A fault of ours. */
export const INTERNAL_ERROR = reply(
  451,
  '4.3.0',
  'Internal error; the mail stays queued and will be tried again',
);
/** An earlier attempt was accepted. @param text of the next hop's reply then; '' where it said nothing */
export const deliveredBefore = (text: string): Reply =>
  reply(250, '2.0.0', text === '' ? 'Delivered before' : text);
export const NO_RECIPIENT_HAS_AN_OUTCOME = reply(451, '4.3.0', 'no recipient has an outcome');
/** One reply for all recipients: a success is owed only once the sender has been told of the refused ones. */
export const BOUNCE_NOT_DELIVERED = reply(
  451,
  '4.3.0',
  'A recipient was refused, and the bounce could not be delivered yet',
);
export const BOUNCE_WITHOUT_OUTCOME = reply(451, '4.3.0', 'The bounce has no outcome');
/** One reply for all, made of one recipient's: always 451, since 421 would close the connection. */
export const oneForAll = ({ enhanced, text }: Reply): Reply =>
  reply(451, enhanced.startsWith('4') ? enhanced : '4.3.0', text);

// ---- What befell it at the next hop, `name`; `what` is the command ----

export const cannotConnect = (name: string, detail: string): Reply =>
  reply(451, '4.4.1', `Cannot connect to ${name}: ${detail}`);
/** It refuses us before any mail: misconfigured or busy, so the mail waits even for a 5xx. @param said its reply, on one line */
export const unwilling = (name: string, what: string, said: string): Reply =>
  reply(451, '4.3.0', `${name} refuses to talk to us in ${what}: ${said}`);
export const connectionLost = (name: string, what: string, detail: string): Reply =>
  reply(451, '4.4.2', `Lost connection with ${name} in ${what}: ${detail}`);
export const connectionTimedOut = (name: string, what: string, detail: string): Reply =>
  reply(451, '4.4.2', `Timeout with ${name} in ${what}: ${detail}`);
export const protocolError = (name: string, what: string, detail: string): Reply =>
  reply(451, '4.3.0', `Protocol error with ${name} in ${what}: ${detail}`);
/** filter.transaction_deadline. */
export const noTimeLeft = (name: string): Reply =>
  reply(451, '4.4.2', `No time is left to send the message to ${name}`);
export const noOutcome = (name: string): Reply => reply(451, '4.3.0', `No outcome from ${name}`);
/** filter.next_hop_connections. */
export const connectionsBusy = (name: string, most: number): Reply =>
  reply(451, '4.4.5', `All ${most} connections to ${name} are busy`);
export const connectionsClosing = (name: string): Reply =>
  reply(451, '4.3.2', `The connections to ${name} are being closed`);
/** A path that came over SMTP is always sendable; one that is not is a fault of ours, and the mail waits. */
export const UNSENDABLE_PATH = reply(451, '4.3.0', 'An envelope address cannot be written in a command');
/** RFC 1870, section 6. In bytes. */
export const tooLargeForNextHop = (name: string, size: number, limit: number): Reply =>
  reply(552, '5.3.4', `Message of ${size} bytes exceeds the limit of ${limit} bytes at ${name}`);
/** RFC 6152, section 3: 8-bit content may not go where nobody announces it. */
export const needsEightBit = (name: string): Reply =>
  reply(554, '5.6.3', `Message contains 8-bit data, and ${name} does not announce 8BITMIME`);
/** RFC 6531, section 3.2. */
export const needsUtf8 = (name: string): Reply =>
  reply(553, '5.6.7', `Message needs SMTPUTF8, and ${name} does not announce it`);

// ---- From sendmail(1) in the next hop's place: sysexits ----

export const HANDED_TO_SENDMAIL = reply(250, '2.0.0', 'handed to sendmail');
/** EX_DATAERR. */
export const SENDMAIL_REFUSED = reply(554, '5.6.0', 'sendmail refused the message (exit code 65)');
/** EX_NOUSER. */
export const SENDMAIL_KNOWS_NOBODY = reply(
  550,
  '5.1.1',
  'sendmail does not know the recipient (exit code 67)',
);
/** Any other: Postfix's sendmail(1) has one for a full disk and a too large message alike. */
export const sendmailFailed = (code: number): Reply =>
  reply(451, '4.3.0', `sendmail ended with exit code ${code}`);
export const sendmailKilled = (signal: string | null): Reply =>
  reply(451, '4.3.0', `sendmail was ended by ${signal}`);
export const SENDMAIL_TOO_EARLY = reply(451, '4.3.0', 'sendmail ended before it had read the message');
export const SENDMAIL_TOO_LATE = reply(451, '4.4.1', 'sendmail did not end in time');
export const sendmailNotFound = (code: string): Reply =>
  reply(451, '4.3.5', `the program of pipe.sendmail cannot be run (${code})`);
export const NO_SENDMAIL_ARGUMENT = reply(
  451,
  '4.3.5',
  'an address cannot be written as an argument of sendmail',
);

// ---- From the receiver's queue ----

export const QUEUED = reply(250, '2.0.0', 'Queued');
/** An earlier attempt was committed. */
export const QUEUED_BEFORE = reply(250, '2.0.0', 'Queued before');
/** A full mailbox in the queue: it is emptied when its user fetches, so the mail waits. */
export const QUEUE_FULL = reply(452, '4.2.2', 'The queue of this recipient is full');
export const NO_SUCH_RECIPIENT = reply(550, '5.1.1', 'No such recipient here');
export const RECIPIENT_REMOVED = reply(
  451,
  '4.3.0',
  'The recipient was removed while the message was sealed; try again',
);
/** The queue has no way out for plaintext, and none to another server. */
export const READER_OUTSIDE = reply(
  451,
  '4.3.5',
  'The alias leads to an address without a queue here; Postfix must expand it before (virtual_alias_maps)',
);
export const NOTHING_QUEUED_UNSEALED = reply(
  450,
  '4.7.5',
  'This mail cannot be sealed now, and nothing is queued unsealed here',
);
export const FILE_UNREADABLE = reply(451, '4.3.0', 'The message could not be read');
export const FILE_FAILED = reply(451, '4.3.0', 'Internal error; the mail will be tried again');
/** In the bounce of a spool file that waited for too long. */
export const givenUp = (last: Reply, hours: number): Reply => ({
  ...last,
  text: `${last.text} (given up after ${hours} hours)`,
});

// ---- In the answers of the policy daemons, which Postfix makes its replies of (access(5), transport(5)) ----

/** Enhanced codes with the action reject and defer, and what is said and done where the domain says nothing else. */
export interface RecipientRefusal {
  readonly reject: string;
  readonly defer: string;
  readonly text: string;
  readonly action: RefusalAction;
}
/** check_recipient: an address that nobody has, a disabled mailbox, a full one. */
export const RECIPIENT_REFUSALS: Readonly<Record<RefusalReason, RecipientRefusal>> = {
  unknown: { reject: '5.1.1', defer: '4.1.1', text: 'No such recipient here', action: 'reject' },
  disabled: { reject: '5.2.1', defer: '4.2.1', text: 'This mailbox is disabled', action: 'reject' },
  over_quota: {
    reject: '5.2.2',
    defer: '4.2.2',
    text:
      "Sorry, your message cannot be delivered because the recipient's mailbox is full. " +
      'If you can contact them another way, you may wish to tell them of this problem.',
    action: 'defer',
  },
};
/** Why a lookup has no answer now. */
export const LOOKUP_FAILED = {
  aliasLoop: '4.4.6',
  notReached: '4.4.3',
  internal: '4.3.0',
  restored: '4.7.5',
} as const;
/** What DEFER says then. */
export const NOT_CHECKED = 'The recipient cannot be checked now; try again later';
/** Never an empty action: Postfix permits on one. */
export const EMPTY_ACTION = 'DEFER 4.3.0 Internal error';
