// Whether somebody may undo what was done by a better proof than theirs. Pure.
import { isProven, type Question } from './question.ts';
import type { StateSubmission } from './state.ts';

/** Whether a submission was handed over by a better proof than the asker has, and still counts: it is not theirs to take back. */
export function isBeyond(question: Question, { proof, expiresAt }: StateSubmission): boolean {
  return isProven({ ...question, proof }) && !isProven(question) && expiresAt > question.now;
}
