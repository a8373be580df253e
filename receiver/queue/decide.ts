// What happens to a message on its way into the queue: sealed for each of its readers, kept waiting, or refused. The readers'
// decisions come from delivery/decide.ts; nothing in the queue may be readable. Pure.
import type { EachDecided } from '../../src/delivery/decide.ts';
import type { Verdict } from '../../src/delivery/decision.ts';
import type { SealDecision } from '../../src/delivery/seal-copy.ts';
import type { User } from '../../src/directory/types.ts';
import { NO_SUCH_RECIPIENT, NOTHING_QUEUED_UNSEALED, READER_OUTSIDE } from '../../src/smtp/our-replies.ts';
import type { Reply } from '../../src/smtp/types.ts';

export interface UserCopy {
  readonly user: User;
  readonly seal: SealDecision;
}

/** Why a message is not filed, as a word for logs, metrics and the table of attempts. */
export type Obstacle =
  | Verdict['because']
  | 'unknown recipient'
  | 'reader outside'
  | 'over quota'
  | 'sealing failed'
  | 'read error'
  | 'internal error';

export type QueueDecision =
  | { readonly action: 'file'; readonly copies: readonly UserCopy[] }
  | {
      /** `wait`: may change by itself; `refuse`: will not. */
      readonly action: 'wait' | 'refuse';
      readonly because: Obstacle;
      readonly reply: Reply;
      /** Whose keys or settings it hangs on. */
      readonly userIds: readonly number[];
    };

/** Decides on all readers of one recipient address; one that has to wait holds the others up, so that nothing is half done. */
export function decideForQueue({ facts, copies: decided, whole }: EachDecided): QueueDecision {
  const { kind } = facts.resolution;
  if (kind === 'nobody' || kind === 'contact') {
    return refused('refuse', 'unknown recipient', NO_SUCH_RECIPIENT);
  }
  if (whole !== null) return notSealed(whole, []);
  const copies: UserCopy[] = [];
  for (const { reader, decision } of decided) {
    if (reader.kind !== 'user') {
      return refused('wait', 'reader outside', READER_OUTSIDE);
    }
    if (decision.action !== 'seal') return notSealed(decision, [reader.user.id]);
    copies.push({ user: reader.user, seal: decision });
  }
  return { action: 'file', copies: uniqueUsers(copies) };
}

function uniqueUsers(copies: readonly UserCopy[]): readonly UserCopy[] {
  return [...new Map(copies.map((copy) => [copy.user.id, copy])).values()];
}

function notSealed(decision: Verdict, userIds: readonly number[]): QueueDecision {
  if (decision.action === 'defer' || decision.action === 'reject') {
    const action = decision.action === 'reject' ? 'refuse' : 'wait';
    return { action, because: decision.because, reply: decision.reply, userIds };
  }
  return { action: 'wait', because: decision.because, reply: NOTHING_QUEUED_UNSEALED, userIds };
}

function refused(action: 'wait' | 'refuse', because: Obstacle, reply: Reply): QueueDecision {
  return { action, because, reply, userIds: [] };
}

/** What an event says of copies that are sealed: the keys, and the reasons of the decisions. */
export function sealedFor(copies: readonly UserCopy[]): {
  readonly keys: readonly string[];
  readonly reason: string;
} {
  return {
    keys: copies.flatMap(({ seal }) => seal.keys.map((key) => key.fingerprint)).slice(0, 100),
    reason: [...new Set(copies.map(({ seal }) => seal.reason))].join('; ').slice(0, 500),
  };
}
