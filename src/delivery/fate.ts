// What became of one recipient of one transaction, in words: what the reply, the decision and the memory say is put together
// into one event. Pure.
import type { EventCode } from '../observe/events.ts';
import { classOf } from '../smtp/replies.ts';
import type { Reply } from '../smtp/types.ts';
import type { Decision, Verdict } from './decision.ts';

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
  | 'mail loop'
  | 'database away'
  | 'no turn in time'
  | 'sealing failed'
  | 'internal error';

const HINDRANCES: Readonly<Record<Hindrance, string>> = {
  'accepted before':
    'the next hop accepted it in another transaction of the same message, so it was not sent again',
  'under way':
    'the same message to the same recipient is under way in another transaction, whose outcome it shares',
  'mail loop': 'the message has more Received fields than filter.max_received allows',
  'database away': 'the database cannot be asked, or takes no acceptances',
  'no turn in time': 'too many large messages were under way until the deadline',
  'sealing failed': 'the copy could not be sealed; the line before says why',
  'internal error': 'a fault of ours; the line before says which',
};

/** The words of one event. */
export interface Fate {
  readonly event: EventCode;
  readonly because: string;
  readonly reason: string;
  readonly keys: readonly string[];
  readonly ours: boolean;
}

/** @param ending undefined where the delivery ended before the recipient's turn came */
export function fateOf(reply: Reply, ending: Ending | undefined): Fate {
  const { by } = ending ?? { by: 'us', because: 'internal error' as const };
  if (ending === undefined || ending.by === 'us') {
    const because = ending?.because ?? 'internal error';
    const event = because === 'accepted before' ? 'duplicate' : refusal(reply);
    return { event, because, reason: HINDRANCES[because], keys: [], ours: false };
  }
  const { verdict } = ending;
  const ours = isOurs(verdict);
  const keys = verdict.action === 'seal' ? verdict.keys.map((key) => key.fingerprint) : [];
  if (by === 'decision')
    return { event: refusal(reply), because: verdict.because, reason: verdict.reason, keys, ours };
  if (classOf(reply) === 'accepted')
    return {
      event: verdict.action === 'seal' ? 'sealed' : 'passed',
      because: verdict.because,
      reason: verdict.reason,
      keys,
      ours,
    };
  return {
    event: refusal(reply),
    because: 'next hop',
    reason: `the next hop did not take the copy that was ${verdict.action === 'seal' ? 'sealed' : 'passed'} because of: ${verdict.because}`,
    keys,
    ours,
  };
}

function refusal(reply: Reply): 'deferred' | 'refused' {
  return classOf(reply) === 'permanent' ? 'refused' : 'deferred';
}

/** Ours are the addresses of our domains; of an address that nothing is known of, nothing is shown. */
function isOurs(verdict: Verdict | Decision): boolean {
  return 'facts' in verdict && verdict.facts.domain !== null;
}
