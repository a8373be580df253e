// When a recovery's letters and its end come, and what becomes of an end that nobody was there for. Pure.
import type { Question } from './question.ts';
import type { Effect, StateRecovery } from './state.ts';

/** The letters of a recovery, as parts of its wait: with seven days on days 0, 3 and 6. */
export const LETTERS_AT = [0, 3 / 7, 6 / 7] as const;

/** How many letters there should be by now. */
export function lettersBy({ startedAt, dueAt }: StateRecovery, now: number): number {
  const wait = dueAt - startedAt;
  return LETTERS_AT.filter((part) => now >= startedAt + part * wait).length;
}

/** Whether the wait has ended, and all its letters were handed over. */
export function isOver({ state, dueAt, letters, unsent, failed }: StateRecovery, now: number): boolean {
  return state === 'waiting' && now >= dueAt && letters >= LETTERS_AT.length && unsent === 0 && failed === 0;
}

/**
 * The part of the wait that comes behind the last letter, in which whoever reads that one can still stop it. Milliseconds.
 * A wait that became longer than it is configured has no longer last part.
 */
function lastPart({ startedAt, dueAt }: StateRecovery, { settings }: Pick<Question, 'settings'>): number {
  return Math.min(dueAt - startedAt, settings.recoveryMs) * (1 - LETTERS_AT[2]);
}

/** A server that is started anew, or a night's maintenance, is no absence: a quarter of the last part. */
const SHORT_ABSENCE = 1 / 4;

/**
 * Whether a moment of a recovery passed while nobody was there to act at it: `serve`, the database or the next hop was away.
 * @param moment Unix milliseconds
 */
export function isMissed(
  moment: number,
  recovery: StateRecovery,
  question: Pick<Question, 'now' | 'settings'>,
): boolean {
  return question.now - moment > lastPart(recovery, question) * SHORT_ABSENCE;
}

/**
 * The next letter. The last one names the end anew where it comes late: whoever gets it has as much time to stop the change as
 * behind a letter that came in time.
 */
export function nextLetter(
  { now, settings }: Pick<Question, 'now' | 'settings'>,
  recovery: StateRecovery,
  letters: number,
): readonly Effect[] {
  const earliest = now + lastPart(recovery, { settings });
  const dueAt = letters === LETTERS_AT.length ? Math.max(recovery.dueAt, earliest) : recovery.dueAt;
  return [
    {
      do: 'count letters',
      recoveryId: recovery.id,
      letters,
      dueAt,
      keepUntil: dueAt + settings.tokenLifetimeMs,
    },
    { do: 'letter', kind: 'recovery', seal: 'clear' },
  ];
}

/**
 * The change did not come at the moment that its letters named. It is not lost by that, and comes at no moment that was not told:
 * the last letter is sent once more, with a new end.
 */
export function toldAgain(
  question: Pick<Question, 'now' | 'settings'>,
  recovery: StateRecovery,
): readonly Effect[] {
  return nextLetter(question, recovery, LETTERS_AT.length);
}
