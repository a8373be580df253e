// One transaction from end of data to the outcome of every recipient: recall, plan, build, send, remember. Both filters
// run through here; every failure that has no better name is a temporary one.
import type { Config } from '../config/schema.ts';
import {
  type Directory,
  DirectoryUnavailable,
  type KeyKind,
  type RecipientFacts,
  type StoredKey,
} from '../directory/types.ts';
import type { KeyChoice } from '../keys/choose.ts';
import { detectEncrypted } from '../message/detect.ts';
import { mapLimited } from '../message/map-limited.ts';
import { countReceived, findMessageId } from '../message/received.ts';
import { stripSealpostFields } from '../message/sealpost-fields.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Seal } from '../openpgp/types.ts';
import type { NextHopClient } from '../smtp/client.ts';
import { formatReply } from '../smtp/replies.ts';
import type { EnvelopeRecipient, RawPath, Reply, Transaction } from '../smtp/types.ts';
import type { RecipientOutcome } from './answer.ts';
import { type AnsweredAsOne, createDeliverAsOne } from './as-one.ts';
import type { ClaimId, Claims } from './claims.ts';
import type { Decision } from './decision.ts';
import { type DeliveryMemory, messageKey, recipientKey } from './memory.ts';
import { type BuiltCopy, createOutgoing, inMemory } from './outgoing.ts';
import { directoryUnavailable, planCopy } from './plan.ts';
import { type RuledMessage, ruledMessage } from './rules.ts';
import { sealCopy } from './seal-copy.ts';
import { queueIdOf, temporary } from './transaction.ts';
import { createTurns } from './turns.ts';

