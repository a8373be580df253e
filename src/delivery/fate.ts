// What became of one recipient of one transaction, in words: what the reply, the decision and the memory say is put together
// into one event. Pure.
import type { EventCode, MessageEvent } from '../observe/events.ts';
import { logReply } from '../smtp/log-reply.ts';
import { INTERNAL_ERROR } from '../smtp/our-replies.ts';
import { classOf } from '../smtp/replies.ts';
import type { Reply, Transaction } from '../smtp/types.ts';
import type { Decision, Verdict } from './decision.ts';
import { queueIdOf } from './transaction.ts';

/** How a recipient's outcome came about. */
export type Ending =
  /** The next hop answered for a copy. */
  | { readonly by: 'next hop'; readonly verdict: Verdict | Decision }
  /** The decision leaves no copy. */
  | { readonly by: 'decision'; readonly verdict: Verdict | Decision }
  /** Something else ended it, before or after the decision. */
  | { readonly by: 'us'; readonly because: Hindrance };

/** Why a recipient got no answer from plan or next hop. */
export type Hindrance =
  | 'accepted before'
  | 'under way'
  | 'under way elsewhere'
  | 'lease lost'
  | 'node not joined'
  | 'mail loop'
  | 'database away'
  | 'no turn in time'
  | 'sealing failed'
  | 'key letter not read'
  | 'internal error';

const HINDRANCES: Readonly<Record<Hindrance, string>> = {
  'accepted before':
    'the next hop accepted it in another transaction of the same message, so it was not sent again',
  'under way':
    'the same message to the same recipient is under way in another transaction, whose outcome it shares',
  'under way elsewhere':
    'another node has the same message to the same recipient in hand; the next attempt finds out what came of it',
  'lease lost':
    'this process could not renew its lease in time, so that another node may have the message in hand: no final dot was sent',
  'node not joined': 'the other nodes have not seen this one yet',
  'mail loop': 'the message has more Received fields than filter.max_received allows',
  'database away': 'the database cannot be asked, or takes no acceptances',
  'no turn in time': 'too many large messages were under way until the deadline',
  'sealing failed': 'the copy could not be sealed; the line before says why',
  'key letter not read': 'the letter to the key address could not be read now; the line before says why',
  'internal error': 'a fault of ours; the line before says which',
};

/** What a recipient is answered, and how that came about. */
export interface End {
  readonly reply: Reply;
  readonly ending: Ending;
}

const OUR_FAULT: Ending = { by: 'us', because: 'internal error' };

/** Of a recipient whose turn never came. */
export const NO_END: End = { reply: INTERNAL_ERROR, ending: OUR_FAULT };

/** The words of one event. */
export interface Fate {
  readonly event: EventCode;
  readonly because: string;
  readonly reason: string;
  readonly keys: readonly string[];
  readonly ours: boolean;
}

/** @param ending default: that of a recipient whose turn never came */
export function fateOf(reply: Reply, ending: Ending = OUR_FAULT): Fate {
  if (ending.by === 'us') {
    const { because } = ending;
    const event = because === 'accepted before' ? 'duplicate' : refusal(reply);
    return { event, because, reason: HINDRANCES[because], keys: [], ours: false };
  }
  const { by, verdict } = ending;
  const { because, reason } = verdict;
  const done = verdict.action === 'seal' ? 'sealed' : 'passed';
  const keys = verdict.action === 'seal' ? verdict.keys.map((key) => key.fingerprint) : [];
  const ours = isOurs(verdict);
  if (by === 'decision') {
    const event = verdict.action === 'take' && classOf(reply) === 'accepted' ? 'key_letter' : refusal(reply);
    return { event, because, reason, keys, ours };
  }
  if (classOf(reply) === 'accepted') return { event: done, because, reason, keys, ours };
  return {
    event: refusal(reply),
    because: 'next hop',
    reason: `the next hop did not take the copy that was ${done} because of: ${because}`,
    keys,
    ours,
  };
}

/** The event of one recipient of a transaction. */
export function eventOf(
  transaction: Transaction,
  {
    reply,
    ...told
  }: Fate & Pick<MessageEvent, 'at' | 'duration' | 'messageId' | 'recipient'> & { readonly reply: Reply },
): MessageEvent {
  return {
    ...told,
    queueId: transaction.reportsOn?.queueId ?? queueIdOf(transaction),
    transaction: transaction.id,
    listener: transaction.listener,
    size: transaction.message.length,
    reply: logReply(reply),
  };
}

function refusal(reply: Reply): 'deferred' | 'refused' {
  return classOf(reply) === 'permanent' ? 'refused' : 'deferred';
}

/** Ours are the addresses of our domains; of an address that nothing is known of, nothing is shown. */
export function isOurs(verdict: Verdict | Decision): boolean {
  return 'facts' in verdict && verdict.facts.domain !== null;
}
