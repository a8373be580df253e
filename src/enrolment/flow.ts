// The doors' way into the flow: each function loads the user's state under the row's lock, lets `decide` decide, and does what
// it says in the same transaction. Letters are rows of the outbox, which `serve` sends.
//
// All of them throw only what the database throws (isDatabaseUnavailable: a temporary failure; nothing was done then).

import type { EffectiveSettings, SettingsOverride } from '../config/settings.ts';
import type { KeyKind } from '../directory/types.ts';
import type { KeyEventView } from '../keys/chain.ts';
import type { CertificateFacts } from '../keys/facts.ts';
import type { KeyView } from '../keys/view.ts';
import { notBuilt } from './not-built.ts';
import type {
  Asker,
  Change,
  FlowContext,
  Intent,
  Language,
  Outcome,
  RecoveryView,
  SubmissionView,
} from './types.ts';

/** All that the home page tells. Times are Unix milliseconds. */
export interface Home {
  readonly userId: number;
  readonly address: string;
  readonly language: Language;
  readonly keys: readonly KeyView[];
  /** Fingerprints of those that a letter could be sealed to now. */
  readonly currentKeys: readonly string[];
  readonly settings: EffectiveSettings;
  readonly ownSettings: SettingsOverride;
  readonly submissions: readonly SubmissionView[];
  readonly recovery: RecoveryView | null;
  /** Until then the first key can be taken back at mailbox level; null: there is nothing to take back. */
  readonly undoUntil: number | null;
  /** Mail is not sealed until then; null: no pause. */
  readonly pausedUntil: number | null;
}

/** null: the user is not there. */
export async function readHome(context: FlowContext, userId: number): Promise<Home | null> {
  return notBuilt(context, userId);
}

/** The user's key events, newest first, and whether their chain is whole. */
export async function readHistory(
  context: FlowContext,
  userId: number,
): Promise<{ readonly events: readonly KeyEventView[]; readonly whole: boolean }> {
  return notBuilt(context, userId);
}

/** What was understood of an upload, before anything is stored or sent. */
export interface Understood {
  readonly fingerprint: string;
  readonly kind: KeyKind;
  readonly facts: CertificateFacts;
  /** User IDs as text for people: control characters are replaced. */
  readonly userIds: readonly string[];
  /** Unix milliseconds; null: never. */
  readonly expires: number | null;
  /** The user has it already, and this copy brings something new (`renew`), or nothing (`known`), or it is another key. */
  readonly relation: 'new' | 'renew' | 'known';
  /** A revocation of a key that the user has: {@link submitKey} obeys it at once. */
  readonly revokes: boolean;
}

/** Reads an upload (armored or binary, at most 256 KiB) for one user. Changes nothing. */
export async function understandKey(
  context: FlowContext,
  userId: number,
  upload: Uint8Array,
): Promise<Outcome<{ readonly key: Understood }>> {
  return notBuilt(context, userId, upload);
}

/**
 * Hands a key over. Nothing of it is used until the letter that is sealed to it was read ({@link confirmKey}); a newer one of
 * the same fingerprint takes the place of the older. A revocation certificate is obeyed at once.
 * @param intent ignored for the first key, and where the user has the fingerprint already
 * @returns `submitted`, or `revoked` where it was a revocation; refused with `needs key` where the proof is too weak:
 * {@link startRecovery} is the other way then
 */
export async function submitKey(
  context: FlowContext,
  asker: Asker,
  upload: Uint8Array,
  intent: Exclude<Intent, 'renew'>,
): Promise<Outcome<{ readonly result: 'submitted' | 'revoked'; readonly fingerprint: string }>> {
  return notBuilt(context, asker, upload, intent);
}

/** Sends the letter of a submission once more, with a new token: the older link is dead. */
export async function resendLetter(
  context: FlowContext,
  asker: Asker,
  submissionId: number,
): Promise<Outcome> {
  return notBuilt(context, asker, submissionId);
}

