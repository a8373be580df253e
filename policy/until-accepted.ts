// A database that was restored from a backup may lack users that came after it. Until somebody accepts it, no lookup refuses a
// recipient for good. Pure.
import { LOOKUP_FAILED } from '../src/smtp/our-replies.ts';
import { type AddressFacts, type Answer, type AnswerOptions, refusesForGood } from './facts.ts';

/** The answer as it counts now: what would return mail to its sender says "later" instead. */
export function untilAccepted(
  { asked, recipient }: AddressFacts,
  answer: Answer,
  { mailboxDomain }: Pick<AnswerOptions, 'mailboxDomain'>,
): Answer {
  const { restoredFrom } = recipient;
  if (restoredFrom === undefined) return answer;
  // Of mailbox_domain, which need be no domain of ours, Postfix knows that mail for it ends here.
  const unknownMailbox =
    answer.kind === 'not found' &&
    recipient.resolution.kind === 'nobody' &&
    mailboxDomain !== '' &&
    asked?.domain === mailboxDomain;
  if (!refusesForGood(answer) && !unknownMailbox) return answer;
  return {
    kind: 'temporary',
    enhanced: LOOKUP_FAILED.restored,
    reason: `${answer.reason}; the database is as a backup of ${restoredFrom} had it, which may lack newer users: see "sealpost restore --accept"`,
  };
}
