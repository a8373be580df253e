// What sealpost-pipe itself says of a call that fails, each with its enhanced code (RFC 3463): the line that pipe(8) takes, and
// that the log of Postfix, or a bounce, shows. 4.x: the mail stays queued. What the daemon says is passed on as it is, and stands
// in src/smtp/our-replies.ts. None of them tells of an address, since all recipients of a call share one line.

/** One reason. */
export interface Reason {
  readonly enhanced: string;
  readonly sentence: string;
}

function reason(enhanced: string, sentence: string): Reason {
  return { enhanced, sentence };
}

// ---- The call, and what was configured: X.3.5, system incorrectly configured ----

export const wrongUsage = (because: string, usage: string): Reason =>
  reason('4.3.5', `wrong usage: ${because}; expected: ${usage}`);
/** @param sentence about the file, the key and what is wrong with it */
export const badConfiguration = (sentence: string): Reason => reason('4.3.5', sentence);
export const WRONG_CONFIGURATION = reason('4.3.5', 'sealpost.toml is wrong; see "sealpost config check"');
export const NO_LISTENER = reason('4.3.5', 'there is no listener with protocol = "lmtp"');
export const NO_MESSAGE = reason('4.3.5', 'there is no message on standard input');
export const PACKAGE_INCOMPLETE = reason(
  '4.3.5',
  'the whole sealpost package is needed to work without "sealpost serve"',
);
export const NOT_MIGRATED = reason('4.3.5', 'the database is not migrated; run "sealpost migrate"');

// ---- The message ----

/** filter.max_message_size; returned at once, since it grows no smaller. */
export const TOO_LARGE = reason('5.3.4', 'the message is larger than filter.max_message_size');

// ---- The daemon, and what it stands on ----

export const unreachable = (where: string, problem: string): Reason =>
  reason('4.4.1', `sealpost serve cannot be reached at ${where}: ${problem}`);
export const noGreeting = (where: string): Reason =>
  reason('4.4.2', `sealpost serve at ${where} does not greet`);
export const connectionClosed = (where: string): Reason =>
  reason('4.4.2', `sealpost serve at ${where} closed the connection before its reply`);
/** X.5.0: the protocol itself. */
export const noLmtp = (where: string, violation: string): Reason =>
  reason('4.5.0', `sealpost serve at ${where} does not speak LMTP: ${violation}`);
export const unexpectedReply = (code: number | undefined): Reason =>
  reason('4.5.0', `sealpost answered ${code ?? 'nothing'}, which was not expected`);
export const TOO_FEW_REPLIES = reason('4.5.0', 'sealpost gave too few replies');
/** Where its reply has no text. */
export const NOT_READY = 'sealpost is not ready; try again later';
export const SHUTTING_DOWN = 'sealpost is shutting down';
export const DATABASE_AWAY = reason('4.3.0', 'the database cannot be reached; see "sealpost status"');

// ---- The end ----

/** pipe.deadline. */
export const NOT_IN_TIME = reason('4.4.1', 'not delivered within pipe.deadline; the mail stays queued');
export const stoppedBy = (signal: string): Reason =>
  reason('4.3.0', `stopped by ${signal}; the mail stays queued`);
/** A fault of ours. @param name of the error; its text could tell of the mail */
export const internalError = (name: string): Reason =>
  reason('4.3.0', `internal error (${name}); see the log of sealpost`);
/** A success is owed only once the sender has been told of the refused recipients. */
export const BOUNCE_NOT_DELIVERED = reason(
  '4.3.0',
  'a recipient was refused, and the bounce could not be delivered yet',
);
/** A reply of the daemon, without addresses. */
export const temporaryFor = (enhanced: string, text: string): Reason =>
  reason(enhanced, text || 'the mail stays queued; it is tried again later');
/** Some recipients of a bounce: nobody is to be told (RFC 5321, section 6.1). */
export const nobodyToTell = (refused: number, recipients: number): Reason =>
  reason('2.0.0', `${refused} of ${recipients} recipients refused; the null sender gets no bounce`);
/** @param code what is true of every recipient; @param text what was said to each of them, '' where that differs */
export const allRefused = (code: string, text: string, recipients: number): Reason =>
  reason(
    code,
    text || (recipients === 1 ? 'the recipient was refused' : `all ${recipients} recipients were refused`),
  );
