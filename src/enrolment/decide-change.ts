// Changes that are no new key: which of them the mailbox is enough for, and what they do. Pure.
import type { Settings } from '../config/settings.ts';
import { dropped } from './decide-key.ts';
import { done, hasKey, knows, type Question, refuse } from './question.ts';
import type { Decided, EnrolmentState } from './state.ts';
import { type Change, LONGEST_PAUSE_MS, type SettingsChange } from './types.ts';
import { weakerSettings } from './weaker.ts';

/** Whether a change takes protection away, or lets somebody else read. */
export function needsKey({ state }: Pick<Question, 'state'>, change: Change): boolean {
  switch (change.kind) {
    case 'key':
      return hasKey(state);
    case 'settings':
      return weakerSettings(state.settings, changed(state, change.settings)).length > 0;
    case 'remove key':
    case 'pass rule':
    case 'leave':
    case 'pause':
      return true;
  }
}

/** The settings that would count after a change. */
function changed({ settings, inherited }: EnrolmentState, change: SettingsChange): Settings {
  const given = Object.entries(change).map(([name, value]) => [
    name,
    value ?? inherited[name as keyof Settings],
  ]);
  return { ...settings, ...Object.fromEntries(given) };
}

/** Does a change that is no new key. */
export function apply({ state, now }: Question, change: Exclude<Change, { kind: 'key' }>): Decided {
  switch (change.kind) {
    case 'remove key':
      return knows(state, change.fingerprint)
        ? done([{ do: 'remove keys', fingerprints: [change.fingerprint] }])
        : refuse('key unknown');
    case 'settings':
      return done([
        { do: 'set', settings: change.settings },
        // Else the end of the pause would set it back.
        ...(state.pausedUntil !== null && change.settings.encrypt !== undefined
          ? [
              { do: 'unpause' } as const,
              { do: 'set', settings: { encrypt: change.settings.encrypt } } as const,
            ]
          : []),
      ]);
    case 'pass rule':
      return done([{ do: 'add pass rule', rule: change.rule }]);
    case 'leave':
      return done([
        ...(state.pausedUntil === null ? [] : [{ do: 'unpause' } as const]),
        ...state.submissions.flatMap((submission) => dropped(state, submission)),
        { do: 'remove keys', fingerprints: state.keys.map(({ fingerprint }) => fingerprint) },
        { do: 'close undo' },
        { do: 'unpublish' },
        { do: 'set', settings: { encrypt: false } },
      ]);
    case 'pause':
      return change.until <= now || change.until > now + LONGEST_PAUSE_MS
        ? refuse('not allowed')
        : done([{ do: 'pause', until: change.until }]);
  }
}
