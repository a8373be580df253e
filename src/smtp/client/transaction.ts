// One mail transaction with the next hop: MAIL, RCPT and DATA in one go where it allows that, and an outcome for every
// recipient whatever happens (RFC 5321; pipelining: RFC 2920; one reply per recipient: RFC 2033).
import { setImmediate as nextTurn } from 'node:timers/promises';
import { dotStuffed, finalDot } from '../dot-stuff.ts';
import { connectionLost, connectionTimedOut, noOutcome, noTimeLeft, protocolError } from '../our-replies.ts';
import { classOf, formatReply } from '../replies.ts';
import type { Reply, ReplyClass } from '../types.ts';
import type { Answer, Channel, ChannelFailure } from './channel.ts';
import type { TransactionCommands } from './extensions.ts';

/** The step at which a recipient's outcome was decided. */
export type Stage = 'connect' | 'greeting' | 'mail' | 'rcpt' | 'data' | 'end-of-data';

export interface RecipientResult {
  readonly reply: Reply;
  readonly class: ReplyClass;
  readonly stage: Stage;
}

/** A reply that came after the deadline. */
export interface LateResult {
  /** The recipient's index in the envelope. */
  readonly index: number;
  readonly reply: Reply;
  readonly class: ReplyClass;
}

export interface TransactionRequest {
  readonly protocol: 'smtp' | 'lmtp';
  /** The next hop as a person writes it. */
  readonly name: string;
  readonly pipelining: boolean;
  /** Commands to be said first: RSET after an unfinished transaction. */
  readonly preamble: readonly string[];
  readonly commands: TransactionCommands;
  readonly recipients: number;
  readonly message: readonly Uint8Array[];
  readonly commandTimeoutMs: number;
  /** Unix milliseconds. */
  readonly deadline: number;
  readonly lateMs: number;
  readonly accepted: (index: number, reply: Reply) => void;
}

export interface TransactionOutcome {
  /** One for each recipient of the envelope. */
  readonly results: readonly RecipientResult[];
  /** What the next hop says after the deadline; the connection stays in use until this is settled. */
  readonly late?: Promise<readonly LateResult[]>;
  /** `clean`: may be used again; `unfinished`: after RSET; `done`: not any more. */
  readonly connection: 'clean' | 'unfinished' | 'done';
  /** The next hop closed the connection before it answered anything of this transaction. */
  readonly unanswered: boolean;
}

/** Runs one transaction over an open connection. Never throws. */
export async function runTransaction(
  channel: Channel,
  request: TransactionRequest,
): Promise<TransactionOutcome> {
  const { commands, name, deadline } = request;
  const results = new Map<number, RecipientResult>();
  const open = new Set(commands.rcpts.map((rcpt) => rcpt.index));
  let unanswered = true;

  function decide(index: number, answer: Reply, stage: Stage): void {
    results.set(index, { reply: recipientReply(answer), class: classOf(answer), stage });
    open.delete(index);
  }
  function decideAll(answer: Reply, stage: Stage): void {
    for (const index of [...open]) decide(index, answer, stage);
  }
  function end(
    connection: TransactionOutcome['connection'],
    late?: Promise<readonly LateResult[]>,
  ): TransactionOutcome {
    const missing = noOutcome(name);
    return {
      results: Array.from(
        { length: request.recipients },
        (_, index) => results.get(index) ?? { reply: missing, class: 'temporary', stage: 'mail' },
      ),
      connection,
      unanswered,
      ...(late === undefined ? {} : { late }),
    };
  }
  /** After a failure, or a goodbye: nothing more can be said on this connection. */
  function giveUp(answer: Reply, stage: Stage): TransactionOutcome {
    decideAll(answer, stage);
    channel.destroy();
    return end('done');
  }
  async function ask(command: string, what: string, stage: Stage): Promise<Reply | TransactionOutcome> {
    if (!request.pipelining) channel.write(`${command}\r\n`);
    const answer = await channel.next(Math.min(deadline, Date.now() + request.commandTimeoutMs));
    if ('failure' in answer) {
      if (answer.failure.kind !== 'lost') unanswered = false;
      return giveUp(failureReply(answer.failure, name, what), stage);
    }
    const { code } = answer.reply;
    if (code === 421) return giveUp(answer.reply, stage);
    unanswered = false;
    // From here on it could not be told which reply belongs to which command.
    if (code < 400 && code >= 300 && stage !== 'data')
      return giveUp(unexpected(answer.reply, name, what), stage);
    return answer.reply;
  }

  for (const refusal of commands.refused) decide(refusal.index, refusal.reply, 'mail');
  if (open.size === 0) return end('clean');

  const before = [...request.preamble, ...commands.xforward];
  if (request.pipelining) {
    const group = [...before, commands.mail, ...commands.rcpts.map((rcpt) => rcpt.command), 'DATA', ''];
    channel.write(group.join('\r\n'));
  }
  for (const command of before) {
    // A next hop that refuses XFORWARD or RSET still gets the mail, as from Postfix.
    const answer = await ask(command, command.slice(0, 8).trim(), 'mail');
    if ('results' in answer) return answer;
  }
  const mail = await ask(commands.mail, 'MAIL', 'mail');
  if ('results' in mail) return mail;
  const refusedMail = classOf(mail) === 'accepted' ? null : expectedRefusal(mail, name, 'MAIL');
  if (refusedMail !== null) {
    decideAll(refusedMail, 'mail');
    if (!request.pipelining) return end('unfinished');
  }
  const accepted: number[] = [];
  for (const rcpt of commands.rcpts) {
    const answer = await ask(rcpt.command, 'RCPT', 'rcpt');
    if ('results' in answer) return answer;
    if (classOf(answer) === 'accepted') accepted.push(rcpt.index);
    else if (refusedMail === null) decide(rcpt.index, expectedRefusal(answer, name, 'RCPT'), 'rcpt');
  }
  if (accepted.length === 0 && !request.pipelining) return end('unfinished');

  const data = await ask('DATA', 'DATA', 'data');
  if ('results' in data) return data;
  if (data.code !== 354) {
    if (classOf(data) === 'accepted') return giveUp(unexpected(data, name, 'DATA'), 'data');
    decideAll(expectedRefusal(data, name, 'DATA'), 'data');
    return end('unfinished');
  }
  if (open.size === 0) {
    // It waits for a message that has no recipients: an empty one is sent (RFC 2920, section 3.1). Where it believes to
    // have recipients although MAIL failed, and with LMTP, whose replies would be counted, the connection is given up.
    if (accepted.length > 0 || request.protocol === 'lmtp') {
      channel.destroy();
      return end('done');
    }
    channel.write('.\r\n');
    const answer = await ask('', 'the end of data', 'end-of-data');
    return 'results' in answer ? answer : end('unfinished');
  }

  const interruption = await sendMessage(channel, request);
  if (interruption !== null) return giveUp(interruption, 'data');

  const expected = request.protocol === 'lmtp' ? accepted.map((index) => [index]) : [accepted];
  for (const [position, indices] of expected.entries()) {
    const answer = await channel.next(deadline);
    if ('failure' in answer) {
      const { failure } = answer;
      decideAll(failureReply(failure, name, 'the end of data'), 'end-of-data');
      if (failure.kind === 'timeout')
        return end('done', lateReplies(channel, expected.slice(position), request.lateMs));
      channel.destroy();
      return end('done');
    }
    // Said before the final dot has left us: it cannot be about this message, and would not be about all of it.
    if (channel.unsent > 0) return giveUp(expectedRefusal(answer.reply, name, 'DATA'), 'data');
    const final = finalReply(answer.reply, name);
    for (const index of indices) {
      decide(index, final, 'end-of-data');
      if (classOf(final) === 'accepted') request.accepted(index, recipientReply(final));
    }
    if (answer.reply.code === 421) return giveUp(final, 'end-of-data');
  }
  return end('clean');
}

