// The nouns of the flow: who asks, by which proof, for what, and what is answered.
import type { Config } from '../config/schema.ts';
import type { SettingName, Settings } from '../config/settings.ts';
import type { Database } from '../database/open.ts';
import type { KeyKind, Rule } from '../directory/types.ts';
import type { KeyRefusal } from '../keys/refusals.ts';
import type { Language } from './letters/language.ts';

export type { Language };

/** What every function of the flow needs. Reads the configuration for every call: a reload takes effect with the next one. */
export interface FlowContext {
  readonly database: Pick<Database, 'orm'>;
  readonly config: () => Config;
  /** Unix milliseconds; every time that the flow stores or compares comes from here, so that tests can move it. */
  readonly now: () => number;
}

/**
 * How far somebody has proved to be the owner of a mailbox.
 * - `mailbox`: a link in a letter in the clear was followed, or the mailbox password, a trusted header or a support link was shown;
 * - `key`: a letter sealed to these keys, and to nothing else, was read. It counts while all of them are current ones of the user;
 * - `administrator`: the command line's word.
 */
export type Proof =
  | { readonly level: 'mailbox' }
  | { readonly level: 'key'; readonly fingerprints: readonly string[] }
  | { readonly level: 'administrator' };

/** The doors by mail, as askers are named: whoever wrote such a letter has proved nothing by it. */
export const MAIL_DOORS = ['mail', 'wks'] as const;

/** Who asks the flow for something. */
export interface Asker {
  readonly userId: number;
  readonly proof: Proof;
  /** For the audit (key_events.actor), such as `portal` or `cli:root`. Printable ASCII. */
  readonly name: string;
  /** Of the letters that follow; null: as before, else English. */
  readonly language: Language | null;
  /** An IP address, for the limits; absent: not known. */
  readonly client?: string;
}

/** Where a new key goes. `renew`: a copy of a key that the user has, with subkeys or expiry that are new. */
export type Intent = 'add' | 'replace' | 'renew';

/** Settings as they shall be; null: as the domain has them. */
export type SettingsChange = { readonly [Name in SettingName]?: Settings[Name] | null };

/** What can be asked for, at once or by waiting (recovery). */
export type Change =
  | { readonly kind: 'key'; readonly fingerprint: string; readonly intent: Intent }
  | { readonly kind: 'remove key'; readonly fingerprint: string }
  | { readonly kind: 'settings'; readonly settings: SettingsChange }
  | { readonly kind: 'pass rule'; readonly rule: Omit<Rule, 'id' | 'action'> }
  /** No sealing any more: every key of the portal's is removed, and encrypt=off. */
  | { readonly kind: 'leave' }
  /** Mail is not sealed until that moment (Unix milliseconds), at most {@link LONGEST_PAUSE_MS} away. */
  | { readonly kind: 'pause'; readonly until: number };

export const LONGEST_PAUSE_MS = 86_400_000;

/** Why something is not done. Stable words: the portal has a text for each. */
export type RefusalCode =
  /** Only who has read a sealed letter may; it can be had by waiting (recovery). */
  | 'needs key'
  /** Too often: `retryAt` says when it may be tried again. */
  | 'limited'
  /** Unknown, ended by a newer one, or of an address that is no longer the user's. */
  | 'token unknown'
  | 'token used'
  | 'token expired'
  /** The user was removed or disabled meanwhile. */
  | 'no user'
  /** `key` says what is wrong with it. */
  | 'key refused'
  | 'secret key'
  /** The upload holds several certificates. */
  | 'several keys'
  | 'key known'
  | 'key unknown'
  /** A submission, a recovery, a pause: there is none (any more). */
  | 'nothing there'
  /** A recovery runs already. */
  | 'recovery runs'
  /** The first key's seven days are over. */
  | 'too late'
  /** portal.url is not set: a link would lead nowhere. */
  | 'no portal'
  | 'not allowed';

export interface FlowRefusal {
  readonly ok: false;
  readonly because: RefusalCode;
  readonly key?: KeyRefusal;
  /** Unix milliseconds. */
  readonly retryAt?: number;
}

export type Outcome<Found extends object = object> = ({ readonly ok: true } & Found) | FlowRefusal;

/** A key that waits for its letter to be read. Times are Unix milliseconds. */
export interface SubmissionView {
  readonly id: number;
  readonly fingerprint: string;
  readonly kind: KeyKind;
  readonly intent: Intent;
  readonly submittedAt: number;
  readonly expiresAt: number;
  /** When its letter was handed over; null: it waits to be sent. */
  readonly letterSentAt: number | null;
  /** When the link in the letter was followed; with a recovery it waits on from there. */
  readonly readAt: number | null;
  /** It becomes active by this recovery only; null: at once. */
  readonly recoveryId: number | null;
}

export interface RecoveryView {
  readonly id: number;
  readonly change: Change;
  readonly startedAt: number;
  readonly dueAt: number;
  /** `administrator`: it was stopped twice without the key, and waits for an administrator's word. */
  readonly state: 'waiting' | 'administrator';
}
