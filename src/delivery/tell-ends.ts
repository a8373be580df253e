// The events of one transaction: what became of each of its recipients, told once their ends are known.
import type { Directory } from '../directory/types.ts';
import { messageIdOnDemand } from '../message/received.ts';
import { classOf } from '../smtp/replies.ts';
import type { Transaction } from '../smtp/types.ts';
import type { Pending } from './build-copies.ts';
import type { DeliveryContext } from './context.ts';
import { isInDomainOfOurs, OWNERS_DEADLINE_MS } from './domain-of-ours.ts';
import { type Ending, eventOf, type Fate, fateOf, type Hindrance, NO_END } from './fate.ts';
import type { Progress } from './send-copy.ts';

/** After these the directory is not asked once more. */
const FAILURES: ReadonlySet<Hindrance> = new Set(['database away', 'internal error']);

/** Tells what became of each distinct recipient. Never rejects. */
export async function tellEnds(
  { tell, directory }: Pick<DeliveryContext, 'tell' | 'directory'>,
  { transaction, ends }: Pick<Progress, 'transaction' | 'ends'>,
  entries: readonly Pending[],
  seconds: number,
): Promise<void> {
  const common = {
    at: Date.now(),
    duration: Math.round(seconds * 1000),
    messageId: messageIdOf(transaction),
  };
  const until = common.at + OWNERS_DEADLINE_MS;
  for (const { recipient, hash } of entries) {
    const { reply, ending } = ends.get(hash) ?? NO_END;
    const fate = await withOwner(fateOf(reply, ending), ending, recipient.path, directory, until);
    // A message of our own that was accepted is a notification of non-delivery.
    const returned = transaction.identity !== undefined && classOf(reply) === 'accepted';
    const event = returned ? 'returned' : fate.event;
    tell(eventOf(transaction, { ...fate, ...common, event, recipient: recipient.path, reply }));
  }
}

function messageIdOf({ message, reportsOn }: Transaction): () => string {
  return reportsOn === undefined ? messageIdOnDemand(message) : () => reportsOn.messageId;
}

/** Where no decision tells whose the recipient is, the directory does; where that is away, the address is not shown. */
async function withOwner(
  fate: Fate,
  ending: Ending,
  path: string,
  directory: Directory,
  until: number,
): Promise<Fate> {
  if (ending.by !== 'us' || FAILURES.has(ending.because)) return fate;
  return { ...fate, ours: await isInDomainOfOurs(path, directory, until) };
}
