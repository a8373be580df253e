// One reply for all recipients (SMTP, the pipe): the outcomes of a delivery put together, after a bounce where one is owed.
import { logReply } from '../smtp/log-reply.ts';
import { BOUNCE_NOT_DELIVERED } from '../smtp/our-replies.ts';
import { classOf } from '../smtp/replies.ts';
import type { Reply, Transaction } from '../smtp/types.ts';
import { type Delivered, singleAnswer } from './answer.ts';
import type { DeliveryContext } from './context.ts';
import { bounceHash } from './message-hash.ts';
import { createBouncer } from './send-bounce.ts';
import { queueIdOf } from './transaction.ts';

/** The one reply, and what to call once the client is known to have it. */
export interface AnsweredAsOne {
  readonly reply: Reply;
  readonly forget: () => void;
}

/** Makes the delivery with one reply out of the one with a reply for each recipient. */
export function createDeliverAsOne(
  context: Pick<DeliveryContext, 'config' | 'memory' | 'logger'>,
  deliver: (transaction: Transaction) => Promise<Delivered>,
): (transaction: Transaction) => Promise<AnsweredAsOne> {
  const { memory } = context;
  const bounce = createBouncer(context, deliver);

  async function deliverAsOne(transaction: Transaction): Promise<AnsweredAsOne> {
    const delivered = await deliver(transaction);
    const answer = singleAnswer(transaction.envelope.sender, delivered.outcomes);
    const paths = delivered.outcomes.map(({ recipient }) => recipient.path);
    /** The bounce, as a message of its own. */
    let sentBounce: Delivered | undefined;
    const forget = (): void => {
      delivered.forget([...paths.keys()]);
      memory.forget(delivered.messageHash, paths.map(bounceHash));
      sentBounce?.forget([0]);
    };
    /** Postfix comes again, and what was accepted must not be sent again then. */
    const rememberStill = (): void => undefined;
    if (answer.kind === 'reply') {
      return { reply: answer.reply, forget: classOf(answer.reply) === 'temporary' ? rememberStill : forget };
    }
    const log = context.logger.child({ transaction: transaction.id, queue_id: queueIdOf(transaction) });
    for (const outcome of answer.silent) {
      log.warn(
        { event: 'bounce_suppressed', reply: logReply(outcome.reply) },
        'a recipient was refused, and no bounce may be sent',
      );
    }
    if (answer.refused.length === 0) return { reply: answer.reply, forget };
    const bounced = await bounce(transaction, delivered.messageHash, answer.refused, log);
    if (bounced.done) {
      sentBounce = bounced.sent;
      return { reply: answer.reply, forget };
    }
    return { reply: BOUNCE_NOT_DELIVERED, forget: rememberStill };
  }

  return deliverAsOne;
}
