// LMTP into the queue: one reply for each recipient, given after the commit. The listener is the filter's own.
import { createHash, randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import { isDatabaseUnavailable } from '../src/database/open.ts';
import { inTransaction } from '../src/database/transaction.ts';
import { isInDomainOfOurs } from '../src/delivery/domain-of-ours.ts';
import type { Engine } from '../src/delivery/engine.ts';
import { eventOf, type Fate } from '../src/delivery/fate.ts';
import { messageHash, recipientHash } from '../src/delivery/message-hash.ts';
import { type RuledMessage, ruledMessage } from '../src/delivery/rules.ts';
import { queueIdOf } from '../src/delivery/transaction.ts';
import { DirectoryUnavailable } from '../src/directory/types.ts';
import { countReceivedInSteps, findMessageId, messageIdOnDemand } from '../src/message/received.ts';
import type { EventCode } from '../src/observe/events.ts';
import { createBatcher } from '../src/pacing/group-commit.ts';
import { mapLimited } from '../src/pacing/map-limited.ts';
import {
  DATABASE_AWAY,
  INTERNAL_ERROR,
  QUEUE_FULL,
  QUEUED,
  QUEUED_BEFORE,
  RECIPIENT_REMOVED,
  SEALING_FAILED,
  TOO_MANY_HOPS,
} from '../src/smtp/our-replies.ts';
import { classOf } from '../src/smtp/replies.ts';
import type { EnvelopeRecipient, RawPath, Reply, Transaction } from '../src/smtp/types.ts';
import { sealedFor } from './queue/decide.ts';
import { fileParcels } from './queue/file.ts';
import type { Acceptance, Filed, Parcel } from './queue/filing.ts';
import { createForgetting, type Forgetting } from './queue/forgetting.ts';
import { decideFor, type SealingContext, seal } from './queue/seal.ts';

export interface QueueDeliveryContext extends SealingContext {
  readonly engine: Pick<Engine, 'directory' | 'decider' | 'sealer' | 'memory' | 'tell'>;
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

/** Under a name of its own: the filter in front of this listener may remember the same message for itself. */
async function acceptanceHash(transaction: Transaction): Promise<string> {
  const queueId = queueIdOf(transaction);
  const { message, envelope } = transaction;
  const hash = await messageHash({
    queueId,
    messageId: queueId === '' ? findMessageId(message) : '',
    sender: envelope.sender,
    content: message,
  });
  return createHash('sha256').update(`sealpost queue ${hash}`).digest('hex');
}

const COPIES_AT_ONCE = 4;
/** Parcels of concurrent transactions that share a commit. */
const SHARED_COMMIT = 20;

const REPLIES: Readonly<Record<Filed, Reply>> = {
  filed: QUEUED,
  'filed before': QUEUED_BEFORE,
  'over quota': QUEUE_FULL,
  'user gone': RECIPIENT_REMOVED,
};

export function createQueueDelivery(context: QueueDeliveryContext): QueueDelivery {
  const { pool, logger } = context;
  const queue: Queue = {
    context,
    file: createBatcher<Parcel, Filed>(
      (parcels) => inTransaction(pool, (client) => fileParcels(client, parcels)),
      SHARED_COMMIT,
    ),
    forgetting: createForgetting(pool),
  };
  const settled = new WeakMap<Transaction, () => void>();
  return {
    async deliver(transaction) {
      const { recipients } = transaction.envelope;
      const messageId = messageIdOnDemand(transaction.message);
      if ((await countReceivedInSteps(transaction.message)) > context.maxReceived())
        return mapLimited(recipients, COPIES_AT_ONCE, ({ path }) =>
          tellLoop({ transaction, path, messageId }, context.engine),
        );
      const hash = await acceptanceHash(transaction);
      const ruled = ruledMessage(transaction.message, transaction.envelope.sender);
      const replies = await mapLimited(recipients, COPIES_AT_ONCE, ({ path }) =>
        deliverAndTell({ transaction, ruled, path, hash, messageId }, queue),
      );
      // Where some have to wait, the client will come again, and may ask for all of them.
      if (!replies.some((reply) => classOf(reply) === 'temporary')) {
        const accepted = acceptancesOf(hash, recipients, replies);
        settled.set(transaction, () => queue.forgetting.begin(accepted));
      }
      return replies;
    },
    acknowledged: (transaction) => settled.get(transaction)?.(),
    lost: (transaction) =>
      logger.debug(
        { transaction: transaction.id },
        'our reply may not have reached the client; a retry will be recognised',
      ),
  };
}

/** The queue, as LMTP fills it. */
interface Queue {
  readonly context: QueueDeliveryContext;
  readonly file: (parcel: Parcel) => Promise<Filed>;
  readonly forgetting: Forgetting;
}

/** A message for one of its recipients, as the event names it. */
interface Addressed {
  readonly transaction: Transaction;
  readonly path: RawPath;
  readonly messageId: () => string;
}

interface Asked extends Addressed {
  readonly ruled: RuledMessage;
  /** Of the message, for the acceptance. */
  readonly hash: string;
}

/** What became of one recipient; the event follows from the reply. */
interface Told extends Omit<Fate, 'event'> {
  readonly reply: Reply;
}

/** Never rejects. */
async function deliverAndTell(asked: Asked, queue: Queue): Promise<Reply> {
  const started = Date.now();
  const told = await deliverTo(asked, queue);
  return tellOf(asked, told, queue.context.engine, started);
}

/** Nothing was decided on a message that loops: the directory says whose it is. Never rejects. */
async function tellLoop(asked: Addressed, engine: Pick<Engine, 'tell' | 'directory'>): Promise<Reply> {
  const started = Date.now();
  const ours = await isInDomainOfOurs(asked.path, engine.directory);
  return tellOf(asked, { ...LOOP, ours }, engine, started);
}

/** @returns the reply, once it is told */
function tellOf(
  { transaction, path: recipient, messageId }: Addressed,
  told: Told,
  { tell }: Pick<Engine, 'tell'>,
  started: number,
): Reply {
  const at = Date.now();
  const event = codeOf(told.reply);
  tell(eventOf(transaction, { ...told, event, at, duration: at - started, messageId, recipient }));
  return told.reply;
}

function codeOf(reply: Reply): EventCode {
  if (reply === QUEUED_BEFORE) return 'duplicate';
  const byClass = { accepted: 'filed', temporary: 'deferred', permanent: 'refused' } as const;
  return byClass[classOf(reply)];
}

const without = (reply: Reply, because: string, reason: string): Told => ({
  reply,
  because,
  reason,
  keys: [],
  ours: false,
});

const LOOP: Told = without(
  TOO_MANY_HOPS,
  'mail loop',
  'the message has more Received fields than filter.max_received allows',
);

/** Never rejects. */
async function deliverTo(asked: Asked, { context, file, forgetting }: Queue): Promise<Told> {
  const { transaction, ruled, path, hash } = asked;
  const { metrics, engine } = context;
  const log = context.logger.child({ transaction: transaction.id, queue_id: queueIdOf(transaction) });
  const acceptance = { message: hash, recipient: recipientHash(path) };
  try {
    // The same message once more, after it was acknowledged: it must not be taken for a repetition.
    await forgetting.done(acceptance);
    if ((await engine.memory.recall(hash, [acceptance.recipient])).size > 0) {
      metrics.duplicatesSuppressed.inc();
      const before = without(QUEUED_BEFORE, 'filed before', 'it was filed at an earlier attempt');
      // Nothing is decided anew: the directory says whose it is.
      return { ...before, ours: await isInDomainOfOurs(path, engine.directory) };
    }
    const decision = await decideFor(path, ruled, context);
    if (decision.action !== 'file') {
      const reason = 'the queue holds sealed mail of our own users only';
      return { ...without(decision.reply, decision.because, reason), ours: decision.ours };
    }
    const newId = (): string => randomBytes(16).toString('hex');
    const sealed = await seal(transaction.message, decision.copies, newId, context);
    if (sealed === null) {
      const reason = 'the copy could not be sealed; the line before says why';
      return { ...without(SEALING_FAILED, 'sealing failed', reason), ours: true };
    }
    const outcome = await file({ ...sealed.parcel, acceptance }).finally(sealed.discard);
    if (outcome === 'filed') metrics.receiverFiled.inc({ source: 'lmtp' }, sealed.parcel.copies.length);
    if (outcome === 'filed before') metrics.duplicatesSuppressed.inc();
    return {
      reply: REPLIES[outcome],
      because: outcome,
      ...sealedFor(decision.copies),
      ours: true,
    };
  } catch (error) {
    const away = error instanceof DirectoryUnavailable || isDatabaseUnavailable(error);
    log[away ? 'warn' : 'error'](
      { event: 'queue_refused', err: error },
      'a message could not be queued; Postfix keeps it',
    );
    return away
      ? without(DATABASE_AWAY, 'database away', 'the database cannot be asked')
      : without(INTERNAL_ERROR, 'internal error', 'a fault of ours; the line before says which');
  }
}

function acceptancesOf(
  message: string,
  recipients: readonly EnvelopeRecipient[],
  replies: readonly Reply[],
): readonly Acceptance[] {
  return recipients.flatMap(({ path }, index) => {
    const reply = replies[index];
    const accepted = reply !== undefined && classOf(reply) === 'accepted';
    return accepted ? [{ message, recipient: recipientHash(path) }] : [];
  });
}
