// One copy on its way to the next hop: what was accepted is remembered before anybody is told, and an answer that comes after
// the deadline is waited for.
import type { Logger } from '../observe/log.ts';
import type { LateResult } from '../smtp/client/transaction.ts';
import type { Reply, Transaction } from '../smtp/types.ts';
import type { Begun } from './begun.ts';
import type { Group, Pending } from './build-copies.ts';
import type { ClaimId } from './claims.ts';
import type { DeliveryContext } from './context.ts';
import { type End, isOurs } from './fate.ts';

/** What one delivery has come to so far. */
export interface Progress {
  readonly transaction: Transaction;
  /** What the message is remembered by. */
  readonly hash: string;
  /** By recipient hash. */
  readonly ends: Map<string, End>;
  /** Hashes of those whose claim ends with the delivery; a recipient with a late answer is taken out. */
  readonly settled: Set<string>;
  /** What the memory said when the delivery began. */
  begun: Begun | null;
  readonly log: Logger;
}

export interface CopySender {
  /** @returns whether the next hop's connection is done with the copy */
  send(progress: Progress, group: Group): Promise<boolean>;
  /** Remembers what was accepted without a copy. Never rejects. @param recipient its hash */
  remember(progress: Progress, recipient: string, reply: Reply): Promise<void>;
  /** Copies that wait for a late answer. */
  readonly late: () => number;
}

export function claimId(message: string, { hash }: Pick<Pending, 'hash'>): ClaimId {
  return `${message} ${hash}`;
}

export function createCopySender(context: DeliveryContext): CopySender {
  const { claims, memory, metrics } = context;
  let late = 0;

  /** Never rejects: what was accepted was accepted. */
  async function remember(
    hash: string,
    entry: Pick<Pending, 'hash'>,
    reply: Reply,
    log: Logger,
  ): Promise<void> {
    try {
      await memory.remember(hash, entry.hash, reply.text);
    } catch (error) {
      log.error(
        { event: 'acceptance_unrecorded', err: error },
        'an acceptance could not be recorded; a retry after a restart may repeat it',
      );
    }
  }

  async function send(progress: Progress, group: Group): Promise<boolean> {
    const { transaction, hash, ends, log, begun } = progress;
    const lease = { lost: false };
    const result = await context.nextHop(transaction.nextHop).send({
      envelope: {
        sender: transaction.envelope.sender,
        parameters: transaction.envelope.parameters,
        recipients: group.recipients.map((entry) => entry.recipient),
      },
      xforward: transaction.xforward,
      message: await group.copy.bytes(),
      deadline: transaction.deadline,
      mayFinish: async () => {
        lease.lost = (await begun?.mayFinish()) === false;
        return !lease.lost;
      },
      // The client waits for the record before it gives its result.
      onAccepted: (index, reply) => {
        const entry = group.recipients[index];
        return entry === undefined ? undefined : remember(hash, entry, reply, log);
      },
    });
    if (lease.lost)
      log.warn(
        { event: 'claim_lost', recipients: group.recipients.length },
        'the lease of this process was not renewed in time: the final dot was not sent, and Postfix keeps the mail',
      );
    group.recipients.forEach((entry, index) => {
      const recipient = result.recipients[index];
      if (recipient === undefined) return;
      ends.set(entry.hash, {
        reply: recipient.reply,
        ending: lease.lost ? { by: 'us', because: 'lease lost' } : { by: 'next hop', verdict: entry.verdict },
      });
      metrics.nextHopReplies.inc({ class: recipient.class });
    });
    if (result.late === undefined) return true;
    waitForLate(result.late, progress, group);
    return false;
  }

  /** The deadline came before the next hop's answer: until it comes, a retry must not send again. */
  function waitForLate(
    answers: Promise<readonly LateResult[]>,
    { hash, settled, log, begun }: Progress,
    group: Group,
  ): void {
    const open = new Set(group.recipients.map((entry) => entry.hash));
    const ids = group.recipients.map((entry) => claimId(hash, entry));
    for (const entry of group.recipients) settled.delete(entry.hash);
    claims.abandon(ids);
    late += 1;
    void answers
      .then((results) =>
        Promise.all(
          results.map(async (result) => {
            const entry = group.recipients[result.index];
            if (entry === undefined || result.class !== 'accepted') return;
            open.delete(entry.hash);
            const recipient = context.shown(entry.recipient.path, isOurs(entry.verdict));
            log.warn(
              { event: 'accepted_late', ...(recipient === '' ? {} : { recipient }) },
              'the next hop accepted after our deadline; the retry will not send again',
            );
            await remember(hash, entry, result.reply, log);
          }),
        ),
      )
      .catch((error: unknown) =>
        log.error({ event: 'late_answers_lost', err: error }, 'the late answers of the next hop were lost'),
      )
      .finally(() => {
        late -= 1;
        begun?.giveUp([...open]);
        claims.release(ids);
      });
  }

  return {
    send,
    remember: ({ hash, log }, recipient, reply) => remember(hash, { hash: recipient }, reply, log),
    late: () => late,
  };
}
