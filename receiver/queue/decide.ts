// What happens to a message on its way into the queue: sealed for each of its readers, kept waiting, or refused. The filter's
// plan, with the queue's own rule that nothing in it may be readable (receiver.md). Pure.
import type { Settings } from '../../src/config/settings.ts';
import type { Decision, PlanInput } from '../../src/delivery/decision.ts';
import { planCopy } from '../../src/delivery/plan.ts';
import type { RuledMessage } from '../../src/delivery/rules.ts';
import type { SealDecision } from '../../src/delivery/seal-copy.ts';
import type { Reader, RecipientFacts, StoredKey, User } from '../../src/directory/types.ts';
import type { KeyChoice } from '../../src/keys/choose.ts';
import type { Detection } from '../../src/message/detection.ts';
import type { Reply } from '../../src/smtp/types.ts';

export interface UserCopy {
  readonly user: User;
  readonly seal: SealDecision;
}

/** Why a message is not filed, as a word for logs, metrics and the table of attempts. */
export type Obstacle =
  | Decision['because']
  | 'unknown recipient'
  | 'reader outside'
  | 'over quota'
  | 'sealing failed'
  | 'read error'
  | 'internal error';

export type QueueDecision =
  | { readonly action: 'file'; readonly copies: readonly UserCopy[] }
  | {
      /** `wait`: may change by itself; `refuse`: will not. */
      readonly action: 'wait' | 'refuse';
      readonly because: Obstacle;
      readonly reply: Reply;
      /** Whose keys or settings it hangs on. */
      readonly userIds: readonly number[];
    };

/** Mail that is encrypted already is sealed all the same: its header must not be readable in the queue. */
const SEALED_WHOLE: Detection = { encrypted: false, because: 'in the queue everything is sealed' };

export interface QueueDecisionInput {
  readonly facts: RecipientFacts;
  readonly global: Settings;
  /** What rules look at. */
  readonly message: RuledMessage;
  readonly choose: (keys: readonly StoredKey[]) => KeyChoice;
}

/** Decides on all readers of one recipient address; one that has to wait holds the others up, so that nothing is half done. */
export function decideForQueue(input: QueueDecisionInput): QueueDecision {
  const { resolution } = input.facts;
  if (resolution.kind === 'nobody' || resolution.kind === 'contact') {
    return refused('refuse', 'unknown recipient', {
      code: 550,
      enhanced: '5.1.1',
      text: 'No such recipient here',
    });
  }
  if (resolution.kind === 'loop' || resolution.readers.length === 0) return notSealed(plan(input), []);
  const copies: UserCopy[] = [];
  for (const reader of resolution.readers) {
    if (reader.kind !== 'user') {
      return refused('wait', 'reader outside', {
        code: 451,
        enhanced: '4.3.5',
        text: 'The alias leads to an address without a queue here; Postfix must expand it before (virtual_alias_maps)',
      });
    }
    const decision = plan(input, reader);
    if (decision.action !== 'seal') return notSealed(decision, [reader.user.id]);
    copies.push({ user: reader.user, seal: decision });
  }
  return { action: 'file', copies: uniqueUsers(copies) };
}

function uniqueUsers(copies: readonly UserCopy[]): readonly UserCopy[] {
  return [...new Map(copies.map((copy) => [copy.user.id, copy])).values()];
}

/**
 * The plan for one reader alone: a copy of its own, which tells of no other reader. The queue holds OpenPGP messages only. A
 * rule that lets mail pass is for mailboxes that show plaintext; here it is sealed as if there were none.
 */
function plan(input: QueueDecisionInput, reader?: Reader): Decision {
  const { facts, global, choose, message } = input;
  const asked: PlanInput = {
    facts:
      reader === undefined ? facts : { ...facts, resolution: { kind: 'user', readers: [reader], via: [] } },
    global,
    detection: SEALED_WHOLE,
    message,
    choose: (keys) => choose(keys.filter(({ kind }) => kind === 'openpgp')),
  };
  const decision = planCopy(asked);
  return decision.action === 'pass' && decision.because === 'rule'
    ? planCopy({ ...asked, message: null })
    : decision;
}

function notSealed(decision: Decision, userIds: readonly number[]): QueueDecision {
  if (decision.action === 'defer' || decision.action === 'reject') {
    const action = decision.action === 'reject' ? 'refuse' : 'wait';
    return { action, because: decision.because, reply: decision.reply, userIds };
  }
  const reply = {
    code: 450,
    enhanced: '4.7.5',
    text: 'This mail cannot be sealed now, and nothing is queued unsealed here',
  };
  return { action: 'wait', because: decision.because, reply, userIds };
}

function refused(action: 'wait' | 'refuse', because: Obstacle, reply: Reply): QueueDecision {
  return { action, because, reply, userIds: [] };
}
