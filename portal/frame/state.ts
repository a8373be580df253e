// What the home page says first: whether the mail is sealed now, and what to do next. Pure.
import type { Home } from '../../src/enrolment/home.ts';

/** One sentence on the state, as a text of `state`. */
export type StateKind = 'none' | 'sealed' | 'paused' | 'off' | 'unusable';

export type NextStep = 'hand over' | 'read letter' | 'wait' | 'seal again' | 'nothing';

export interface HomeState {
  readonly kind: StateKind;
  readonly next: NextStep;
  /** The key that the sentence names, and since when it is there; null where it names none. */
  readonly key: { readonly fingerprint: string; readonly since: Date } | null;
}

type Facts = Pick<Home, 'keys' | 'currentKeys' | 'pausedUntil' | 'submissions' | 'recovery'> & {
  readonly settings: { readonly values: { readonly encrypt: boolean } };
};

/** @param now Unix milliseconds */
export function stateOf(home: Facts, now: number): HomeState {
  const current = home.keys.find(({ fingerprint }) => home.currentKeys.includes(fingerprint));
  const kind = kindOf(home, current !== undefined, now);
  const key =
    kind === 'sealed' && current !== undefined
      ? { fingerprint: current.fingerprint, since: new Date(current.added) }
      : null;
  return { kind, next: nextOf(home, kind), key };
}

function kindOf({ keys, settings, pausedUntil }: Facts, hasCurrent: boolean, now: number): StateKind {
  if (pausedUntil !== null && pausedUntil > now) return 'paused';
  if (keys.length === 0) return 'none';
  if (!settings.values.encrypt) return 'off';
  return hasCurrent ? 'sealed' : 'unusable';
}

function nextOf({ submissions, recovery }: Facts, kind: StateKind): NextStep {
  if (recovery !== null) return 'wait';
  if (submissions.some(({ readAt }) => readAt === null)) return 'read letter';
  if (kind === 'none' || kind === 'unusable') return 'hand over';
  return kind === 'sealed' ? 'nothing' : 'seal again';
}
