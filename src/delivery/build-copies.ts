// What one transaction becomes: every open recipient planned, and every copy built, before anything is sent.
import { DirectoryUnavailable } from '../directory/types.ts';
import type { Logger } from '../observe/log.ts';
import { createBreather } from '../pacing/breather.ts';
import { mapLimited } from '../pacing/map-limited.ts';
import { createRation } from '../pacing/ration.ts';
import { dividerOf, splitOnce } from '../sealing/divided-message.ts';
import { KEY_LETTER_NOT_READ, KEY_LETTER_READ, SEALING_FAILED } from '../smtp/our-replies.ts';
import type { EnvelopeRecipient, RawPath, Transaction } from '../smtp/types.ts';
import type { DeliveryContext } from './context.ts';
import type { Seen } from './decide.ts';
import { type Decision, passesUnknown, type Verdict } from './decision.ts';
import { type End, isOurs } from './fate.ts';
import { type BuiltCopy, createOutgoing, inMemory } from './outgoing.ts';
import { decisionFailed, directoryUnavailable } from './plan.ts';
import { ruledMessage } from './rules.ts';
import { sealCopy } from './seal-copy.ts';
import { queueIdOf } from './transaction.ts';

/** One distinct recipient path of a transaction. Exact repetitions share its copy and its outcome. */
export interface Pending {
  readonly recipient: EnvelopeRecipient;
  /** What the recipient is remembered by. */
  readonly hash: string;
}

/** One for whom there is a copy. */
export interface Planned extends Pending {
  readonly verdict: Verdict | Decision;
}

/** Copies that go out in one transaction of the next hop. */
export interface Group {
  readonly recipients: readonly Planned[];
  readonly copy: BuiltCopy;
}

/** Ciphertext of one transaction that may stay in memory: a message of 25 MB, sealed for one recipient. */
const MEMORY_PER_TRANSACTION = 40 * 2 ** 20;
const CONCURRENT_COPIES = 8;
/** Whoever writes the address causes this line: so many a minute, by each process. The metric counts all of them. */
const UNCLEAR_LINES = { most: 10, spanMs: 60_000 } as const;
/** Above this size (bytes) copies are built and sent one after the other. */
export const LARGE_MESSAGE = 2 ** 20;

/** How many copies of a message are built, or sent, at once. */
export function copiesAtOnce(message: Buffer): number {
  return message.length > LARGE_MESSAGE ? 1 : CONCURRENT_COPIES;
}

/** Whether a letter is read for keys, whatever else becomes of it. */
function isForKeys(decision: Verdict | Decision): decision is Decision {
  if (!('facts' in decision)) return false;
  const goesOn = decision.action === 'pass' || decision.action === 'seal';
  return decision.action === 'take' || (goesOn && decision.readForKeys === true);
}

export type CopyBuilder = (
  transaction: Transaction,
  message: Buffer,
  open: readonly Pending[],
  log: Logger,
) => Promise<{
  readonly groups: readonly Group[];
  /** By recipient hash: those who get no copy. */
  readonly ended: ReadonlyMap<string, End>;
}>;

