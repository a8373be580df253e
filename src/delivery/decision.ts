// A decision on one copy, with its reason: what the plan gives, and what log, reply and `explain` are made of.
import type { Settings } from '../config/settings.ts';
import type { KeyKind, RecipientFacts, StoredKey } from '../directory/types.ts';
import type { KeyChoice } from '../keys/choose.ts';
import type { Detection } from '../message/detection.ts';
import type { RecipientKey } from '../openpgp/types.ts';
import type { Reply } from '../smtp/types.ts';
import type { RuledMessage } from './rules.ts';

/** Why a decision was taken, as a word for logs and metrics. */
export type Because =
  | 'usable key'
  | 'expired key used'
  | 'encryption off'
  | 'rule'
  | 'already encrypted'
  | 'no key'
  | 'key expired'
  | 'key unusable'
  | 'alias loop'
  | 'alias readers differ'
  | 'alias without readers'
  | 'directory unavailable';

interface Decided {
  readonly because: Because;
  /** One sentence for `explain` and the log: no address, no content. */
  readonly reason: string;
  /** Fingerprints of known keys that were not used, and why. */
  readonly leftOut: readonly { readonly fingerprint: string; readonly because: string }[];
}

export type Decision =
  | (Decided & {
      readonly action: 'seal';
      readonly keys: readonly RecipientKey[];
      /** Of all the keys: an OpenPGP message, or S/MIME, which has one shape whatever the style. */
      readonly kind: KeyKind;
      readonly smimeCipher: Settings['smime_cipher'];
      readonly style: Settings['style'];
      readonly subject: Settings['subject'];
      readonly headerPolicy: Settings['header_policy'];
      readonly hideKeyIds: boolean;
    })
  | (Decided & {
      readonly action: 'pass';
      /** A key or a setting knew better, and the administrator chose plaintext all the same: logged at warn and counted. */
      readonly plaintextByChoice: boolean;
    })
  | (Decided & { readonly action: 'defer' | 'reject'; readonly reply: Reply });

/** Everything the plan needs of one recipient. */
export interface PlanInput {
  readonly facts: RecipientFacts;
  readonly global: Settings;
  readonly detection: Detection;
  /** What rules look at; null while there is no message (rules are not tried then). */
  readonly message: RuledMessage | null;
  /** Chooses among stored keys at the moment of the plan (keys/choose over inspected certificates). */
  readonly choose: (keys: readonly StoredKey[], prefer: KeyKind) => KeyChoice;
}

/** A copy that goes on as it came in. */
export function pass(because: Because, reason: string, plaintextByChoice: boolean): Decision {
  return { action: 'pass', because, reason, leftOut: [], plaintextByChoice };
}

/** A copy that goes nowhere, now or ever. */
export function refuse(action: 'defer' | 'reject', because: Because, reason: string, reply: Reply): Decision {
  return { action, because, reason, leftOut: [], reply };
}

/** Such as `1 key`, `2 keys`. */
export function count(keys: number, noun = 'key'): string {
  return keys === 1 ? `1 ${noun}` : `${keys} ${noun}s`;
}
