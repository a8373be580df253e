// LMTP into the queue: one reply for each recipient, given after the commit. The listener is the filter's own.
import { createHash, randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import { isDatabaseUnavailable } from '../src/database/open.ts';
import { inTransaction } from '../src/database/transaction.ts';
import { forgetSql } from '../src/delivery/acceptance-steps.ts';
import type { Engine } from '../src/delivery/engine.ts';
import { messageHash, recipientHash } from '../src/delivery/message-hash.ts';
import { type RuledMessage, ruledMessage } from '../src/delivery/rules.ts';
import { queueIdOf, temporary } from '../src/delivery/transaction.ts';
import { DirectoryUnavailable } from '../src/directory/types.ts';
import { countReceived, findMessageId } from '../src/message/received.ts';
import { createBatcher } from '../src/pacing/group-commit.ts';
import { mapLimited } from '../src/pacing/map-limited.ts';
import { classOf } from '../src/smtp/replies.ts';
import type { EnvelopeRecipient, Reply, Transaction } from '../src/smtp/types.ts';
import { fileParcels } from './queue/file.ts';
import { acceptanceName, type Filed, type Parcel } from './queue/filing.ts';
import { decideFor, SEALING_FAILED, type SealingContext, seal } from './queue/seal.ts';

export interface LmtpParts extends SealingContext {
  readonly engine: Pick<Engine, 'directory' | 'decider' | 'sealer' | 'memory'>;
  readonly pool: Pool;
  readonly maxReceived: () => number;
}

export interface QueueDelivery {
  /** One reply for each recipient, in order. Never rejects. */
  deliver(transaction: Transaction): Promise<readonly Reply[]>;
  /** The replies have reached the client: a repetition would be another message. */
  acknowledged(transaction: Transaction): void;
  lost(transaction: Transaction): void;
}

type Acceptance = NonNullable<Parcel['acceptance']>;

/** Under a name of its own: the filter in front of this listener may remember the same message for itself. */
async function acceptanceKey(transaction: Transaction): Promise<string> {
  const queueId = queueIdOf(transaction);
  const { message, envelope } = transaction;
  const key = await messageHash({
    queueId,
    messageId: queueId === '' ? findMessageId(message) : '',
    sender: envelope.sender,
    content: message,
  });
  return createHash('sha256').update(`sealpost queue ${key}`).digest('hex');
}

const COPIES_AT_ONCE = 4;
/** Parcels of concurrent transactions that share a commit. */
const SHARED_COMMIT = 20;

const REPLIES: Readonly<Record<Filed, Reply>> = {
  filed: { code: 250, enhanced: '2.0.0', text: 'Queued' },
  'filed before': { code: 250, enhanced: '2.0.0', text: 'Queued before' },
  'over quota': { code: 452, enhanced: '4.2.2', text: 'The queue of this recipient is full' },
  'user gone': temporary('4.3.0', 'The recipient was removed while the message was sealed; try again'),
};
const LOOP: Reply = { code: 554, enhanced: '5.4.6', text: 'Too many hops: the message is in a loop' };
const AWAY = temporary('4.3.0', 'The database cannot be reached now; try again later');
const INTERNAL = temporary('4.3.0', 'Internal error; the mail stays queued and will be tried again');

/** Acceptances that a database which is away has not forgotten yet; beyond that the oldest are given up. */
const MOST_FORGETTING = 100_000;

export function createQueueDelivery(parts: LmtpParts): QueueDelivery {
  const { logger, metrics } = parts;
  const { memory } = parts.engine;
  const settled = new WeakMap<Transaction, () => void>();
  const forgetting = new Map<string, Promise<void>>();

  const file = createBatcher<Parcel, Filed>(
    (parcels) => inTransaction(parts.pool, (client) => fileParcels(client, parcels)),
    SHARED_COMMIT,
  );

  async function deliver(transaction: Transaction): Promise<readonly Reply[]> {
    const { message, envelope } = transaction;
    if (countReceived(message) > parts.maxReceived()) return envelope.recipients.map(() => LOOP);
    const key = await acceptanceKey(transaction);
    const ruled = ruledMessage(message, envelope.sender);
    const replies = await mapLimited(envelope.recipients, COPIES_AT_ONCE, (recipient) =>
      one(transaction, key, ruled, recipient),
    );
    // Some have to wait: the client will come again, and may ask for all of them.
    if (replies.some((reply) => classOf(reply) === 'temporary')) return replies;
    const accepted = envelope.recipients.filter((_, index) => {
      const reply = replies[index];
      return reply !== undefined && classOf(reply) === 'accepted';
    });
    settled.set(transaction, () => forgetAll(key, accepted));
    return replies;
  }

  const forget = createBatcher<Acceptance, void>(async (rows) => {
    await parts.pool.query({
      name: 'sealpost-queue-forget',
      text: forgetSql('$1', '$2'),
      values: [rows.map(({ message }) => message), rows.map(({ recipient }) => recipient)],
    });
    return rows.map(() => undefined);
  });

  function forgetAll(message: string, recipients: readonly EnvelopeRecipient[]): void {
    for (const { path } of recipients) {
      const acceptance = { message, recipient: recipientHash(path) };
      const name = acceptanceName(acceptance);
      const done = forget(acceptance).then(() => void forgetting.delete(name));
      // It stays in the map, so that the same message is not taken for a repetition before its row is gone.
      done.catch(() => undefined);
      forgetting.set(name, done);
    }
    for (const name of forgetting.keys()) {
      if (forgetting.size <= MOST_FORGETTING) break;
      forgetting.delete(name);
    }
  }

  /**
   * Waits until an acknowledged acceptance is forgotten.
   * @throws what the database fails with: then it cannot be told whether this is a repetition
   */
  async function forgotten(acceptance: Acceptance): Promise<void> {
    const name = acceptanceName(acceptance);
    const before = forgetting.get(name);
    if (before === undefined) return;
    await before.catch(() => forget(acceptance));
    if (forgetting.get(name) === before) forgetting.delete(name);
  }

  async function one(
    transaction: Transaction,
    key: string,
    ruled: RuledMessage,
    recipient: EnvelopeRecipient,
  ): Promise<Reply> {
    const log = logger.child({ transaction: transaction.id, queueId: queueIdOf(transaction) });
    const acceptance = { message: key, recipient: recipientHash(recipient.path) };
    try {
      // The same message once more, after it was acknowledged: it must not be taken for a repetition.
      await forgotten(acceptance);
      if ((await memory.recall(key, [acceptance.recipient])).size > 0) {
        metrics.duplicatesSuppressed.inc();
        return REPLIES['filed before'];
      }
      const decision = await decideFor(recipient.path, ruled, parts);
      if (decision.action !== 'file') {
        log.info({ because: decision.because, reply: decision.reply.enhanced }, 'not queued');
        return decision.reply;
      }
      const newId = (): string => randomBytes(16).toString('hex');
      const sealed = await seal(transaction.message, decision.copies, newId, parts);
      if (sealed === null) return SEALING_FAILED;
      const outcome = await file({ ...sealed.parcel, acceptance }).finally(sealed.discard);
      if (outcome === 'filed') metrics.receiverFiled.inc({ source: 'lmtp' }, sealed.parcel.copies.length);
      if (outcome === 'filed before') metrics.duplicatesSuppressed.inc();
      log.debug({ outcome }, 'queued');
      return REPLIES[outcome];
    } catch (error) {
      const away = error instanceof DirectoryUnavailable || isDatabaseUnavailable(error);
      log[away ? 'warn' : 'error']({ err: error }, 'a message could not be queued; Postfix keeps it');
      return away ? AWAY : INTERNAL;
    }
  }

  return {
    deliver,
    acknowledged: (transaction) => settled.get(transaction)?.(),
    lost: (transaction) =>
      logger.debug(
        { transaction: transaction.id },
        'our reply may not have reached the client; a retry will be recognised',
      ),
  };
}
