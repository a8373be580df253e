// One mail transaction with the next hop: MAIL, RCPT and DATA in one go where it allows that, and an outcome for every
// recipient whatever happens (RFC 5321; pipelining: RFC 2920; one reply per recipient: RFC 2033).
import { setImmediate as nextTurn } from 'node:timers/promises';
import { dotStuffed, finalDot, messageSize } from '../dot-stuff.ts';
import { CLAIM_LOST, noOutcome, noTimeLeft } from '../our-replies.ts';
import { classOf, notClosing } from '../replies.ts';
import type { Reply, ReplyClass } from '../types.ts';
import type { Answer, Channel } from './channel.ts';
import type { TransactionCommands } from './extensions.ts';
import { expectedRefusal, failureReply, outcomeReply, unexpected } from './judge-reply.ts';

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
  /** Asked right before the final dot; null: it may always be said. */
  readonly mayFinish: (() => Promise<boolean>) | null;
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

/** A transaction under way. */
interface Run {
  readonly channel: Channel;
  readonly request: TransactionRequest;
  readonly results: Map<number, RecipientResult>;
  /** Recipients without an outcome, by their index in the envelope. */
  readonly open: Set<number>;
  /** Those whose RCPT was accepted, in order. */
  readonly accepted: number[];
  unanswered: boolean;
}

/** Runs one transaction over an open connection. Never throws. */
export async function runTransaction(
  channel: Channel,
  request: TransactionRequest,
): Promise<TransactionOutcome> {
  const { rcpts, refused } = request.commands;
  const run: Run = {
    channel,
    request,
    results: new Map(),
    open: new Set(rcpts.map((rcpt) => rcpt.index)),
    accepted: [],
    unanswered: true,
  };
  for (const refusal of refused) decide(run, refusal.index, refusal.reply, 'mail');
  if (run.open.size === 0) return end(run, 'clean');
  return (
    (await sayEnvelope(run)) ?? (await sayData(run)) ?? (await sayContent(run)) ?? (await hearOutcomes(run))
  );
}

function decide(run: Run, index: number, answer: Reply, stage: Stage): void {
  run.results.set(index, { reply: notClosing(answer), class: classOf(answer), stage });
  run.open.delete(index);
}

function decideAll(run: Run, answer: Reply, stage: Stage): void {
  for (const index of [...run.open]) decide(run, index, answer, stage);
}

