// What is told to the client once every recipient has its outcome: per recipient (LMTP), or one reply for all (SMTP and
// the pipe's exit code). Pure.

import { NO_RECIPIENT_HAS_AN_OUTCOME, oneForAll } from '../smtp/our-replies.ts';
import { classOf } from '../smtp/replies.ts';
import type { EnvelopeRecipient, Reply } from '../smtp/types.ts';

/** How one recipient ended. */
export interface RecipientOutcome {
  readonly recipient: EnvelopeRecipient;
  readonly reply: Reply;
}

/**
 * The one reply for all recipients.
 * - `reply`: this is the answer;
 * - `bounce`: some were accepted and the rest permanently refused: 250, once a notification for `refused` has itself
 *   been accepted downstream; `refused` is empty where nobody wants one (null sender, NOTIFY without FAILURE).
 */
export type SingleAnswer =
  | { readonly kind: 'reply'; readonly reply: Reply }
  | {
      readonly kind: 'bounce';
      readonly refused: readonly RecipientOutcome[];
      /** Refused, but no notification may be sent: these end with a log line. */
      readonly silent: readonly RecipientOutcome[];
      readonly reply: Reply;
    };

/** Chooses the single reply of SMTP (RFC 5321, section 4.2.5) for outcomes that may differ. */
export function singleAnswer(sender: string, outcomes: readonly RecipientOutcome[]): SingleAnswer {
  const accepted = outcomes.filter((outcome) => classOf(outcome.reply) === 'accepted');
  const temporary = outcomes.find((outcome) => classOf(outcome.reply) === 'temporary');
  const refused = outcomes.filter((outcome) => classOf(outcome.reply) === 'permanent');
  if (temporary !== undefined) {
    return { kind: 'reply', reply: oneForAll(temporary.reply) };
  }
  const [firstAccepted] = accepted;
  const [firstRefused] = refused;
  if (firstAccepted === undefined) {
    if (firstRefused !== undefined) return { kind: 'reply', reply: firstRefused.reply };
    return { kind: 'reply', reply: NO_RECIPIENT_HAS_AN_OUTCOME };
  }
  const success: Reply = { ...firstAccepted.reply, code: 250 };
  if (firstRefused === undefined) return { kind: 'reply', reply: success };
  const wanted = refused.filter((outcome) => sender !== '' && wantsFailureNotice(outcome.recipient));
  return {
    kind: 'bounce',
    refused: wanted,
    silent: refused.filter((outcome) => !wanted.includes(outcome)),
    reply: success,
  };
}

/** Whether NOTIFY allows a notification of failure; without NOTIFY it does (RFC 3461, section 4.1). */
export function wantsFailureNotice(recipient: EnvelopeRecipient): boolean {
  const notify = recipient.parameters.find((parameter) => parameter.keyword === 'NOTIFY')?.value;
  return notify === undefined || notify.toUpperCase().split(',').includes('FAILURE');
}

/** The end of one transaction. */
export interface Delivered {
  /** What the message is remembered by. */
  readonly messageHash: string;
  /** One for each envelope recipient, in order. */
  readonly outcomes: readonly RecipientOutcome[];
  /** Call once the client is known to have our success for these recipients (indices of the envelope). */
  readonly forget: (indices: readonly number[]) => void;
}