/** What the delivery stands on. */
export interface DeliveryParts {
  /** Read for every transaction, so that SIGHUP takes effect with the next one. */
  readonly config: () => Config;
  readonly directory: Directory;
  /** Inspects the keys of a recipient once, and gives the pure choice among them for this moment. */
  readonly chooser: (
    facts: RecipientFacts,
    now: number,
  ) => Promise<(keys: readonly StoredKey[], prefer: KeyKind) => KeyChoice>;
  readonly encrypt: Seal;
  /** Gets ciphertext of `encrypt` that nobody reads any more. */
  readonly giveBack: (ciphertext: Uint8Array) => void;
  readonly memory: DeliveryMemory;
  /** A second attempt waits until the fate of the first one is known. */
  readonly claims: Claims;
  readonly nextHop: () => Pick<NextHopClient, 'send'>;
  /** For ciphertext that does not fit into memory. */
  readonly outgoingDirectory: string;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The end of one transaction. */
export interface Delivered {
  /** What the message is remembered by. */
  readonly messageKey: string;
  /** One for each envelope recipient, in order. */
  readonly outcomes: readonly RecipientOutcome[];
  /** Call once the client is known to have our success for these recipients (indices of the envelope). */
  readonly forget: (indices: readonly number[]) => void;
}

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

/** Ciphertext of one transaction that may stay in memory: a message of 25 MB, sealed for one recipient. */
const MEMORY_PER_TRANSACTION = 40 * 2 ** 20;
/** Above this size copies are built and sent one after the other. */
const LARGE_MESSAGE = 2 ** 20;
const CONCURRENT_COPIES = 8;
/**
 * Transactions that may hold more than the message itself (its ciphertext, and what sealing needs), over all connections; the
 * others wait with their message alone, which the budget counts. Small ones do not count.
 */
const AT_ONCE = { large: 3, middle: 24 } as const;
const MIDDLE_MESSAGE = 32 * 1024;
/** A next hop that does not answer holds up nobody but its own messages for longer than this. */
const TURN_MS = 30_000;

/** One distinct recipient path of a transaction. Exact repetitions share its copy and its outcome. */
interface Pending {
  readonly recipient: EnvelopeRecipient;
  readonly key: string;
}

function claimId(message: string, entry: Pending): ClaimId {
  return `${message} ${entry.key}`;
}

/** Copies that go out in one transaction of the next hop. */
interface Group {
  readonly recipients: readonly Pending[];
  readonly copy: BuiltCopy;
}

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
  let late = 0;
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
      await deliverClaimed(transaction, message, key, claimed, replies, settled, log);
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
    transaction: Transaction,
    message: Buffer,
    key: string,
    claimed: readonly Pending[],
    replies: Map<string, Reply>,
    settled: Set<Pending>,
    log: Logger,
  ): Promise<void> {
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
    const handle = (): Promise<void> => sealAndSend(transaction, message, key, open, replies, settled, log);
    if (message.length <= MIDDLE_MESSAGE) await handle();
    else await turns[message.length > LARGE_MESSAGE ? 'large' : 'middle'](handle);
  }

  async function sealAndSend(
    transaction: Transaction,
    message: Buffer,
    key: string,
    open: readonly Pending[],
    replies: Map<string, Reply>,
    settled: Set<Pending>,
    log: Logger,
  ): Promise<void> {
    if (Date.now() >= transaction.deadline) {
      const busy = temporary('4.3.2', 'Too many large messages at once; the mail stays queued');
      for (const entry of open) replies.set(entry.key, busy);
      return;
    }
    const groups = await build(transaction, message, open, replies, log);
    /** Those whose last byte has reached the next hop, or never will. */
    const over = new Set<Group>();
    try {
      await mapLimited(groups, message.length > LARGE_MESSAGE ? 1 : CONCURRENT_COPIES, async (group) => {
        try {
          if (await send(transaction, key, group, replies, settled, log)) over.add(group);
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

  /** Plans every open recipient and builds every copy, before anything is sent. */
  async function build(
    transaction: Transaction,
    message: Buffer,
    open: readonly Pending[],
    replies: Map<string, Reply>,
    log: Logger,
  ): Promise<readonly Group[]> {
    const now = Date.now();
    const detection = detectEncrypted(message);
    const ruled = ruledMessage(message, transaction.envelope.sender);
    const outgoing = createOutgoing(
      parts.outgoingDirectory,
      transaction.id,
      MEMORY_PER_TRANSACTION,
      parts.giveBack,
    );
    const passing: Pending[] = [];
    const sealed: Group[] = [];
    await mapLimited(open, message.length > LARGE_MESSAGE ? 1 : CONCURRENT_COPIES, async (entry) => {
      const decision = await decide(entry.recipient.path, detection, ruled, now, log);
      metrics.copies.inc({ action: decision.action, because: decision.because });
      logDecision(log, entry, decision);
      if (decision.action === 'pass') passing.push(entry);
      else if (decision.action === 'seal') {
        try {
          const stop = metrics.sealSeconds.startTimer();
          const ciphertext = await sealCopy(
            message,
            decision,
            { host: parts.config().hostname, queueId: queueIdOf(transaction), date: new Date(now) },
            parts.encrypt,
            (sentence) => log.info({ to: entry.key.slice(0, 12) }, sentence),
          );
          stop();
          sealed.push({ recipients: [entry], copy: await outgoing.keep(ciphertext) });
        } catch (error) {
          log.error({ err: error }, 'sealing failed; Postfix keeps the mail');
          replies.set(
            entry.key,
            temporary('4.7.5', 'Encryption failed; the mail stays queued and will be tried again'),
          );
        }
      } else replies.set(entry.key, decision.reply);
    });
    return passing.length > 0 ? [...sealed, { recipients: passing, copy: inMemory(message) }] : sealed;
  }

  async function decide(
    path: RawPath,
    detection: ReturnType<typeof detectEncrypted>,
    message: RuledMessage,
    now: number,
    log: Logger,
  ): Promise<Decision> {
    try {
      const facts = await parts.directory.recipient(path);
      const choose = await parts.chooser(facts, now);
      return planCopy({ facts, global: parts.config().encryption, detection, message, choose });
    } catch (error) {
      const level = error instanceof DirectoryUnavailable ? 'warn' : 'error';
      log[level]({ err: error }, 'the directory cannot be asked');
      return directoryUnavailable();
    }
  }

  /** Never rejects: what was accepted was accepted. */
  async function remember(key: string, entry: Pending, reply: Reply, log: Logger): Promise<void> {
    try {
      await memory.remember(key, entry.key, reply.text);
    } catch (error) {
      log.error({ err: error }, 'an acceptance could not be recorded; a retry after a restart may repeat it');
    }
  }

  /** @returns whether the next hop's connection is done with the copy */
  async function send(
    transaction: Transaction,
    key: string,
    group: Group,
    replies: Map<string, Reply>,
    settled: Set<Pending>,
    log: Logger,
  ): Promise<boolean> {
    const result = await parts.nextHop().send({
      envelope: {
        sender: transaction.envelope.sender,
        parameters: transaction.envelope.parameters,
        recipients: group.recipients.map((entry) => entry.recipient),
      },
      xforward: transaction.xforward,
      message: await group.copy.bytes(),
      deadline: transaction.deadline,
      // The client waits for the record before it gives its result.
      onAccepted: (index, reply) => {
        const entry = group.recipients[index];
        return entry === undefined ? undefined : remember(key, entry, reply, log);
      },
    });
    group.recipients.forEach((entry, index) => {
      const recipient = result.recipients[index];
      if (recipient === undefined) return;
      replies.set(entry.key, recipient.reply);
      metrics.nextHopReplies.inc({ class: recipient.class });
      log.info(
        { to: entry.key.slice(0, 12), stage: recipient.stage, reply: formatReply(recipient.reply) },
        recipient.class,
      );
    });
    if (result.late === undefined) return true;
    waitForLate(result.late, key, group, settled, log);
    return false;
  }

  /** The deadline came before the next hop's answer: until it comes, a retry must not send again. */
  function waitForLate(
    answers: NonNullable<Awaited<ReturnType<NextHopClient['send']>>['late']>,
    key: string,
    group: Group,
    settled: Set<Pending>,
    log: Logger,
  ): void {
    const ids = group.recipients.map((entry) => claimId(key, entry));
    for (const entry of group.recipients) settled.delete(entry);
    claims.abandon(ids);
    late += 1;
    void answers
      .then((results) =>
        Promise.all(
          results.map(async (result) => {
            const entry = group.recipients[result.index];
            if (entry === undefined || result.class !== 'accepted') return;
            log.warn(
              { to: entry.key.slice(0, 12) },
              'the next hop accepted after our deadline; the retry will not send again',
            );
            await remember(key, entry, result.reply, log);
          }),
        ),
      )
      .catch((error: unknown) => log.error({ err: error }, 'the late answers of the next hop were lost'))
      .finally(() => {
        late -= 1;
        claims.release(ids);
      });
  }

  function logDecision(log: Logger, entry: Pending, decision: Decision): void {
    const entryOf = { to: entry.key.slice(0, 12), action: decision.action, because: decision.because };
    if (decision.action === 'pass' && decision.plaintextByChoice) {
      metrics.plaintextByChoice.inc({ because: decision.because });
      log.warn(
        { ...entryOf, leftOut: decision.leftOut },
        `passed in plaintext by choice: ${decision.reason}`,
      );
    } else if (decision.leftOut.length > 0)
      log.warn({ ...entryOf, leftOut: decision.leftOut }, decision.reason);
    else log.debug(entryOf, decision.reason);
  }

  return {
    deliver,
    deliverAsOne: createDeliverAsOne(parts, deliver),
    abandon,
    lateDeliveries: () => late,
    busy: () => active + late,
  };
}
