// What a transaction takes in hand, and how it lets go of it: recipients that another transaction of this process brings the same
// message to are shared (claims.ts), those of another node wait (begun.ts).
import { DATABASE_AWAY, NOT_JOINED } from '../smtp/our-replies.ts';
import { classOf } from '../smtp/replies.ts';
import type { Reply, Transaction } from '../smtp/types.ts';
import type { Acceptances } from './acceptances.ts';
import type { Begun } from './begun.ts';
import type { Pending } from './build-copies.ts';
import type { ClaimId, Claims } from './claims.ts';
import { type Hindrance, NO_END } from './fate.ts';
import { NotJoined } from './membership.ts';
import { recipientHash } from './message-hash.ts';
import { claimId, type Progress } from './send-copy.ts';

/** A recipient to whom another transaction is bringing the same message. */
export interface Shared {
  readonly entry: Pending;
  readonly fate: Promise<Reply | null>;
}

/** Claims each distinct recipient within this serve. */
export function claim(
  claims: Claims,
  hash: string,
  transaction: Transaction,
): { readonly claimed: readonly Pending[]; readonly shared: readonly Shared[] } {
  const pending = new Map<string, Pending>();
  for (const recipient of transaction.envelope.recipients) {
    const key = recipientHash(recipient.path);
    if (!pending.has(key)) pending.set(key, { recipient, hash: key });
  }
  const claimed: Pending[] = [];
  const shared: Shared[] = [];
  for (const entry of pending.values()) {
    const id = claimId(hash, entry);
    if (claims.take(id)) claimed.push(entry);
    else shared.push({ entry, fate: claims.fate(id) });
  }
  return { claimed, shared };
}

/** Asks the memory, and claims among the nodes. @returns what it says, or why nothing may be sent */
export async function begin(
  memory: Acceptances,
  { hash, log }: Progress,
  entries: readonly Pending[],
): Promise<Begun | { readonly reply: Reply; readonly because: Hindrance }> {
  const hashes = entries.map((entry) => entry.hash);
  try {
    const begun = await memory.begin(hash, hashes);
    if (begun.takenOver.size > 0)
      log.warn(
        { event: 'claim_taken_over', recipients: begun.takenOver.size },
        'another node had this message in hand and did not renew its lease: it is delivered here',
      );
    return begun;
  } catch (error) {
    log.error({ event: 'memory_unasked', err: error }, 'the memory of deliveries cannot be asked');
    return error instanceof NotJoined
      ? { reply: NOT_JOINED, because: 'node not joined' }
      : { reply: DATABASE_AWAY, because: 'database away' };
  }
}

/** Ends the claims of a delivery: other nodes may have what was not accepted, and who shares a recipient is told its fate. */
export function letGo(claims: Claims, { hash, ends, settled, begun }: Progress): void {
  const fates = new Map<ClaimId, Reply>();
  const open: string[] = [];
  for (const each of settled) {
    const { reply } = ends.get(each) ?? NO_END;
    fates.set(claimId(hash, { hash: each }), reply);
    if (classOf(reply) !== 'accepted') open.push(each);
  }
  begun?.giveUp(open);
  claims.release(fates.keys(), fates);
}