function end(
  { request, results, unanswered }: Run,
  connection: TransactionOutcome['connection'],
  late?: Promise<readonly LateResult[]>,
): TransactionOutcome {
  const missing = noOutcome(request.name);
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
function breakOff(run: Run, answer: Reply, stage: Stage): TransactionOutcome {
  decideAll(run, answer, stage);
  run.channel.destroy();
  return end(run, 'done');
}

/** Says one command, unless all of them are said already, and hears its reply. @returns the outcome when this is the end */
async function askNextHop(
  run: Run,
  command: string,
  what: string,
  stage: Stage,
): Promise<Reply | TransactionOutcome> {
  const { channel, request } = run;
  if (!request.pipelining) channel.write(`${command}\r\n`);
  const answer = await channel.next(Math.min(request.deadline, Date.now() + request.commandTimeoutMs));
  if ('failure' in answer) {
    if (answer.failure.kind !== 'lost') run.unanswered = false;
    return breakOff(run, failureReply(answer.failure, request.name, what), stage);
  }
  const { code } = answer.reply;
  if (code === 421) return breakOff(run, answer.reply, stage);
  run.unanswered = false;
  // From here on it could not be told which reply belongs to which command.
  if (code < 400 && code >= 300 && stage !== 'data')
    return breakOff(run, unexpected(answer.reply, request.name, what), stage);
  return answer.reply;
}

/** What comes before DATA. @returns the outcome when this is the end, as of the further steps */
async function sayEnvelope(run: Run): Promise<TransactionOutcome | null> {
  const { preamble, commands, pipelining, name } = run.request;
  const before = [...preamble, ...commands.xforward];
  if (pipelining) {
    const group = [...before, commands.mail, ...commands.rcpts.map((rcpt) => rcpt.command), 'DATA', ''];
    run.channel.write(group.join('\r\n'));
  }
  for (const command of before) {
    // A next hop that refuses XFORWARD or RSET still gets the mail, as from Postfix.
    const answer = await askNextHop(run, command, command.slice(0, 8).trim(), 'mail');
    if ('results' in answer) return answer;
  }
  const mail = await askNextHop(run, commands.mail, 'MAIL', 'mail');
  if ('results' in mail) return mail;
  const refusedMail = classOf(mail) === 'accepted' ? null : expectedRefusal(mail, name, 'MAIL');
  if (refusedMail !== null) {
    decideAll(run, refusedMail, 'mail');
    if (!pipelining) return end(run, 'unfinished');
  }
  for (const rcpt of commands.rcpts) {
    const answer = await askNextHop(run, rcpt.command, 'RCPT', 'rcpt');
    if ('results' in answer) return answer;
    if (classOf(answer) === 'accepted') run.accepted.push(rcpt.index);
    else if (refusedMail === null) decide(run, rcpt.index, expectedRefusal(answer, name, 'RCPT'), 'rcpt');
  }
  return run.accepted.length === 0 && !pipelining ? end(run, 'unfinished') : null;
}

async function sayData(run: Run): Promise<TransactionOutcome | null> {
  const { name } = run.request;
  const data = await askNextHop(run, 'DATA', 'DATA', 'data');
  if ('results' in data) return data;
  if (data.code === 354) return run.open.size === 0 ? sayNothing(run) : null;
  if (classOf(data) === 'accepted') return breakOff(run, unexpected(data, name, 'DATA'), 'data');
  decideAll(run, expectedRefusal(data, name, 'DATA'), 'data');
  return end(run, 'unfinished');
}

/**
 * It waits for a message that has no recipients: an empty one is sent (RFC 2920, section 3.1). Where it believes to have
 * recipients although MAIL failed, and with LMTP, whose replies would be counted, the connection is given up.
 */
async function sayNothing(run: Run): Promise<TransactionOutcome> {
  if (run.accepted.length > 0 || run.request.protocol === 'lmtp') {
    run.channel.destroy();
    return end(run, 'done');
  }
  run.channel.write('.\r\n');
  const answer = await askNextHop(run, '', 'the end of data', 'end-of-data');
  return 'results' in answer ? answer : end(run, 'unfinished');
}

async function sayContent(run: Run): Promise<TransactionOutcome | null> {
  const interruption = await sendMessage(run.channel, run.request);
  return interruption === null ? null : breakOff(run, interruption, 'data');
}

/** The replies behind the final dot: one for each accepted recipient (LMTP), or one for all. */
async function hearOutcomes(run: Run): Promise<TransactionOutcome> {
  const { channel, request, accepted } = run;
  const { name, deadline } = request;
  const expected = request.protocol === 'lmtp' ? accepted.map((index) => [index]) : [accepted];
  for (const [position, indices] of expected.entries()) {
    const answer = await channel.next(deadline);
    if ('failure' in answer) {
      const { failure } = answer;
      decideAll(run, failureReply(failure, name, 'the end of data'), 'end-of-data');
      if (failure.kind === 'timeout')
        return end(run, 'done', lateReplies(channel, expected.slice(position), request.lateMs));
      channel.destroy();
      return end(run, 'done');
    }
    // Said before the final dot has left us: it cannot be about this message, and would not be about all of it.
    if (channel.unsent > 0) return breakOff(run, expectedRefusal(answer.reply, name, 'DATA'), 'data');
    const final = outcomeReply(answer.reply, name);
    for (const index of indices) {
      decide(run, index, final, 'end-of-data');
      if (classOf(final) === 'accepted') request.accepted(index, notClosing(final));
    }
    if (answer.reply.code === 421) return breakOff(run, final, 'end-of-data');
  }
  return end(run, 'clean');
}

/** Written before it is looked whether the next hop takes it, and has not said something meanwhile. */
const WATCH_BYTES = 65_536;

/** What the operating system takes at once of a connection on which nothing is under way. */
const TAKEN_AT_ONCE_BYTES = 16_384;

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
    if (request.mayFinish !== null) {
      // A dot that waits in this process could leave it after a long standstill.
      if (messageSize(message) > TAKEN_AT_ONCE_BYTES) {
        channel.uncork();
        const failure = await channel.flushed(deadline);
        channel.cork();
        if (failure !== null) return failureReply(failure, name, 'DATA');
      }
      if (!(await request.mayFinish())) return CLAIM_LOST;
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
      late.push({ index, reply: notClosing(answer.reply), class: classOf(answer.reply) });
    }
  }
  // What has not left us must not leave any more: it would be taken, and nobody would know.
  if (channel.unsent > 0) channel.destroy();
  else channel.quit();
  return late;
}
