// What a domain may say in place of sealpost's own answers to check_recipient (src/smtp/our-replies.ts): for each reason a text
// and an action.
import * as z from 'zod';

/** Why a recipient of ours is refused, beside the key settings. */
export const REFUSAL_REASONS = ['unknown', 'disabled', 'over_quota'] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** `accept` lets the mail through, for a domain that wants to bounce or drop it later. */
export const REFUSAL_ACTIONS = ['reject', 'defer', 'accept'] as const;
export type RefusalAction = (typeof REFUSAL_ACTIONS)[number];

/** A reply line has 512 bytes (RFC 5321, section 4.5.3.1.5), and Postfix puts the recipient before the text. */
const LONGEST_TEXT = 300;

const text = z
  .string()
  .min(1)
  .max(LONGEST_TEXT, `expected at most ${LONGEST_TEXT} characters`)
  .regex(/^[\x20-\x7e]+$/, 'expected printable ASCII: SMTP replies have no other characters');

const refusal = z.strictObject({ text: text.optional(), action: z.enum(REFUSAL_ACTIONS).optional() });

/** By reason; what is absent is as by default. */
export const refusalOverrideSchema = z.strictObject({
  unknown: refusal.optional(),
  disabled: refusal.optional(),
  over_quota: refusal.optional(),
});

export type RefusalOverride = Readonly<z.output<typeof refusalOverrideSchema>>;
