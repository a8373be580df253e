// One transaction from end of data to the outcome of every recipient: recall, plan, build, send, remember. Both filters
// run through here; every failure that has no better name is a temporary one.

import { countReceivedInSteps, findMessageId } from '../message/received.ts';
import { stripSealpostFieldsInSteps } from '../message/sealpost-fields.ts';
import { createBreather } from '../pacing/breather.ts';
import { mapLimited } from '../pacing/map-limited.ts';
import { createTurns, type Turns } from '../pacing/turns.ts';
import { within } from '../pacing/within.ts';
import {
  deliveredBefore,
  TOO_MANY_HOPS,
  TOO_MANY_LARGE,
  UNDER_WAY,
  UNDER_WAY_ELSEWHERE,
} from '../smtp/our-replies.ts';
import { classOf } from '../smtp/replies.ts';
import type { Reply, Transaction } from '../smtp/types.ts';
import type { Delivered } from './answer.ts';
import { type AnsweredAsOne, createDeliverAsOne } from './as-one.ts';
import {
  type CopyBuilder,
  copiesAtOnce,
  createCopyBuilder,
  type Group,
  LARGE_MESSAGE,
  type Pending,
} from './build-copies.ts';
import type { ClaimId } from './claims.ts';
import type { DeliveryContext } from './context.ts';
import { type End, type Hindrance, NO_END } from './fate.ts';
import { begin, claim, letGo, type Shared } from './in-hand.ts';
import { messageHash, recipientHash } from './message-hash.ts';
import { type CopySender, claimId, createCopySender, type Progress } from './send-copy.ts';
import { tellEnds } from './tell-ends.ts';
import { queueIdOf } from './transaction.ts';

export interface Deliverer {
  /** LMTP: every recipient's own outcome. Never throws. */
  deliver(transaction: Transaction): Promise<Delivered>;
  /**
   * SMTP and the pipe: one reply for all, after a bounce where one is owed. Never throws.
   * @returns the reply, and what {@link Delivered.forget} needs
   */
  deliverAsOne(transaction: Transaction): Promise<AnsweredAsOne>;
  /** The client of this transaction is gone: it may try again, and by way of another process. */
  abandon(transaction: Transaction): void;
  /** Deliveries that are waiting for a next hop's late reply. */
  readonly lateDeliveries: () => number;
  /** Deliveries that are under way, late ones included. */
  readonly busy: () => number;
}

/**
 * Transactions that may hold more than the message itself (its ciphertext, and what sealing needs), over all connections; the
 * others wait with their message alone, which the budget counts. Small ones do not count.
 */
const AT_ONCE = { large: 3, middle: 24 } as const;
const MIDDLE_MESSAGE = 32 * 1024;
/** A next hop that does not answer holds up nobody but its own messages for longer than this. */
const TURN_MS = 30_000;

/** What the deliveries of one process share. */
interface Deliveries {
  readonly context: DeliveryContext;
  readonly build: CopyBuilder;
  readonly sender: CopySender;
  readonly turns: Readonly<Record<'large' | 'middle', Turns>>;
  /** What each transaction under way has claimed, for {@link Deliverer.abandon}. */
  readonly claimedBy: Map<Transaction, readonly ClaimId[]>;
  /** Whose client was gone before anything was claimed. */
  readonly goneEarly: WeakSet<Transaction>;
  active: number;
}

export function createDeliverer(context: DeliveryContext): Deliverer {
  const deliveries: Deliveries = {
    context,
    build: createCopyBuilder(context),
    sender: createCopySender(context),
    turns: { large: createTurns(AT_ONCE.large, TURN_MS), middle: createTurns(AT_ONCE.middle, TURN_MS) },
    claimedBy: new Map(),
    goneEarly: new WeakSet(),
    active: 0,
  };
  const deliverOne = (transaction: Transaction): Promise<Delivered> => deliver(deliveries, transaction);
  return {
    deliver: deliverOne,
    deliverAsOne: createDeliverAsOne(context, deliverOne),
    abandon: (transaction) => abandon(deliveries, transaction),
    lateDeliveries: deliveries.sender.late,
    busy: () => deliveries.active + deliveries.sender.late(),
  };
}

async function deliver(deliveries: Deliveries, transaction: Transaction): Promise<Delivered> {
  const { logger, metrics, claims } = deliveries.context;
  const started = process.hrtime.bigint();
  const log = logger.child({ transaction: transaction.id, queue_id: queueIdOf(transaction) });
  const breathe = createBreather();
  const message = await stripSealpostFieldsInSteps(transaction.message);
  await breathe();
  const hash = transaction.identity ?? (await hashOf(transaction, message));
  const ends = new Map<string, End>();
  const { claimed, shared } = claim(claims, hash, transaction);
  const settled = new Set(claimed.map((entry) => entry.hash));
  const { claimedBy, goneEarly } = deliveries;
  claimedBy.set(
    transaction,
    claimed.map((entry) => claimId(hash, entry)),
  );
  if (goneEarly.has(transaction)) abandon(deliveries, transaction);
  deliveries.active += 1;
  const progress: Progress = { transaction, hash, ends, settled, begun: null, log };
  try {
    await deliverClaimed(deliveries, progress, message, claimed, breathe);
  } catch (error) {
    log.error({ event: 'delivery_failed', err: error }, 'delivery failed; Postfix keeps the mail');
  } finally {
    claimedBy.delete(transaction);
    letGo(claims, progress);
  }
  // Only now: two transactions may share each other's recipients.
  await Promise.all(shared.map((each) => share(deliveries, progress, each)));
  deliveries.active -= 1;
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  metrics.transactionSeconds.observe(seconds);
  await tellEnds(deliveries.context, progress, [...claimed, ...shared.map(({ entry }) => entry)], seconds);
  return deliveredOf(deliveries.context, transaction, hash, ends);
}

