// What a next hop's reply, or the lack of one, means for the mail. `name` is the next hop as a person writes it, `what` the
// command. Pure.
import { connectionLost, connectionTimedOut, protocolError } from '../our-replies.ts';
import { classOf, formatReply } from '../replies.ts';
import type { Reply } from '../types.ts';
import type { ChannelFailure } from './channel.ts';

/** The temporary outcome of a failed connection. */
export function failureReply(failure: ChannelFailure, name: string, what: string): Reply {
  if (failure.kind === 'lost') return connectionLost(name, what, failure.detail);
  if (failure.kind === 'timeout') return connectionTimedOut(name, what, failure.detail);
  return protocolError(name, what, failure.detail);
}

/** A refusal as it is; a success or 3xx where neither makes sense is temporary. */
export function expectedRefusal(answer: Reply, name: string, what: string): Reply {
  return answer.code >= 400 ? answer : unexpected(answer, name, what);
}

export function unexpected(answer: Reply, name: string, what: string): Reply {
  return protocolError(name, what, `unexpected reply ${formatReply(answer)}`);
}

export function outcomeReply(answer: Reply, name: string): Reply {
  return classOf(answer) === 'accepted' ? answer : expectedRefusal(answer, name, 'the end of data');
}
