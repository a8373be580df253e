// A session with the next hop: connected, greeted, its extensions known (RFC 5321, section 3.1 and 3.2).
import { formatNextHop, type NextHop } from '../../config/units.ts';
import { cannotConnect, unwilling } from '../our-replies.ts';
import { classOf, formatReply } from '../replies.ts';
import type { Reply } from '../types.ts';
import { type Channel, type ChannelFailure, openChannel } from './channel.ts';
import { type Extensions, NO_EXTENSIONS, parseExtensions } from './extensions.ts';
import { failureReply } from './judge-reply.ts';
import type { Stage } from './transaction.ts';

export interface Session {
  readonly channel: Channel;
  readonly extensions: Extensions;
  /** When it was opened, by the clock that nobody sets (performance.now()). */
  readonly opened: number;
  /** It has been idle before: the next hop may have closed it meanwhile. */
  reused: boolean;
  /** The last transaction was not finished: RSET comes first. */
  unfinished: boolean;
}

/** Why there is no session; always a temporary failure. */
export interface NoSession {
  readonly stage: Stage;
  readonly reply: Reply;
}

export interface SessionOptions {
  readonly nextHop: NextHop;
  /** Our name in EHLO or LHLO. */
  readonly hostname: string;
  readonly connectTimeoutMs: number;
  readonly commandTimeoutMs: number;
}

/**
 * Opens a session. Never throws.
 * @param deadline Unix milliseconds
 */
export async function openSession(options: SessionOptions, deadline: number): Promise<Session | NoSession> {
  const { nextHop, hostname, connectTimeoutMs, commandTimeoutMs } = options;
  const name = formatNextHop(nextHop);
  const until = Math.min(deadline, Date.now() + connectTimeoutMs);
  const channel = await openChannel(nextHop.endpoint, until);
  if ('kind' in channel) {
    return { stage: 'connect', reply: cannotConnect(name, channel.detail) };
  }
  const fresh = { channel, opened: performance.now(), reused: false, unfinished: false };
  const give = (answer: Reply): NoSession => {
    channel.destroy();
    return { stage: 'greeting', reply: answer };
  };
  const broken = (failure: ChannelFailure, what: string): NoSession =>
    give(failureReply(failure, name, what));

  const greeting = await channel.next(until);
  if ('failure' in greeting) return broken(greeting.failure, 'the greeting');
  if (greeting.reply.code !== 220) return give(unwilling(name, 'its greeting', formatReply(greeting.reply)));

  const hello = nextHop.protocol === 'lmtp' ? 'LHLO' : 'EHLO';
  channel.write(`${hello} ${hostname}\r\n`);
  const answer = await channel.next(Math.min(deadline, Date.now() + commandTimeoutMs));
  if ('failure' in answer) return broken(answer.failure, hello);
  if (classOf(answer.reply) === 'accepted') {
    return { ...fresh, extensions: parseExtensions(answer.reply.text) };
  }
  if (hello === 'LHLO' || answer.reply.code < 500)
    return give(unwilling(name, hello, formatReply(answer.reply)));

  // RFC 5321, section 3.2: a server without extensions.
  channel.write(`HELO ${hostname}\r\n`);
  const plain = await channel.next(Math.min(deadline, Date.now() + commandTimeoutMs));
  if ('failure' in plain) return broken(plain.failure, 'HELO');
  if (classOf(plain.reply) !== 'accepted') return give(unwilling(name, 'HELO', formatReply(plain.reply)));
  return { ...fresh, extensions: NO_EXTENSIONS };
}
