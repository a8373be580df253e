// What the deciding knows, what can happen, and what comes of it. Values only.
import type { Settings } from '../config/settings.ts';
import type { KeyKind, KeySource } from '../directory/types.ts';
import type { LetterKind } from './letters/texts.ts';
import type { Change, FlowRefusal, Intent, Proof, SettingsChange } from './types.ts';

export interface StateKey {
  readonly fingerprint: string;
  readonly kind: KeyKind;
  readonly source: KeySource;
  /** Mail is sealed to it: it is active and not revoked. One that has merely expired counts. */
  readonly current: boolean;
  /** Nobody counts on it any more. */
  readonly revoked: boolean;
}

export interface StateSubmission {
  readonly id: number;
  readonly fingerprint: string;
  readonly intent: Intent;
  readonly proof: Proof;
  readonly read: boolean;
  /** It came by a letter, whose author nobody has proved to be. */
  readonly byMail: boolean;
  /** Its letter was handed over. */
  readonly letterSent: boolean;
  readonly recoveryId: number | null;
  readonly expiresAt: number;
}

export interface StateRecovery {
  readonly id: number;
  readonly change: Change;
  readonly state: 'waiting' | 'administrator';
  readonly startedAt: number;
  readonly dueAt: number;
  /** How many of its letters were asked for. */
  readonly letters: number;
  /** Of those: the ones that wait to be handed over, and the ones that could not be. */
  readonly unsent: number;
  readonly failed: number;
}

/** All that counts of one user. Times are Unix milliseconds. */
export interface EnrolmentState {
  readonly keys: readonly StateKey[];
  readonly submissions: readonly StateSubmission[];
  readonly recovery: StateRecovery | null;
  readonly undoUntil: number | null;
  /** Recoveries stopped at mailbox level. */
  readonly stops: number;
  readonly pausedUntil: number | null;
  /** As they count for this user, a pause left out. */
  readonly settings: Settings;
  /** What would count without the user's own. */
  readonly inherited: Settings;
}

export type FlowEvent =
  /** `renew`: the user has the key, and the copy brings something that mail could be sealed with. */
  | {
      readonly kind: 'submit';
      readonly fingerprint: string;
      readonly keyKind: KeyKind;
      readonly intent: 'add' | 'replace';
      readonly relation: 'new' | 'renew' | 'known';
      /** By a letter. */
      readonly byMail?: boolean;
    }
  | { readonly kind: 'revoke'; readonly fingerprint: string }
  | { readonly kind: 'read'; readonly submissionId: number }
  | { readonly kind: 'resend'; readonly submissionId: number }
  | { readonly kind: 'withdraw'; readonly submissionId: number }
  | { readonly kind: 'change'; readonly change: Exclude<Change, { kind: 'key' }> }
  | { readonly kind: 'end pause' }
  | { readonly kind: 'recover'; readonly change: Change; readonly keyKind?: KeyKind }
  | { readonly kind: 'stop' }
  /** The administrator's word on a recovery. */
  | { readonly kind: 'settle'; readonly allowed: boolean }
  | { readonly kind: 'undo' }
  | { readonly kind: 'test letter' }
  | { readonly kind: 'device'; readonly reads: boolean }
  /** Nobody asks: time has passed. */
  | { readonly kind: 'time' }
  /** The recovery's change turned out to be impossible. */
  | { readonly kind: 'give up' };

/** What [portal] says. Milliseconds. */
export interface FlowSettings {
  readonly recoveryMs: number;
  readonly tokenLifetimeMs: number;
}

/** A row to change, or a letter to send; in order. */
export type Effect =
  | {
      readonly do: 'keep submission';
      readonly fingerprint: string;
      readonly keyKind: KeyKind;
      readonly intent: Intent;
      readonly expiresAt: number;
      /** It becomes active by the recovery that these effects start. */
      readonly byRecovery: boolean;
    }
  | { readonly do: 'mark read'; readonly submissionId: number }
  | { readonly do: 'drop submission'; readonly submissionId: number }
  /** By the administrator's word it becomes active as soon as its letter is read, and belongs to no recovery any more. */
  | { readonly do: 'allow submission'; readonly submissionId: number }
  | { readonly do: 'activate'; readonly submissionId: number; readonly intent: Intent }
  | { readonly do: 'open undo'; readonly until: number }
  | { readonly do: 'close undo' }
  | { readonly do: 'remove keys'; readonly fingerprints: readonly string[] }
  | { readonly do: 'take revocation'; readonly fingerprint: string }
  | { readonly do: 'set'; readonly settings: SettingsChange }
  /** Nobody finds the keys any more, nor later ones. */
  | { readonly do: 'unpublish' }
  | { readonly do: 'add pass rule'; readonly rule: Extract<Change, { kind: 'pass rule' }>['rule'] }
  | { readonly do: 'pause'; readonly until: number }
  | { readonly do: 'unpause' }
  | { readonly do: 'start recovery'; readonly change: Change; readonly dueAt: number }
  | {
      readonly do: 'count letters';
      readonly recoveryId: number;
      readonly letters: number;
      readonly dueAt: number;
      /** The new key's letter can be read until then at least. */
      readonly keepUntil: number;
    }
  | { readonly do: 'hand to administrator'; readonly recoveryId: number; readonly keepUntil: number }
  | { readonly do: 'end recovery'; readonly recoveryId: number }
  | { readonly do: 'count stop' }
  | { readonly do: 'forget stops' }
  | {
      readonly do: 'letter';
      readonly kind: LetterKind;
      /** `submission`: to the key that was handed over; `current`: to the keys that mail is sealed to. */
      readonly seal: 'clear' | 'submission' | 'current';
      /** Of `submission`, where the row is there already. */
      readonly submissionId?: number;
    };

export type Decided =
  | { readonly ok: true; readonly effects: readonly Effect[]; readonly result: DecidedResult }
  | FlowRefusal;

/** What the page says. */
export type DecidedResult = 'done' | 'submitted' | 'active' | 'waiting' | 'stopped' | 'administrator';
