// Which of a recipient's keys a message is sealed to. Pure: inspected keys and a moment in,
// a choice with its reasons out.
import type { KeyKind, StoredKey } from '../directory/types.ts';
import type { RecipientKey } from '../openpgp/types.ts';
import { type CertificateFacts, type Flaw, lastUsable } from './facts.ts';

/** A stored key with what its certificate says; null where the certificate cannot be read. */
export interface InspectedKey {
  readonly key: StoredKey;
  readonly facts: CertificateFacts | null;
}

/**
 * - `usable`: at least one key is valid now;
 * - `missing`: no key is known;
 * - `expired`: no key is valid now, and what is not revoked, disabled or flawed has merely expired. `use` then holds those
 *   keys as of their last valid moment, for `on_expired_key = encrypt`;
 * - `unusable`: keys are known, and every one is revoked, disabled, flawed, unreadable or not valid yet.
 *
 * Expired and dead keys together are `expired`: a dead key is left out whatever happens, as it is beside a good one, and
 * what remains has expired. The usual case is an owner who revoked the old key and let the new one lapse.
 *
 * A message is sealed to keys of one kind: the preferred one where it has a valid key, else the other one where that has;
 * an expired key of the preferred kind never wins over a valid one of the other.
 */
export interface KeyChoice {
  readonly state: 'usable' | 'missing' | 'expired' | 'unusable';
  /** Of every key in `use`; the preferred one where that is empty. */
  readonly kind: KeyKind;
  readonly use: readonly RecipientKey[];
  readonly leftOut: readonly { readonly fingerprint: string; readonly because: string }[];
  /** What was found of every key that was asked about, in the order of the question. */
  readonly judged: readonly JudgedKey[];
}

/** One key with what was found of it, for whoever explains a choice. */
export interface JudgedKey extends InspectedKey {
  readonly state: 'usable' | 'expired' | 'unusable';
  /** Why it is not usable; null where it is. */
  readonly because: string | null;
}

type Verdict = { readonly of: KeyKind } & (
  | { readonly kind: 'good'; readonly use: RecipientKey }
  | { readonly kind: 'expired'; readonly use: RecipientKey; readonly because: string }
  | { readonly kind: 'dead'; readonly fingerprint: string; readonly because: string }
);

/**
 * Chooses.
 * @param now Unix milliseconds
 * @param prefer the kind of key for an owner who has both
 */
export function chooseKeys(
  keys: readonly InspectedKey[],
  now: number,
  prefer: KeyKind = 'openpgp',
): KeyChoice {
  const verdicts = keys.map((inspected) => weigh(inspected, now));
  const good = verdicts.filter((verdict) => verdict.kind === 'good');
  const expired = verdicts.filter((verdict) => verdict.kind === 'expired');
  const dead = verdicts.filter((verdict) => verdict.kind === 'dead');
  const leftOut = dead.map(({ fingerprint, because }) => ({ fingerprint, because }));
  const judged = keys.map((inspected, index) => ({ ...inspected, ...stateOf(verdicts[index]) }));
  const preferred = <Each extends Verdict>(some: readonly Each[]): readonly Each[] => {
    const first = some.filter(({ of }) => of === prefer);
    return first.length > 0 ? first : some;
  };
  if (good.length > 0) {
    const use = preferred(good);
    const late = expired.map(({ use: { fingerprint }, because }) => ({ fingerprint, because }));
    return {
      state: 'usable',
      kind: use[0]?.of ?? prefer,
      use: use.map((verdict) => verdict.use),
      leftOut: [...late, ...leftOut],
      judged,
    };
  }
  if (expired.length > 0) {
    const use = preferred(expired);
    return {
      state: 'expired',
      kind: use[0]?.of ?? prefer,
      use: use.map((verdict) => verdict.use),
      leftOut,
      judged,
    };
  }
  return { state: keys.length === 0 ? 'missing' : 'unusable', kind: prefer, use: [], leftOut, judged };
}

function stateOf(verdict: Verdict | undefined): Pick<JudgedKey, 'state' | 'because'> {
  switch (verdict?.kind) {
    case 'good':
      return { state: 'usable', because: null };
    case 'expired':
      return { state: 'expired', because: verdict.because };
    default:
      return { state: 'unusable', because: verdict?.because ?? null };
  }
}

function weigh({ key, facts }: InspectedKey, now: number): Verdict {
  const of = key.kind;
  const dead = (because: string): Verdict => ({ of, kind: 'dead', fingerprint: key.fingerprint, because });
  if (key.status === 'disabled') return dead('disabled');
  if (facts === null) return dead('the stored certificate cannot be read');
  if (facts.flaw !== null) return dead(flawInWords(facts.flaw));
  const { fingerprint } = key;
  const current = facts.windows.some(({ from, until }) => from <= now && (until === null || now < until));
  if (current) return { of, kind: 'good', use: { fingerprint, certificate: facts.sealing, at: now } };
  const past = facts.windows.filter(({ until }) => until !== null && until <= now).at(-1);
  const at = lastUsable(facts, now);
  if (past === undefined || past.until === null || at === null) {
    return dead(`not valid before ${dateOf(facts.windows[0]?.from ?? 0)}`);
  }
  if (facts.newestRevoked) return dead('its last encryption subkey is revoked');
  return {
    of,
    kind: 'expired',
    use: { fingerprint, certificate: facts.sealing, at },
    because: `expired on ${dateOf(past.until)}`,
  };
}

/** A flaw as a short reason, for logs and `explain`. */
export function flawInWords(flaw: Flaw): string {
  switch (flaw.kind) {
    case 'revoked':
      return 'revoked';
    case 'weak':
      return `${flaw.what} is too weak`;
    case 'sha1':
      return 'its self-signatures rest on SHA-1 or MD5';
    case 'no user ID':
      return 'no valid user ID';
    case 'no encryption key':
      return flaw.because;
  }
}

function dateOf(instant: number): string {
  return new Date(instant).toISOString().slice(0, 10);
}
