// The bounce that we owe the sender of a message with one reply for all: sent once, whatever is tried again.
import { createHash } from 'node:crypto';
import { rawHeader } from '../message/header.ts';
import { findMessageId } from '../message/received.ts';
import { logReply } from '../smtp/log-reply.ts';
import { BOUNCE_WITHOUT_OUTCOME } from '../smtp/our-replies.ts';
import { classOf } from '../smtp/replies.ts';
import type { Transaction } from '../smtp/types.ts';
import type { Delivered, RecipientOutcome } from './answer.ts';
import { buildBounce } from './bounce.ts';
import type { DeliveryContext } from './context.ts';
import { bounceHash } from './message-hash.ts';
import { queueIdOf } from './transaction.ts';

type BounceContext = Pick<DeliveryContext, 'config' | 'memory'>;
type Deliver = (transaction: Transaction) => Promise<Delivered>;

interface Bounced {
  readonly done: boolean;
  /** To be forgotten with the rest, once the client has our reply. */
  readonly sent?: Delivered;
}

const NOT_YET: Bounced = { done: false };

/**
 * Sends the bounce through the same plan (its reader may have a key); remembered like any other acceptance. Postfix may split
 * a message into several transactions, and each of them reports its own refused recipients.
 * @param hash of the message, by which its acceptances are remembered
 * @returns whether it has been accepted downstream, now or by an earlier attempt, and what was sent now
 */
export type Bouncer = (
  transaction: Transaction,
  hash: string,
  refused: readonly RecipientOutcome[],
  log: DeliveryContext['logger'],
) => Promise<Bounced>;

/** Of several that ask at once for the same refused recipient, one sends; the others are told that it is not done yet. */
export function createBouncer(context: BounceContext, deliver: Deliver): Bouncer {
  /** Refused recipients, by message, whose bounce is on its way. */
  const bouncing = new Set<string>();

  return async (transaction, hash, refused, log) => {
    const names = refused.map(({ recipient }) => `${hash} ${bounceHash(recipient.path)}`);
    // A retry that comes while the bounce is on its way must not send another one.
    if (names.some((name) => bouncing.has(name))) return NOT_YET;
    for (const name of names) bouncing.add(name);
    try {
      return await bounceOnce(context, deliver, transaction, hash, refused, log);
    } finally {
      for (const name of names) bouncing.delete(name);
    }
  };
}

/** Tells only of those that no earlier bounce has told of. */
async function bounceOnce(
  { config, memory }: BounceContext,
  deliver: Deliver,
  transaction: Transaction,
  hash: string,
  refused: readonly RecipientOutcome[],
  log: DeliveryContext['logger'],
): Promise<Bounced> {
  let unreported: readonly RecipientOutcome[];
  try {
    const reported = await memory.recall(
      hash,
      refused.map(({ recipient }) => bounceHash(recipient.path)),
    );
    unreported = refused.filter(({ recipient }) => !reported.has(bounceHash(recipient.path)));
  } catch (error) {
    log.error({ event: 'memory_unasked', err: error }, 'the memory of deliveries cannot be asked');
    return NOT_YET;
  }
  if (unreported.length === 0) return { done: true };
  const hashes = unreported.map(({ recipient }) => bounceHash(recipient.path)).sort();
  const identity = createHash('sha256')
    .update(['bounce', hash, ...hashes].join('\0'))
    .digest('hex');
  const sent = await deliver(bounceOf(transaction, unreported, config().hostname, identity));
  const reply = sent.outcomes[0]?.reply ?? BOUNCE_WITHOUT_OUTCOME;
  if (classOf(reply) !== 'accepted') {
    // Even a permanent refusal: Postfix keeps the mail, and tells the sender itself when its queue lifetime ends.
    log.error(
      { event: 'bounce_refused', reply: logReply(reply) },
      'the bounce for refused recipients was not accepted',
    );
    return NOT_YET;
  }
  const recorded = await Promise.allSettled(hashes.map((each) => memory.remember(hash, each, reply.text)));
  const failed = recorded.find((each) => each.status === 'rejected');
  // A retry knows it by its own row then.
  if (failed !== undefined)
    log.error({ event: 'bounce_unrecorded', err: failed.reason }, 'the bounce could not be recorded');
  return { done: true, sent };
}

/**
 * The bounce as a transaction of its own: from the null sender to the sender.
 * @param identity of this bounce at every attempt
 */
function bounceOf(
  transaction: Transaction,
  refused: readonly RecipientOutcome[],
  hostname: string,
  identity: string,
): Transaction {
  const { sender, parameters } = transaction.envelope;
  return {
    id: `${transaction.id}-bounce`,
    identity,
    envelope: {
      sender: '',
      parameters: parameters.filter((parameter) => parameter.keyword === 'SMTPUTF8'),
      recipients: [{ path: sender, parameters: [] }],
    },
    xforward: {},
    reportsOn: { queueId: queueIdOf(transaction), messageId: findMessageId(transaction.message) },
    ...(transaction.nextHop === undefined ? {} : { nextHop: transaction.nextHop }),
    ...(transaction.listener === undefined ? {} : { listener: transaction.listener }),
    message: buildBounce({
      reportingMta: hostname,
      sender,
      queueId: queueIdOf(transaction),
      originalEnvelopeId: parameters.find(({ keyword }) => keyword === 'ENVID')?.value,
      refused: refused.map(({ recipient, reply }) => {
        const original = recipient.parameters.find((parameter) => parameter.keyword === 'ORCPT')?.value;
        return {
          recipient: recipient.path,
          reply,
          ...(original === undefined ? {} : { originalRecipient: original }),
        };
      }),
      originalMessageId: findMessageId(transaction.message),
      originalHeader: rawHeader(transaction.message),
      date: new Date(),
      boundary: `sealpost-${identity.slice(0, 30)}`,
    }),
    deadline: transaction.deadline,
  };
}
