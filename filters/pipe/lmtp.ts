// One LMTP transaction with the running `sealpost serve` (RFC 2033), and nothing more of the protocol than the pipe needs.
import { isAscii } from 'node:buffer';
import { connect, type Socket } from 'node:net';
import { type Endpoint, formatEndpoint } from '../../src/config/units.ts';
import { classOf, createReplyParser } from '../../src/smtp/replies.ts';
import type { RawPath, Reply } from '../../src/smtp/types.ts';
import { PIPE_CLIENT } from './client.ts';
import { TryAgain } from './outcome.ts';
import {
  connectionClosed,
  NO_LISTENER,
  NOT_READY,
  noGreeting,
  noLmtp,
  type Reason,
  SHUTTING_DOWN,
  TOO_FEW_REPLIES,
  unexpectedReply,
  unreachable,
} from './reasons.ts';
import { toData } from './wire.ts';

/** Reaching the daemon and reading its greeting; it greets within milliseconds, or it hangs. */
const GREETING_TIMEOUT_MS = 30_000;

/** The daemon answers QUIT within milliseconds; the message is delivered either way. */
const GOODBYE_TIMEOUT_MS = 2000;

export interface LmtpMessage {
  readonly queueId: string;
  readonly sender: RawPath;
  readonly recipients: readonly RawPath[];
  /** With LF or CRLF line ends. */
  readonly message: Buffer;
}

/**
 * Hands one message to the first listener that can be reached.
 * @returns one reply for each recipient, in order
 * @throws TryAgain when the daemon is away, breaks off, or does not keep to the protocol
 */
export async function deliverOverLmtp(
  listeners: readonly Endpoint[],
  message: LmtpMessage,
): Promise<readonly Reply[]> {
  const conversation = await openConversation(listeners);
  try {
    const replies = await transact(conversation, message);
    conversation.write('QUIT\r\n');
    if (message.queueId === '') await goodbye(conversation);
    return replies;
  } finally {
    conversation.end();
  }
}

/**
 * Waits for the reply to QUIT, so that the daemon knows that we have all the others, and forgets the message: without a queue ID it
 * would take the next one with the same text for a retry. What goes wrong here changes nothing.
 */
async function goodbye(conversation: Conversation): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const enough = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, GOODBYE_TIMEOUT_MS);
  });
  await Promise.race([conversation.next().catch(() => undefined), enough]);
  clearTimeout(timer);
}

async function transact(conversation: Conversation, message: LmtpMessage): Promise<readonly Reply[]> {
  const announced = await greet(conversation);
  const commands: string[] = [];
  const identity = xforward(announced.get('XFORWARD') ?? '', message.queueId);
  if (identity !== undefined) commands.push(identity);
  const wire = toData(message.message);
  commands.push(mailFrom(announced, message, wire.size));
  commands.push(...message.recipients.map((recipient) => `RCPT TO:<${recipient}>`));
  const replies = await conversation.converse(commands, announced.has('PIPELINING'));
  if (identity !== undefined) mustBe(2, replies.shift());
  const mail = judgeEarly(replies.shift());
  if (classOf(mail) !== 'accepted') return message.recipients.map(() => mail);
  const results = replies.map(judgeEarly);
  const open = results.flatMap((reply, index) => (classOf(reply) === 'accepted' ? [index] : []));
  if (open.length === 0) return results;

  conversation.write('DATA\r\n');
  const data = judgeEarly(await conversation.next());
  if (data.code !== 354) {
    // Nothing has been sent yet: no success here can be believed.
    if (classOf(data) === 'accepted') mustBe(354, data);
    for (const index of open) results[index] = data;
    return results;
  }
  conversation.write(wire.bytes);
  // One reply for each accepted RCPT, in order (RFC 2033, section 4.2): here 5xx is the next hop's word, whatever it is.
  for (const index of open) results[index] = await conversation.next();
  return results;
}

async function greet(conversation: Conversation): Promise<ReadonlyMap<string, string>> {
  mustBe(220, await conversation.next());
  const [reply] = await conversation.converse([`LHLO ${PIPE_CLIENT}`], false);
  mustBe(250, reply);
  const lines = (reply?.text ?? '').split('\n').slice(1);
  return new Map(
    lines.map((line) => {
      const [keyword = '', ...rest] = line.trim().split(/[ =]+/);
      return [keyword.toUpperCase(), rest.join(' ')];
    }),
  );
}

/**
 * XFORWARD with the queue ID, by which a retry is known. SOURCE is REMOTE: LOCAL would have the re-injection listener
 * rewrite the header as that of mail submitted there (XFORWARD_README).
 */
function xforward(attributes: string, queueId: string): string | undefined {
  const known = attributes.toUpperCase().split(' ');
  const words = [
    ...(known.includes('IDENT') && queueId !== '' ? [`IDENT=${xtext(queueId)}`] : []),
    ...(known.includes('SOURCE') ? ['SOURCE=REMOTE'] : []),
  ];
  return words.length === 0 ? undefined : `XFORWARD ${words.join(' ')}`;
}

