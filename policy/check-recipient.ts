// check_recipient: whether mail for an address is taken, decided while the client still listens. Pure.

import type { RefusalReason } from '../src/config/refusal-texts.ts';
import type { EachDecided } from '../src/delivery/decide.ts';
import type { Verdict as KeyVerdict } from '../src/delivery/decision.ts';
import { keyDoorOf } from '../src/delivery/key-address.ts';
import type { ReaderDecision } from '../src/delivery/plan.ts';
import { readersOf } from '../src/directory/readers.ts';
import type { Reader, Unclear, User } from '../src/directory/types.ts';
import { RECIPIENT_REFUSALS, readerUnclear } from '../src/smtp/our-replies.ts';
import { LOOP } from './answers.ts';
import {
  type AddressFacts,
  type Answer,
  type AnswerOptions,
  type DomainFacts,
  found,
  type Mailbox,
  notFound,
} from './facts.ts';

/**
 * Decides. An alias is refused where nobody behind it could take the mail, and where its domain's key settings refuse a
 * copy that would go outside; the key settings are asked as the filter would ask them.
 * @param size bytes of the message where they are known, else null
 * @param decided what the key settings say of each reader, before there is a message
 */
export function checkRecipient(
  facts: AddressFacts,
  size: number | null,
  decided: EachDecided,
  options: AnswerOptions,
): Answer {
  if (facts.asked === null) return notFound('the key is no address');
  const { resolution } = facts.recipient;
  if (resolution.kind === 'loop') return LOOP;
  if (resolution.kind === 'unclear') return unclear(resolution.because);
  if (facts.domain === null && facts.asked.domain !== options.mailboxDomain)
    return notFound('the domain is not ours');
  const readers = readersOf(facts.recipient).map((reader) => ({
    reader,
    verdict: verdictOn(reader, facts, size),
  }));
  const verdicts = readers.map(({ verdict }) => verdict);
  const known = resolution.kind === 'user' || resolution.kind === 'alias';
  if (keyDoorOf(facts.recipient, options.keyAddress) === 'takes') return found('DUNNO', 'the key address');
  if (!known || verdicts.length === 0) return refusal('unknown', facts);
  if (!verdicts.includes('can take it')) {
    // What may change by itself is named first: the sender tries again.
    const [reason = 'unknown'] = (['over_quota', 'disabled', 'unknown'] as const).filter((each) =>
      verdicts.includes(each),
    );
    return refusal(reason, facts);
  }
  const plans = readers.flatMap((each, index) => {
    const copy = decided.copies[index];
    return copy === undefined ? [] : [{ ...each, ...aloneOf(copy) }];
  });
  const refused = refusedByKeys(plans);
  if (refused !== null) {
    const { enhanced, text } = refused.reply;
    return found(
      `${refused.action === 'reject' ? 'REJECT' : 'DEFER_IF_PERMIT'} ${enhanced} ${text}`,
      refused.reason,
    );
  }
  if (plans.some(({ excused }) => excused))
    return found('DUNNO', 'a rule may let the message pass without a key; the filter decides');
  return found('DUNNO', resolution.kind === 'user' ? 'an active user' : 'an alias that somebody reads');
}

type Refused = Extract<KeyVerdict, { action: 'defer' | 'reject' }>;

interface AlonePlan {
  /** What the key settings refuse. */
  readonly refused: Refused | null;
  /** They would, but a rule may know better. */
  readonly excused: boolean;
}

/**
 * One reader's copy alone, as the filter sees it where Postfix has expanded the alias. Where the filter sees the alias itself
 * it is stricter, and says so itself: which of the two it will be is not known here, and a refusal cannot be taken back.
 * Whether a message passes by a rule is known once there is a message.
 */
function aloneOf({ decision }: ReaderDecision): AlonePlan {
  if (decision.action !== 'defer' && decision.action !== 'reject') return { refused: null, excused: false };
  const excused = decision.readers.some(({ rules }) => rules.some(({ rule }) => rule.action === 'pass'));
  return { refused: excused ? null : decision, excused };
}

/**
 * What the key settings refuse to the address as a whole: what they refuse to every reader who could take the mail. One
 * outside is enough: once the alias is expanded, nobody knows any more that its domain forbids plaintext there.
 */
function refusedByKeys(
  plans: readonly (AlonePlan & { readonly reader: Reader; readonly verdict: Verdict })[],
): Refused | null {
  const outside = plans.filter(({ reader, refused }) => reader.kind !== 'user' && refused !== null);
  const takers = plans.filter(({ verdict }) => verdict === 'can take it');
  const binding =
    outside.length > 0 ? outside : takers.every(({ refused }) => refused !== null) ? takers : [];
  const refusals = binding.flatMap(({ refused }) => refused ?? []);
  return refusals.find(({ action }) => action === 'defer') ?? refusals[0] ?? null;
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

/** As the filter will: told while the client listens, the sender learns of it at once. */
function unclear(because: Unclear): Answer {
  const { enhanced, text } = readerUnclear(because);
  return found(`DEFER_IF_PERMIT ${enhanced} ${text}`, because);
}

const REASONS: Readonly<Record<RefusalReason, string>> = {
  unknown: 'nobody has this address',
  disabled: 'nobody behind the address is active',
  over_quota: 'every mailbox behind the address is full',
};

/**
 * Whether nobody is at an address that an alias leads to: the directory calls it outside, although its domain is ours, and
 * the domain does not leave it to the next hop to know its recipients.
 * @param home the domain of the address, null where it is not ours
 */
export function isStranger(reader: Reader, home: DomainFacts | null): boolean {
  return reader.kind === 'outside' && home !== null && textAndAction('unknown', home).action !== 'accept';
}

function textAndAction(reason: RefusalReason, domain: DomainFacts | null) {
  return { ...RECIPIENT_REFUSALS[reason], ...domain?.refusals[reason] };
}

function refusal(reason: RefusalReason, { domain }: AddressFacts): Answer {
  const { action, text, defer, reject } = textAndAction(reason, domain);
  if (action === 'accept') return found('DUNNO', `${REASONS[reason]}, and the domain accepts that`);
  const command = action === 'defer' ? `DEFER_IF_PERMIT ${defer}` : `REJECT ${reject}`;
  return found(`${command} ${text}`, REASONS[reason]);
}