/** Takes a submission back; with it the recovery that waits for it. */
export async function withdrawKey(
  context: FlowContext,
  asker: Asker,
  submissionId: number,
): Promise<Outcome> {
  return notBuilt(context, asker, submissionId);
}

/**
 * The link in a new key's letter was followed and its button pressed. The token is used up in the transaction that acts. Who
 * presses needs no session: the token stands in the sealed letter only.
 * @param visit `client`: an IP address, for the limit of wrong tokens
 * @returns `active`: mail is sealed to it from now on; `waiting`: a recovery runs until `dueAt`
 */
export async function confirmKey(
  context: FlowContext,
  token: string,
  visit: { readonly client: string },
): Promise<
  Outcome<
    | { readonly result: 'active'; readonly fingerprint: string; readonly userId: number }
    | {
        readonly result: 'waiting';
        readonly fingerprint: string;
        readonly userId: number;
        readonly dueAt: number;
      }
  >
> {
  return notBuilt(context, token, visit);
}

/**
 * Asks for a change that is no new key: done at once, or refused with `needs key`. For a new key use {@link submitKey}.
 * Settings that become stronger need the mailbox only; a change that weakens anything needs the key as a whole.
 */
export async function requestChange(
  context: FlowContext,
  asker: Asker,
  change: Exclude<Change, { kind: 'key' }>,
): Promise<Outcome> {
  return notBuilt(context, asker, change);
}

/** Ends a pause before its time; sealing again needs the mailbox only. */
export async function endPause(context: FlowContext, asker: Asker): Promise<Outcome> {
  return notBuilt(context, asker);
}

/**
 * The key is lost: the change comes after `portal.recovery`, with letters in the clear on the way. One recovery at a time.
 * @param wanted a change, or a new key whose own letter has to be read as well, before the wait ends or after it
 */
export async function startRecovery(
  context: FlowContext,
  asker: Asker,
  wanted:
    | { readonly change: Exclude<Change, { kind: 'key' }> }
    | { readonly upload: Uint8Array; readonly intent: Exclude<Intent, 'renew'> },
): Promise<Outcome<{ readonly recovery: RecoveryView }>> {
  return notBuilt(context, asker, wanted);
}

/**
 * Stops the recovery that runs. At key level always; at mailbox level once, and the second time it goes to the administrator
 * (`administrator`): the recovery neither goes on nor ends without them.
 */
export async function stopRecovery(
  context: FlowContext,
  asker: Asker,
): Promise<Outcome<{ readonly result: 'stopped' | 'administrator' }>> {
  return notBuilt(context, asker);
}

/** The `stop` link of a recovery's letter: {@link stopRecovery} at mailbox level, without a session. */
export async function stopByLink(
  context: FlowContext,
  token: string,
  visit: { readonly client: string },
): Promise<Outcome<{ readonly result: 'stopped' | 'administrator' }>> {
  return notBuilt(context, token, visit);
}

/** Takes the first key back, with all keys that came by the portal after it. At mailbox level within seven days. */
export async function undoFirstKey(context: FlowContext, asker: Asker): Promise<Outcome> {
  return notBuilt(context, asker);
}

/** The `undo` link of the letter on the first key, without a session. */
export async function undoByLink(
  context: FlowContext,
  token: string,
  visit: { readonly client: string },
): Promise<Outcome> {
  return notBuilt(context, token, visit);
}

/** "Send me a test letter": sealed to the current keys. @returns refused with `key unknown` where there is none */
export async function sendTestLetter(context: FlowContext, asker: Asker): Promise<Outcome> {
  return notBuilt(context, asker);
}

/** Whether the proof is enough for a device: one that reads (`pull`) needs the key. Changes nothing. */
export async function mayAddDevice(
  context: FlowContext,
  asker: Asker,
  device: { readonly reads: boolean },
): Promise<Outcome> {
  return notBuilt(context, asker, device);
}