/** xtext (RFC 3461, section 4). */
function xtext(text: string): string {
  return text.replace(/[^!-*,-<>-~]/g, (character) => {
    return `+${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
  });
}

function mailFrom(announced: ReadonlyMap<string, string>, message: LmtpMessage, size: number): string {
  const internationalised = [message.sender, ...message.recipients].some((path) => /[^\x00-\x7f]/.test(path));
  return [
    `MAIL FROM:<${message.sender}>`,
    ...(announced.has('SIZE') ? [`SIZE=${size}`] : []),
    ...(announced.has('8BITMIME') && !isAscii(message.message) ? ['BODY=8BITMIME'] : []),
    ...(announced.has('SMTPUTF8') && internationalised ? ['SMTPUTF8'] : []),
  ].join(' ');
}

/**
 * A reply before the message was sent. 500 to 504 about syntax and sequence say that the two programs do not understand
 * each other, not that the mail is unwanted: the mail must wait. (501 5.1.x is about the address.)
 */
function judgeEarly(reply: Reply | undefined): Reply {
  if (reply === undefined) throw new TryAgain(TOO_FEW_REPLIES);
  if (reply.code >= 500 && reply.code <= 504 && !reply.enhanced.startsWith('5.1.')) {
    throw new TryAgain(unexpectedReply(reply.code));
  }
  return reply;
}

/** A reply that has to have this code, or first digit, before anything else can be said. */
function mustBe(code: number, reply: Reply | undefined): void {
  if (reply !== undefined && (reply.code === code || Math.trunc(reply.code / 100) === code)) return;
  if (reply !== undefined && Math.trunc(reply.code / 100) === 4) {
    throw new TryAgain({ enhanced: reply.enhanced, sentence: reply.text || NOT_READY }, true);
  }
  throw new TryAgain(unexpectedReply(reply?.code));
}

/** Commands out, replies in. Every failure of the connection is a TryAgain. */
interface Conversation {
  next(): Promise<Reply>;
  write(bytes: string | Buffer): void;
  /** Sends the commands, all at once or one by one, and gives their replies in order. */
  converse(commands: readonly string[], pipelined: boolean): Promise<Reply[]>;
  end(): void;
}

async function openConversation(listeners: readonly Endpoint[]): Promise<Conversation> {
  let first: unknown;
  for (const endpoint of listeners) {
    try {
      return converseOver(await open(endpoint), endpoint);
    } catch (error) {
      first ??= error;
    }
  }
  throw first ?? new TryAgain(NO_LISTENER);
}

function open(endpoint: Endpoint): Promise<Socket> {
  const options =
    endpoint.kind === 'unix' ? { path: endpoint.path } : { host: endpoint.host, port: endpoint.port };
  return new Promise((resolve, reject) => {
    const socket = connect({ ...options, noDelay: true });
    const fail = (problem: string): void => {
      socket.destroy();
      reject(new TryAgain(unreachable(formatEndpoint(endpoint), problem)));
    };
    socket.setTimeout(GREETING_TIMEOUT_MS, () => fail('no connection in time'));
    socket.once('error', (error) => fail(CONNECT_PROBLEMS[errorCode(error)] ?? errorCode(error)));
    socket.once('connect', () => {
      socket.removeAllListeners('error').removeAllListeners('timeout');
      resolve(socket);
    });
  });
}

const CONNECT_PROBLEMS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there; is "sealpost serve" running?',
  ENOENT: 'there is no such socket; is "sealpost serve" running?',
  EACCES: 'permission denied; see mode and group of the listener',
  EPERM: 'permission denied; see mode and group of the listener',
  ETIMEDOUT: 'no connection in time',
  ENOTSOCK: 'that file is no socket',
  ENOTFOUND: 'the host name is unknown',
};

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
}

function converseOver(socket: Socket, endpoint: Endpoint): Conversation {
  const where = formatEndpoint(endpoint);
  const replies: Reply[] = [];
  const parser = createReplyParser();
  let failure: TryAgain | undefined;
  let wake: (() => void) | undefined;
  const fail = (reason: Reason): void => {
    failure ??= new TryAgain(reason);
    wake?.();
  };
  const lost = (): void => fail(connectionClosed(where));
  socket.on('data', (bytes) => {
    const violation = parser.push(bytes, replies);
    if (violation !== null) fail(noLmtp(where, violation));
    socket.setTimeout(0);
    wake?.();
  });
  socket.setTimeout(GREETING_TIMEOUT_MS, () => fail(noGreeting(where)));
  // Replies that came before the end still count: they wait in the queue.
  socket.on('error', lost);
  socket.on('end', lost);
  socket.on('close', lost);

  const next = async (): Promise<Reply> => {
    for (;;) {
      const reply = replies.shift();
      if (reply !== undefined) return reply;
      if (failure !== undefined) throw failure;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  const write = (bytes: string | Buffer): void => {
    if (!socket.writable) return;
    if (typeof bytes === 'string') socket.write(bytes, 'latin1');
    else socket.write(bytes);
  };
  return {
    next,
    write,
    async converse(commands, pipelined) {
      const answers: Reply[] = [];
      if (pipelined) write(`${commands.join('\r\n')}\r\n`);
      for (const command of commands) {
        if (!pipelined) write(`${command}\r\n`);
        const reply = await next();
        // 421 is the last reply of a connection, whatever was asked (RFC 5321, section 3.8).
        if (reply.code === 421)
          throw new TryAgain({ enhanced: reply.enhanced, sentence: reply.text || SHUTTING_DOWN }, true);
        answers.push(reply);
      }
      return answers;
    },
    end: () => socket.end(),
  };
}
