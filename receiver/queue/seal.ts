// A message on its way into the queue, from memory or from a file: who gets it, and a ciphertext for each of them. What it
// gives holds ciphertext only.
import { randomBytes } from 'node:crypto';
import type { Engine } from '../../src/delivery/engine.ts';
import { type BuiltCopy, createOutgoing } from '../../src/delivery/outgoing.ts';
import type { RuledMessage } from '../../src/delivery/rules.ts';
import { DirectoryUnavailable } from '../../src/directory/types.ts';
import type { Logger } from '../../src/observe/log.ts';
import type { Metrics } from '../../src/observe/metrics.ts';
import type { PlaintextFile } from '../../src/openpgp/types.ts';
import { FILE_FAILED } from '../../src/smtp/our-replies.ts';
import { decideForQueue, type QueueDecision, type UserCopy } from './decide.ts';
import type { CiphertextInFile, Parcel, SealedCopy } from './filing.ts';
import type { MessageId } from './types.ts';

/** What sealing for the queue needs of the world around it. */
export interface SealingContext {
  readonly engine: Pick<Engine, 'directory' | 'decider' | 'sealer'>;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** For ciphertext that does not fit into memory. */
  readonly outgoingDirectory: string;
}

/** Bytes of ciphertext of a message with several readers that stay in memory; other copies wait in files. */
const COPIES_UP_TO = 4 * 2 ** 20;

/**
 * The decision on one recipient address, and whether it is in a domain of ours.
 * @throws DirectoryUnavailable
 */
export async function decideFor(
  path: string,
  message: RuledMessage,
  context: SealingContext,
): Promise<QueueDecision & { readonly ours: boolean }> {
  const { directory, decider } = context.engine;
  const facts = await directory.recipient(path);
  const ours = facts.domain !== null;
  try {
    const decision = decideForQueue(await decider.forQueue(facts, message));
    for (const { user, seal: chosen } of decision.action === 'file' ? decision.copies : []) {
      if (chosen.leftOut.length > 0)
        context.logger.warn(
          { event: 'keys_left_out', user: user.id, left_out: chosen.leftOut },
          chosen.reason,
        );
    }
    return { ...decision, ours };
  } catch (error) {
    if (error instanceof DirectoryUnavailable) throw error;
    context.logger.error(
      { event: 'decision_failed', err: error },
      'a recipient could not be decided on; the mail stays where it is',
    );
    return {
      action: 'wait',
      because: 'internal error',
      reply: FILE_FAILED,
      userIds: [],
      ours,
    };
  }
}

export interface Sealed {
  readonly parcel: Parcel;
  /** Nobody needs the ciphertext any more. Never rejects. */
  readonly discard: () => Promise<void>;
}

/**
 * Seals a message whole, its header too, once for each user. Where these are several, what exceeds 4 MiB of ciphertext waits in
 * files.
 * @returns null when sealing failed, which is logged
 */
export async function seal(
  message: Uint8Array | PlaintextFile,
  copies: readonly UserCopy[],
  idOf: (userId: number) => MessageId,
  { engine, metrics, logger, outgoingDirectory }: SealingContext,
): Promise<Sealed | null> {
  const outgoing = createOutgoing(
    outgoingDirectory,
    randomBytes(12).toString('hex'),
    copies.length === 1 ? Number.POSITIVE_INFINITY : COPIES_UP_TO,
    engine.sealer.giveBack,
  );
  const built: BuiltCopy[] = [];
  const discard = async (): Promise<void> => {
    const discarded = await Promise.allSettled(built.map((copy) => copy.discard(true)));
    for (const each of discarded)
      if (each.status === 'rejected')
        logger.warn(
          { event: 'leftover_kept', err: each.reason },
          'a file with ciphertext could not be removed',
        );
  };
  try {
    const sealed: SealedCopy[] = [];
    for (const { user, seal: decision } of copies) {
      const stop = metrics.sealSeconds.startTimer();
      const { keys, hideKeyIds } = decision;
      const ciphertext = await engine.sealer.encrypt({
        plaintext: message,
        keys,
        hideKeyIds,
        format: 'binary',
      });
      stop();
      const copy = await outgoing.keep([ciphertext]);
      built.push(copy);
      sealed.push({ id: idOf(user.id), userId: user.id, ciphertext: inFile(copy, ciphertext.length) });
    }
    return { parcel: { copies: sealed }, discard };
  } catch (error) {
    await discard();
    logger.error({ event: 'sealing_failed', err: error }, 'sealing failed; the mail stays where it is');
    return null;
  }
}

function inFile(copy: BuiltCopy, length: number): CiphertextInFile {
  return {
    length,
    async read() {
      const [ciphertext] = await copy.bytes();
      if (ciphertext?.length !== length) throw new Error('ciphertext that waited in a file is not whole');
      return ciphertext;
    },
  };
}
