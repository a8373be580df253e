// What the home page says first: whether the mail is sealed now, what happens to it meanwhile, and what to do next. Pure.
import type { Settings } from '../../src/config/settings.ts';
import type { Home } from '../../src/enrolment/home.ts';

/** One sentence on the state, as a text of `state`. */
export const STATE_KINDS = ['none', 'sealed', 'paused', 'off', 'expired', 'disabled', 'unusable'] as const;
export type StateKind = (typeof STATE_KINDS)[number];

export type NextStep = 'hand over' | 'read letter' | 'wait' | 'seal again' | 'ask' | 'nothing';

/** What is done with mail that is not sealed, as a text of `meanwhile`. */
export const MEANWHILE = ['pass', 'defer', 'reject'] as const;
export type Meanwhile = (typeof MEANWHILE)[number];

export interface HomeState {
  readonly kind: StateKind;
  readonly next: NextStep;
  /** The key that the sentence names, and since when it is there; null where it names none. */
  readonly key: { readonly fingerprint: string; readonly since: Date } | null;
  /** null: mail is sealed, or the sentence says it. */
  readonly meanwhile: Meanwhile | null;
}

type Facts = Pick<Home, 'keys' | 'currentKeys' | 'pausedUntil' | 'submissions' | 'recovery'> & {
  readonly settings: {
    readonly values: Pick<Settings, 'encrypt' | 'on_missing_key' | 'on_expired_key' | 'on_unusable_key'>;
  };
};

/** @param now Unix milliseconds */
export function stateOf(home: Facts, now: number): HomeState {
  const kind = kindOf(home, now);
  const current = home.keys.filter(({ fingerprint }) => home.currentKeys.includes(fingerprint));
  const shown = current.find(({ state }) => state === 'usable') ?? current[0];
  const key =
    kind === 'sealed' && shown !== undefined
      ? { fingerprint: shown.fingerprint, since: new Date(shown.added) }
      : null;
  return { kind, next: nextOf(home, kind), key, meanwhile: meanwhileOf(home, kind) };
}

function kindOf({ keys, currentKeys, settings: { values }, pausedUntil }: Facts, now: number): StateKind {
  if (pausedUntil !== null && pausedUntil > now) return 'paused';
  if (keys.length === 0) return 'none';
  if (!values.encrypt) return 'off';
  const current = keys.filter(({ fingerprint }) => currentKeys.includes(fingerprint));
  if (current.some(({ state }) => state === 'usable')) return 'sealed';
  if (current.some(({ state }) => state === 'expired'))
    return values.on_expired_key === 'encrypt' ? 'sealed' : 'expired';
  return keys.some(({ state }) => state === 'disabled') ? 'disabled' : 'unusable';
}

function nextOf({ submissions, recovery }: Facts, kind: StateKind): NextStep {
  if (recovery !== null) return 'wait';
  if (submissions.some(({ readAt }) => readAt === null)) return 'read letter';
  switch (kind) {
    case 'none':
    case 'expired':
    case 'unusable':
      return 'hand over';
    case 'disabled':
      return 'ask';
    case 'paused':
    case 'off':
      return 'seal again';
    case 'sealed':
      return 'nothing';
  }
}

function meanwhileOf({ settings: { values } }: Facts, kind: StateKind): Meanwhile | null {
  switch (kind) {
    case 'none':
      return values.encrypt ? values.on_missing_key : 'pass';
    case 'expired':
      return values.on_expired_key === 'encrypt' ? null : values.on_expired_key;
    case 'disabled':
    case 'unusable':
      return values.on_unusable_key;
    case 'off':
      return 'pass';
    case 'paused':
    case 'sealed':
      return null;
  }
}
