// A decision on one copy, with its reason: what the plan gives, and what log, reply and `explain` are made of.
import type { GlobalSettings } from '../config/encryption.ts';
import type { EffectiveSettings, Settings } from '../config/settings.ts';
import type { KeyKind, Reader, RecipientFacts, StoredKey } from '../directory/types.ts';
import type { JudgedKey, KeyChoice } from '../keys/choose.ts';
import type { Detection } from '../message/detection.ts';
import type { RecipientKey } from '../openpgp/types.ts';
import type { Reply } from '../smtp/types.ts';
import type { KeyDoorState } from './key-address.ts';
import type { FoundRule, RuledMessage } from './rules.ts';

/** Why a decision was taken, as a word for logs and metrics. */
export type Because =
  | 'usable key'
  | 'expired key used'
  | 'encryption off'
  | 'rule'
  | 'key address'
  | 'already encrypted'
  | 'no key'
  | 'key expired'
  | 'key unusable'
  | 'alias loop'
  | 'reader unclear'
  | 'alias readers differ'
  | 'alias without readers'
  | 'directory unavailable'
  | 'restored from a backup'
  | 'decision failed';

interface Reasoned {
  readonly because: Because;
  /** One sentence for `explain` and the log: no address, no content. */
  readonly reason: string;
  /** Fingerprints of known keys that were not used, and why. */
  readonly leftOut: readonly { readonly fingerprint: string; readonly because: string }[];
}

/** What happens to one copy, and why. */
export type Verdict =
  | (Reasoned & {
      readonly action: 'seal';
      readonly keys: readonly RecipientKey[];
      /** Of all the keys: an OpenPGP message, or S/MIME, which has one shape whatever the style. */
      readonly kind: KeyKind;
      readonly smimeCipher: Settings['smime_cipher'];
      readonly style: Settings['style'];
      readonly subject: Settings['subject'];
      readonly headerPolicy: Settings['header_policy'];
      /** Names of fields that `shy` leaves outside beside those of trace and routing. */
      readonly headerOutside: readonly string[];
      readonly hideKeyIds: boolean;
    })
  | (Reasoned & {
      readonly action: 'pass';
      /** A key or a setting knew better, and the administrator chose plaintext all the same: logged at warn and counted. */
      readonly plaintextByChoice: boolean;
    })
  | (Reasoned & { readonly action: 'defer' | 'reject'; readonly reply: Reply })
  /** To the key address, which nobody else has: the letter is read for keys, and goes nowhere. */
  | (Reasoned & { readonly action: 'take' });

/** What counted for one reader. */
export interface ReaderBasis {
  /** null where nobody has the address: what its domain says counts. */
  readonly reader: Reader | null;
  readonly settings: EffectiveSettings;
  /** Every key that was weighed, the reader's own or else the domain's; the decision says which of them are used. */
  readonly keys: readonly JudgedKey[];
  /** false where the keys are the domain's. */
  readonly ownKeys: boolean;
  /** In the order in which they are tried. */
  readonly rules: readonly FoundRule[];
  /** The one that matched the message; null where none did, or there is no message yet. */
  readonly rule: FoundRule | null;
}

/** A verdict with everything that it rests on. Whoever tells of it derives nothing. */
export type Decision = Verdict & {
  readonly facts: RecipientFacts;
  /** One for each reader behind the address; of nobody, the domain's; none of an alias that leads nowhere. */
  readonly readers: readonly ReaderBasis[];
  /** To the key address, which somebody else may have as well: the letter is read for keys, too. */
  readonly readForKeys?: true;
};

/**
 * Whether a message goes on in plaintext to an address that nobody has, though its domain is ours or it is at a name of this
 * machine. Its reader may well have a key under another name (Postfix's /etc/aliases may lead there): whoever runs the server
 * should hear of it.
 */
export function passesUnknown(
  { action, because }: Pick<Verdict, 'action' | 'because'>,
  { resolution, domain, unknownHere }: Pick<RecipientFacts, 'resolution' | 'domain' | 'unknownHere'>,
  detection: Pick<Detection, 'encrypted'>,
): boolean {
  const unknown = resolution.kind === 'nobody' && (domain !== null || unknownHere === true);
  return action === 'pass' && unknown && because !== 'already encrypted' && !detection.encrypted;
}

/** Everything the plan needs of one recipient. */
export interface PlanInput {
  readonly facts: RecipientFacts;
  readonly global: GlobalSettings;
  readonly detection: Detection;
  /** What rules look at; null while there is no message (rules are not tried then). */
  readonly message: RuledMessage | null;
  /** Chooses among stored keys at the moment of the plan (keys/choose over inspected certificates). */
  readonly choose: (keys: readonly StoredKey[], prefer: KeyKind) => KeyChoice;
  /** Default: it is no key address. */
  readonly keyDoor?: KeyDoorState;
}

/** A copy that goes on as it came in. */
export function pass(because: Because, reason: string, plaintextByChoice: boolean): Verdict {
  return { action: 'pass', because, reason, leftOut: [], plaintextByChoice };
}

/** A copy that goes nowhere, now or ever. */
export function refuse(action: 'defer' | 'reject', because: Because, reason: string, reply: Reply): Verdict {
  return { action, because, reason, leftOut: [], reply };
}

/** Such as `1 key`, `2 keys`. */
export function count(keys: number, noun = 'key'): string {
  return keys === 1 ? `1 ${noun}` : `${keys} ${noun}s`;
}