/** The same end for several recipients. */
function endAll({ ends }: Progress, entries: readonly Pending[], reply: Reply, because: Hindrance): void {
  for (const entry of entries) ends.set(entry.hash, { reply, ending: { by: 'us', because } });
}

/** What identifies the message at every attempt. */
function hashOf(transaction: Transaction, message: Buffer): Promise<string> {
  const queueId = queueIdOf(transaction);
  return messageHash({
    queueId,
    messageId: queueId === '' ? findMessageId(message) : '',
    sender: transaction.envelope.sender,
    content: transaction.message,
    nextHop: transaction.nextHop,
  });
}

/** The other transaction's outcome is this one's, too; where it is not known in time, Postfix tries again. */
async function share({ context }: Deliveries, progress: Progress, { entry, fate }: Shared): Promise<void> {
  const { transaction } = progress;
  const reply = await within(Math.max(0, transaction.deadline - Date.now()), fate, null);
  const accepted = reply !== null && classOf(reply) === 'accepted';
  if (accepted) {
    context.metrics.duplicatesSuppressed.inc();
    endAll(progress, [entry], deliveredBefore(reply.text), 'accepted before');
  } else endAll(progress, [entry], reply ?? UNDER_WAY, 'under way');
}

/** Every recipient's outcome, in the envelope's order. */
function deliveredOf(
  { memory }: DeliveryContext,
  { envelope: { recipients } }: Transaction,
  hash: string,
  ends: ReadonlyMap<string, End>,
): Delivered {
  const hashes = recipients.map((recipient) => recipientHash(recipient.path));
  return {
    messageHash: hash,
    outcomes: recipients.map((recipient, index) => ({
      recipient,
      reply: (ends.get(hashes[index] ?? '') ?? NO_END).reply,
    })),
    forget: (indices) =>
      memory.forget(
        hash,
        indices.flatMap((index) => hashes[index] ?? []),
      ),
  };
}

function abandon({ context, claimedBy, goneEarly }: Deliveries, transaction: Transaction): void {
  const claimed = claimedBy.get(transaction);
  if (claimed === undefined) goneEarly.add(transaction);
  else context.claims.abandon(claimed);
}

async function deliverClaimed(
  deliveries: Deliveries,
  progress: Progress,
  message: Buffer,
  claimed: readonly Pending[],
  breathe: () => Promise<void>,
): Promise<void> {
  const { log } = progress;
  const { context, turns } = deliveries;
  const { max_received } = context.config().filter;
  const received = await countReceivedInSteps(message);
  await breathe();
  if (received > max_received) {
    log.warn({ event: 'mail_loop', max_received }, 'mail loop: too many Received fields');
    endAll(progress, claimed, TOO_MANY_HOPS, 'mail loop');
    return;
  }
  if (claimed.length === 0) return;
  const begun = await begin(context.memory, progress, claimed);
  if ('because' in begun) {
    endAll(progress, claimed, begun.reply, begun.because);
    return;
  }
  progress.begun = begun;
  const open: Pending[] = [];
  for (const entry of claimed) {
    const reply = begun.accepted.get(entry.hash);
    if (begun.elsewhere.has(entry.hash))
      endAll(progress, [entry], UNDER_WAY_ELSEWHERE, 'under way elsewhere');
    else if (reply === undefined) open.push(entry);
    else {
      context.metrics.duplicatesSuppressed.inc();
      endAll(progress, [entry], deliveredBefore(reply), 'accepted before');
    }
  }
  const handle = (): Promise<void> => sealAndSend(deliveries, progress, message, open);
  if (message.length <= MIDDLE_MESSAGE) await handle();
  else await turns[message.length > LARGE_MESSAGE ? 'large' : 'middle'](handle);
}

async function sealAndSend(
  { build, sender }: Deliveries,
  progress: Progress,
  message: Buffer,
  open: readonly Pending[],
): Promise<void> {
  const { transaction, ends, log } = progress;
  if (Date.now() >= transaction.deadline) {
    endAll(progress, open, TOO_MANY_LARGE, 'no turn in time');
    return;
  }
  const { groups, ended } = await build(transaction, message, open, log);
  for (const [hash, end] of ended) {
    // What was acted on must not be acted on again, should another recipient have to wait.
    if (classOf(end.reply) === 'accepted') await sender.remember(progress, hash, end.reply);
    ends.set(hash, end);
  }
  /** Those whose last byte has reached the next hop, or never will. */
  const over = new Set<Group>();
  try {
    await mapLimited(groups, copiesAtOnce(message), async (group) => {
      try {
        if (await sender.send(progress, group)) over.add(group);
      } catch (error) {
        log.error({ event: 'copy_not_sent', err: error }, 'a copy could not be sent; Postfix keeps the mail');
      }
    });
  } finally {
    await Promise.all(groups.map((group) => group.copy.discard(over.has(group))));
  }
}