/** Written before it is looked whether the next hop takes it, and has not said something meanwhile. */
const WATCH_BYTES = 65_536;

/** Sends the content and the final dot. @returns null, or what came between */
async function sendMessage(channel: Channel, request: TransactionRequest): Promise<Reply | null> {
  const { message, deadline, name } = request;
  const interrupted = (answer: Answer): Reply =>
    'failure' in answer
      ? failureReply(answer.failure, name, 'DATA')
      : expectedRefusal(answer.reply, name, 'DATA');
  let unwatched = 0;
  channel.cork();
  try {
    for (const piece of dotStuffed(message)) {
      channel.write(piece);
      unwatched += piece.length;
      if (unwatched < WATCH_BYTES) continue;
      unwatched = 0;
      channel.uncork();
      // A next hop on this machine takes it all as fast as it is written, and nobody else would have a turn.
      await nextTurn();
      const failure = await channel.drained(deadline);
      channel.cork();
      if (failure !== null) return failureReply(failure, name, 'DATA');
      if (channel.unread > 0) return interrupted(await channel.next(deadline));
    }
    if (channel.unread > 0 || !channel.alive) return interrupted(await channel.next(deadline));
    if (Date.now() >= deadline) return noTimeLeft(name);
    channel.write(finalDot(message));
    return null;
  } finally {
    channel.uncork();
  }
}

/** Waits on for the replies that the deadline was too early for. */
async function lateReplies(
  channel: Channel,
  expected: readonly (readonly number[])[],
  lateMs: number,
): Promise<readonly LateResult[]> {
  const late: LateResult[] = [];
  const until = Date.now() + lateMs;
  for (const indices of expected) {
    const answer = await channel.next(until);
    if ('failure' in answer || channel.unsent > 0) break;
    for (const index of indices) {
      late.push({ index, reply: recipientReply(answer.reply), class: classOf(answer.reply) });
    }
  }
  // What has not left us must not leave any more: it would be taken, and nobody would know.
  if (channel.unsent > 0) channel.destroy();
  else channel.quit();
  return late;
}

/** The temporary outcome of a failed connection. */
export function failureReply(failure: ChannelFailure, name: string, what: string): Reply {
  if (failure.kind === 'lost') return connectionLost(name, what, failure.detail);
  if (failure.kind === 'timeout') return connectionTimedOut(name, what, failure.detail);
  return protocolError(name, what, failure.detail);
}

/** A refusal as it is; a success or 3xx where neither makes sense is temporary. */
function expectedRefusal(answer: Reply, name: string, what: string): Reply {
  return answer.code >= 400 ? answer : unexpected(answer, name, what);
}

function unexpected(answer: Reply, name: string, what: string): Reply {
  return protocolError(name, what, `unexpected reply ${formatReply(answer)}`);
}

function finalReply(answer: Reply, name: string): Reply {
  return classOf(answer) === 'accepted' ? answer : expectedRefusal(answer, name, 'the end of data');
}

/** A next hop's 421 closes its own connection, not the one to our client. */
function recipientReply(answer: Reply): Reply {
  return answer.code === 421 ? { ...answer, code: 451 } : answer;
}
