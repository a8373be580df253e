// When a recovery's letters and its end come. Pure.
import type { StateRecovery } from './state.ts';

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
