// check_recipient: whether mail for an address is taken, decided while the client still listens (policy.md, "Maps"). Pure.
import type { Settings } from '../src/config/settings.ts';
import { planCopy } from '../src/delivery/plan.ts';
import { rulesOfReader } from '../src/delivery/plan-reader.ts';
import { DEFAULT_REFUSALS, type RefusalReason } from '../src/directory/refusal-texts.ts';
import type { Reader, User } from '../src/directory/types.ts';
import type { Detection } from '../src/message/detect.ts';
import { LOOP, readersOf } from './answers.ts';
import {
  type AddressFacts,
  type Answer,
  type AnswerOptions,
  type Choose,
  found,
  type Mailbox,
  notFound,
} from './facts.ts';

/** The message has not been seen: it counts as one that needs a key. */
const NOT_SEEN: Detection = { encrypted: false, because: 'the message has not been sent yet' };

/** RFC 3463 codes by reason, permanent and temporary. */
const ENHANCED: Readonly<Record<RefusalReason, { readonly reject: string; readonly defer: string }>> = {
  unknown: { reject: '5.1.1', defer: '4.1.1' },
  disabled: { reject: '5.2.1', defer: '4.2.1' },
  over_quota: { reject: '5.2.2', defer: '4.2.2' },
};

export interface CheckOptions extends AnswerOptions {
  /** The [encryption] settings. */
  readonly global: Settings;
}

/**
 * Decides. An alias is refused only when nobody behind it could take the mail; the key settings are asked as the filter
 * would ask them.
 * @param size bytes of the message where they are known, else null
 */
export function checkRecipient(
  facts: AddressFacts,
  size: number | null,
  choose: Choose,
  options: CheckOptions,
): Answer {
  if (facts.asked === null) return notFound('the key is no address');
  const { resolution } = facts.recipient;
  if (resolution.kind === 'loop') return LOOP;
  if (facts.domain === null && facts.asked.domain !== options.mailboxDomain)
    return notFound('the domain is not ours');
  const verdicts = readersOf(facts).map((reader) => verdictOn(reader, facts, size));
  const known = resolution.kind === 'user' || resolution.kind === 'alias';
  if (!known || verdicts.length === 0) return refusal('unknown', facts);
  if (!verdicts.includes('can take it')) {
    // What may change by itself is named first: the sender tries again.
    const [reason = 'unknown'] = (['over_quota', 'disabled', 'unknown'] as const).filter((each) =>
      verdicts.includes(each),
    );
    return refusal(reason, facts);
  }
  const decision = planCopy({
    facts: facts.recipient,
    global: options.global,
    detection: NOT_SEEN,
    message: null,
    choose,
  });
  // Readers that differ are no trouble once Postfix has expanded the alias, which happens after this question.
  if (
    (decision.action === 'defer' || decision.action === 'reject') &&
    decision.because !== 'alias readers differ'
  ) {
    if (readersOf(facts).some((reader) => hasPassRule(facts, reader)))
      return found('DUNNO', 'a rule may let the message pass without a key; the filter decides');
    const { enhanced, text } = decision.reply;
    return found(
      `${decision.action === 'reject' ? 'REJECT' : 'DEFER_IF_PERMIT'} ${enhanced} ${text}`,
      decision.reason,
    );
  }
  return found('DUNNO', resolution.kind === 'user' ? 'an active user' : 'an alias that somebody reads');
}

/** Whether a message passes by a rule is known once there is a message. */
function hasPassRule({ recipient }: AddressFacts, reader: Reader): boolean {
  return rulesOfReader(recipient, reader).some(({ rule }) => rule.action === 'pass');
}

type Verdict = 'can take it' | RefusalReason;

function verdictOn(reader: Reader, facts: AddressFacts, size: number | null): Verdict {
  if (reader.kind !== 'user') return facts.strangers.has(reader.address) ? 'unknown' : 'can take it';
  if (reader.user.status === 'disabled') return 'disabled';
  return isOverQuota(reader.user, facts.mailboxes.get(reader.user.id), size) ? 'over_quota' : 'can take it';
}

/** Whether a mailbox is full, or would be with this message. */
export function isOverQuota(
  { quotaBytes }: Pick<User, 'quotaBytes'>,
  mailbox: Pick<Mailbox, 'quotaMessages' | 'usedBytes' | 'usedMessages'> | undefined,
  size: number | null,
): boolean {
  if (mailbox === undefined) return false;
  const { quotaMessages, usedBytes, usedMessages } = mailbox;
  if (quotaMessages !== null && usedMessages >= quotaMessages) return true;
  return quotaBytes !== null && (usedBytes >= quotaBytes || usedBytes + (size ?? 0) > quotaBytes);
}

const REASONS: Readonly<Record<RefusalReason, string>> = {
  unknown: 'nobody has this address',
  disabled: 'nobody behind the address is active',
  over_quota: 'every mailbox behind the address is full',
};

function refusal(reason: RefusalReason, { domain }: AddressFacts): Answer {
  const { action, text } = { ...DEFAULT_REFUSALS[reason], ...domain?.refusals[reason] };
  if (action === 'accept') return found('DUNNO', `${REASONS[reason]}, and the domain accepts that`);
  const command = action === 'defer' ? 'DEFER_IF_PERMIT' : 'REJECT';
  const enhanced = action === 'defer' ? ENHANCED[reason].defer : ENHANCED[reason].reject;
  return found(`${command} ${enhanced} ${text}`, REASONS[reason]);
}