/** The builder never rejects for one recipient's sake: whoever cannot be planned or sealed for is refused for now. */
export function createCopyBuilder(context: DeliveryContext): CopyBuilder {
  const { metrics } = context;
  const unclear = createRation(UNCLEAR_LINES.most, UNCLEAR_LINES.spanMs);

  const build: CopyBuilder = async (transaction, message, open, log) => {
    const now = Date.now();
    const ended = new Map<string, End>();
    const split = splitOnce(message);
    const breathe = createBreather();
    const detection = await context.detect(message);
    await breathe();
    const { sender } = transaction.envelope;
    const seen: Seen = { detection, message: ruledMessage(message, sender, message.length, split) };
    const outgoing = createOutgoing(
      context.outgoingDirectory,
      transaction.id,
      MEMORY_PER_TRANSACTION,
      context.giveBack,
    );
    const passing: Planned[] = [];
    const sealed: Group[] = [];
    const divide = dividerOf(message, split);
    await mapLimited(open, copiesAtOnce(message), async (entry) => {
      // A header of many words is read for each recipient's rules.
      await breathe();
      const decision = await decide(entry.recipient.path, seen, log);
      const planned = { ...entry, verdict: decision };
      metrics.copies.inc({ action: decision.action, because: decision.because });
      logDecision(log, entry, decision, seen);
      const taken = await readForKeys(decision, message, sender, log);
      if (taken !== null) ended.set(entry.hash, taken);
      else if (decision.action === 'pass') passing.push(planned);
      else if (decision.action === 'seal') {
        try {
          // What stands outside is found out once for all who want the same.
          await breathe();
          const stop = metrics.sealSeconds.startTimer();
          const ciphertext = await sealCopy(
            message,
            decision,
            { host: context.config().hostname, queueId: queueIdOf(transaction), date: new Date(now) },
            context,
            (sentence) => log.info({ event: 'sealed_otherwise', ...recipientOf(entry, decision) }, sentence),
            divide,
          );
          stop();
          sealed.push({ recipients: [planned], copy: await outgoing.keep(ciphertext) });
        } catch (error) {
          log.error({ event: 'sealing_failed', err: error }, 'sealing failed; Postfix keeps the mail');
          ended.set(entry.hash, {
            reply: SEALING_FAILED,
            ending: { by: 'us', because: 'sealing failed' },
          });
        }
      } else if (decision.action !== 'take') {
        ended.set(entry.hash, { reply: decision.reply, ending: { by: 'decision', verdict: decision } });
      }
    });
    const groups =
      passing.length > 0 ? [...sealed, { recipients: passing, copy: inMemory(message) }] : sealed;
    return { groups, ended };
  };

  /** @returns null where the copy goes on */
  async function readForKeys(
    decision: Verdict | Decision,
    message: Buffer,
    sender: RawPath,
    log: Logger,
  ): Promise<End | null> {
    const { keyDoor } = context;
    if (!isForKeys(decision)) return null;
    const domain = decision.facts.domain?.name ?? '';
    try {
      if (keyDoor === null) throw new Error('letters to the key address are not read here');
      const reason = await keyDoor({ message, sender, domain });
      if (decision.action !== 'take') {
        log.info({ event: 'key_letter_passed' }, `read for keys, and it goes on as any other: ${reason}`);
        return null;
      }
      return { reply: KEY_LETTER_READ, ending: { by: 'decision', verdict: { ...decision, reason } } };
    } catch (error) {
      log.error(
        { event: 'key_letter_unread', err: error },
        'a letter to the key address could not be read; Postfix keeps the mail',
      );
      return { reply: KEY_LETTER_NOT_READ, ending: { by: 'us', because: 'key letter not read' } };
    }
  }

  function recipientOf({ recipient: { path } }: Pending, decision: Verdict | Decision) {
    const recipient = context.shown(path, isOurs(decision));
    return recipient === '' ? {} : { recipient };
  }

  async function decide(path: RawPath, seen: Seen, log: Logger): Promise<Verdict | Decision> {
    try {
      return await context.decider.copy(await context.directory.recipient(path), seen);
    } catch (error) {
      if (error instanceof DirectoryUnavailable) {
        log.warn({ event: 'database_lost', err: error }, 'the directory cannot be asked');
        return directoryUnavailable();
      }
      log.error(
        { event: 'decision_failed', err: error },
        'a recipient could not be decided on; Postfix keeps the mail',
      );
      return decisionFailed();
    }
  }

  function logDecision(log: Logger, entry: Pending, decision: Verdict | Decision, seen: Seen): void {
    const { action, because } = decision;
    const entryOf = () => ({ ...recipientOf(entry, decision), action, because });
    const unknown = 'facts' in decision && passesUnknown(decision, decision.facts, seen.detection);
    if (unknown) metrics.plaintextUnknown.inc();
    if (decision.action === 'pass' && decision.plaintextByChoice) {
      metrics.plaintextByChoice.inc({ because: decision.because });
      log.warn(
        { event: 'passed_by_choice', ...entryOf(), left_out: decision.leftOut },
        `passed in plaintext by choice: ${decision.reason}`,
      );
    } else if (decision.because === 'reader unclear') {
      const suppressed = unclear.next(Date.now());
      if (suppressed !== null)
        log.warn(
          { event: 'reader_unclear', ...entryOf(), suppressed },
          `deferred, whose address it is cannot be told: ${decision.reason}`,
        );
    } else if (unknown) {
      const where = decision.facts.domain === null ? 'at a name of this machine' : 'in a domain of ours';
      log.warn(
        { ...entryOf(), event: 'passed_unknown' },
        `passed in plaintext to an unknown address ${where}: ${decision.reason}`,
      );
    } else if (decision.leftOut.length > 0)
      log.warn({ event: 'keys_left_out', ...entryOf(), left_out: decision.leftOut }, decision.reason);
    else if (log.isLevelEnabled('debug')) log.debug(entryOf(), decision.reason);
  }

  return build;
}
