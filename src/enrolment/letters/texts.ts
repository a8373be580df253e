// What the catalogues are made of: the kinds of letters, and what the text of each is given.
import * as z from 'zod';

/**
 * - `sign in`: a link that was asked for;
 * - `confirm`: to a new key, and to it alone: a link that makes it count;
 * - `first key`: in the clear: mail is sealed from now on, and how to take that back;
 * - `recovery`: in the clear: a change comes without the key, and how to stop it;
 * - `administrator`: to the administrator: a recovery was stopped twice, or its letters could not be handed over;
 * - `test`: to the current keys, when asked for;
 * - `readers`: to a key that could read before: who can read was changed;
 * - `key came`: to the current keys: another key came by mail, and a link to sign in by which it can be handed over;
 * - `subkey`: to a key that can read before: another part of it takes over by itself.
 */
export const LETTER_KINDS = [
  'sign in',
  'confirm',
  'first key',
  'recovery',
  'administrator',
  'test',
  'readers',
  'key came',
  'subkey',
] as const;
export type LetterKind = (typeof LETTER_KINDS)[number];

/** One thing that changed in who can read. */
const newsSchema = z.discriminatedUnion('what', [
  z.object({ what: z.enum(['key added', 'key removed', 'subkey added']), fingerprint: z.string() }),
  z.object({ what: z.literal('setting'), name: z.string(), value: z.string() }),
  z.object({ what: z.literal('forward'), address: z.string() }),
  z.object({ what: z.enum(['pass rule', 'seal rule gone']) }),
]);
export type ReaderNews = Readonly<z.output<typeof newsSchema>>;

/** What the outbox keeps for a letter's text (column `details`). Times are Unix milliseconds. */
export const detailsSchema = z.object({
  /** Of the key that the letter is about. */
  fingerprint: z.string().optional(),
  /** Of its part that takes over. */
  subkey: z.string().optional(),
  /** When it was asked for, or happens. */
  at: z.number().optional(),
  /** When the recovery ends, or until when the first key can be taken back. */
  until: z.number().optional(),
  /** What the recovery is for. */
  change: z.enum(['key', 'remove key', 'settings', 'pass rule', 'leave', 'pause']).optional(),
  /** Who changed the readers: as in key_events. */
  actor: z.string().optional(),
  /** Of `confirm`: the request that a client of the Web Key Service answers. */
  wks: z.boolean().optional(),
  news: z.array(newsSchema).readonly().optional(),
});
export type LetterDetails = Readonly<z.output<typeof detailsSchema>>;

/** What a text names, as words of its language. */
export interface LetterWords {
  /** Whose mail it is about. */
  readonly address: string;
  /** In groups of four; '' where it is about no key. */
  readonly fingerprint: string;
  /** Of a part of the key, likewise. */
  readonly subkey: string;
  /** '' where there is none. */
  readonly at: string;
  readonly until: string;
  /** The page with the button; '' where the letter has none. */
  readonly link: string;
  /** When the link ends. */
  readonly linkUntil: string;
  /** The portal; '' where there is none. */
  readonly portal: string;
  /** What a recovery is for. */
  readonly change: string;
  /** One line for each change of the readers. */
  readonly news: readonly string[];
  readonly actor: string;
}

export interface LetterText {
  readonly subject: string;
  /** Paragraphs; a line feed within one stays. */
  readonly paragraphs: readonly string[];
}

/** All texts of one language. */
export interface Catalogue {
  readonly senderName: string;
  readonly letters: { readonly [Kind in LetterKind]: (words: LetterWords) => LetterText };
  readonly changes: { readonly [Change in NonNullable<LetterDetails['change']>]: string };
  readonly news: (news: ReaderNews) => string;
  /** Who changed something, for `LetterWords.actor`. */
  readonly actor: (actor: string) => string;
  /** A moment, with its time zone. @param at Unix milliseconds */
  readonly moment: (at: number) => string;
}

/** A moment in UTC: the letter does not know where its reader lives. */
export function momentIn(locale: string): (at: number) => string {
  const format = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'short', timeZone: 'UTC' });
  return (at) => `${format.format(at)} UTC`;
}
