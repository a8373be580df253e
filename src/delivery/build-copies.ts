// What one transaction becomes: every open recipient planned, and every copy built, before anything is sent.
import { DirectoryUnavailable } from '../directory/types.ts';
import { detectEncrypted } from '../message/detect.ts';
import type { Logger } from '../observe/log.ts';
import { mapLimited } from '../pacing/map-limited.ts';
import type { EnvelopeRecipient, RawPath, Reply, Transaction } from '../smtp/types.ts';
import type { Decision } from './decision.ts';
import { type BuiltCopy, createOutgoing, inMemory } from './outgoing.ts';
import type { DeliveryParts } from './parts.ts';
import { directoryUnavailable, planCopy } from './plan.ts';
import { type RuledMessage, ruledMessage } from './rules.ts';
import { sealCopy } from './seal-copy.ts';
import { queueIdOf, temporary } from './transaction.ts';

/** One distinct recipient path of a transaction. Exact repetitions share its copy and its outcome. */
export interface Pending {
  readonly recipient: EnvelopeRecipient;
  /** Of the memory of deliveries. */
  readonly key: string;
}

/** Copies that go out in one transaction of the next hop. */
export interface Group {
  readonly recipients: readonly Pending[];
  readonly copy: BuiltCopy;
}

/** Ciphertext of one transaction that may stay in memory: a message of 25 MB, sealed for one recipient. */
const MEMORY_PER_TRANSACTION = 40 * 2 ** 20;
const CONCURRENT_COPIES = 8;
/** Above this size (bytes) copies are built and sent one after the other. */
export const LARGE_MESSAGE = 2 ** 20;

/** How many copies of a message are built, or sent, at once. */
export function copiesAtOnce(message: Buffer): number {
  return message.length > LARGE_MESSAGE ? 1 : CONCURRENT_COPIES;
}

export type CopyBuilder = (
  transaction: Transaction,
  message: Buffer,
  open: readonly Pending[],
  log: Logger,
) => Promise<{
  readonly groups: readonly Group[];
  /** By recipient key: those who get no copy. */
  readonly refused: ReadonlyMap<string, Reply>;
}>;

/** The builder never rejects for one recipient's sake: whoever cannot be planned or sealed for is refused for now. */
export function createCopyBuilder(parts: DeliveryParts): CopyBuilder {
  const { metrics } = parts;

  const build: CopyBuilder = async (transaction, message, open, log) => {
    const now = Date.now();
    const refused = new Map<string, Reply>();
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
    await mapLimited(open, copiesAtOnce(message), async (entry) => {
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
          refused.set(
            entry.key,
            temporary('4.7.5', 'Encryption failed; the mail stays queued and will be tried again'),
          );
        }
      } else refused.set(entry.key, decision.reply);
    });
    const groups =
      passing.length > 0 ? [...sealed, { recipients: passing, copy: inMemory(message) }] : sealed;
    return { groups, refused };
  };

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

  return build;
}
