// One transaction from end of data to the outcome of every recipient: recall, plan, build, send, remember. Both filters
// run through here; every failure that has no better name is a temporary one.

import { countReceived, findMessageId } from '../message/received.ts';
import { stripSealpostFields } from '../message/sealpost-fields.ts';
import type { Logger } from '../observe/log.ts';
import { mapLimited } from '../pacing/map-limited.ts';
import { createTurns } from '../pacing/turns.ts';
import type { Reply, Transaction } from '../smtp/types.ts';
import type { Delivered } from './answer.ts';
import { type AnsweredAsOne, createDeliverAsOne } from './as-one.ts';
import { copiesAtOnce, createCopyBuilder, type Group, LARGE_MESSAGE, type Pending } from './build-copies.ts';
import type { ClaimId } from './claims.ts';
import { messageKey, recipientKey } from './memory.ts';
import type { DeliveryParts } from './parts.ts';
import { claimId, createCopySender, type Progress } from './send-copy.ts';
import { queueIdOf, temporary } from './transaction.ts';

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

export function createDeliverer(parts: DeliveryParts): Deliverer {
  const { logger, metrics, memory, claims } = parts;
  /** What each transaction under way has claimed, for {@link Deliverer.abandon}. */
  const claimedBy = new Map<Transaction, readonly ClaimId[]>();
  /** Whose client was gone before anything was claimed. */
  const goneEarly = new WeakSet<Transaction>();
  const turns = {
    large: createTurns(AT_ONCE.large, TURN_MS),
    middle: createTurns(AT_ONCE.middle, TURN_MS),
  };
  const build = createCopyBuilder(parts);
  const sender = createCopySender(parts);
  let active = 0;

  async function deliver(transaction: Transaction): Promise<Delivered> {
    const started = process.hrtime.bigint();
    const log = logger.child({ transaction: transaction.id, queueId: queueIdOf(transaction) });
    const message = stripSealpostFields(transaction.message);
    const key =
      transaction.identity ??
      (await messageKey({
        queueId: queueIdOf(transaction),
        messageId: queueIdOf(transaction) === '' ? findMessageId(message) : '',
        sender: transaction.envelope.sender,
        content: transaction.message,
      }));
    const replies = new Map<string, Reply>();
    const pending: Pending[] = [];
    for (const recipient of transaction.envelope.recipients) {
      const entry = { recipient, key: recipientKey(recipient.path) };
      if (!pending.some((known) => known.key === entry.key)) pending.push(entry);
    }
    const claimed = pending.filter((entry) => {
      const id = claimId(key, entry);
      if (!claims.take(id)) {
        replies.set(
          entry.key,
          temporary('4.3.0', 'An earlier attempt to deliver this message has not ended yet'),
        );
        return false;
      }
      return true;
    });
    const settled = new Set(claimed);
    claimedBy.set(
      transaction,
      claimed.map((entry) => claimId(key, entry)),
    );
    if (goneEarly.has(transaction)) abandon(transaction);
    active += 1;
    try {
      await deliverClaimed({ transaction, key, replies, settled, log }, message, claimed);
    } catch (error) {
      log.error({ err: error }, 'delivery failed; Postfix keeps the mail');
    } finally {
      claimedBy.delete(transaction);
      claims.release([...settled].map((entry) => claimId(key, entry)));
      active -= 1;
    }
    metrics.transactionSeconds.observe(Number(process.hrtime.bigint() - started) / 1e9);
    const unexpected = temporary('4.3.0', 'Internal error; the mail stays queued and will be tried again');
    const { recipients } = transaction.envelope;
    const keys = recipients.map((recipient) => recipientKey(recipient.path));
    return {
      messageKey: key,
      outcomes: recipients.map((recipient, index) => ({
        recipient,
        reply: replies.get(keys[index] ?? '') ?? unexpected,
      })),
      forget: (indices) =>
        memory.forget(
          key,
          indices.flatMap((index) => keys[index] ?? []),
        ),
    };
  }

  function abandon(transaction: Transaction): void {
    const claimed = claimedBy.get(transaction);
    if (claimed === undefined) goneEarly.add(transaction);
    else claims.abandon(claimed);
  }

  async function deliverClaimed(
    progress: Progress,
    message: Buffer,
    claimed: readonly Pending[],
  ): Promise<void> {
    const { key, replies, log } = progress;
    const { max_received } = parts.config().filter;
    if (countReceived(message) > max_received) {
      log.warn({ max_received }, 'mail loop: too many Received fields');
      for (const entry of claimed) {
        replies.set(entry.key, {
          code: 554,
          enhanced: '5.4.6',
          text: 'Too many hops: the message is in a loop',
        });
      }
      return;
    }
    const accepted = await recall(key, claimed, log);
    if (accepted === undefined) {
      for (const entry of claimed)
        replies.set(entry.key, temporary('4.3.0', 'The database cannot be reached now; try again later'));
      return;
    }
    const open: Pending[] = [];
    for (const entry of claimed) {
      const reply = accepted.get(entry.key);
      if (reply === undefined) open.push(entry);
      else {
        metrics.duplicatesSuppressed.inc();
        replies.set(entry.key, {
          code: 250,
          enhanced: '2.0.0',
          text: reply === '' ? 'Delivered before' : reply,
        });
      }
    }
    const handle = (): Promise<void> => sealAndSend(progress, message, open);
    if (message.length <= MIDDLE_MESSAGE) await handle();
    else await turns[message.length > LARGE_MESSAGE ? 'large' : 'middle'](handle);
  }

  async function sealAndSend(progress: Progress, message: Buffer, open: readonly Pending[]): Promise<void> {
    const { transaction, replies, log } = progress;
    if (Date.now() >= transaction.deadline) {
      const busy = temporary('4.3.2', 'Too many large messages at once; the mail stays queued');
      for (const entry of open) replies.set(entry.key, busy);
      return;
    }
    const { groups, refused } = await build(transaction, message, open, log);
    for (const [key, reply] of refused) replies.set(key, reply);
    /** Those whose last byte has reached the next hop, or never will. */
    const over = new Set<Group>();
    try {
      await mapLimited(groups, copiesAtOnce(message), async (group) => {
        try {
          if (await sender.send(progress, group)) over.add(group);
        } catch (error) {
          log.error({ err: error }, 'a copy could not be sent; Postfix keeps the mail');
        }
      });
    } finally {
      await Promise.all(groups.map((group) => group.copy.discard(over.has(group))));
    }
  }

  async function recall(
    key: string,
    entries: readonly Pending[],
    log: Logger,
  ): Promise<ReadonlyMap<string, string> | undefined> {
    if (entries.length === 0) return new Map();
    try {
      return await memory.recall(
        key,
        entries.map((entry) => entry.key),
      );
    } catch (error) {
      log.error({ err: error }, 'the memory of deliveries cannot be asked');
      return undefined;
    }
  }

  return {
    deliver,
    deliverAsOne: createDeliverAsOne(parts, deliver),
    abandon,
    lateDeliveries: sender.late,
    busy: () => active + sender.late(),
  };
}
