// Whether somebody may undo what was done by a better proof than theirs. Pure.
import { isExpired } from './expired.ts';
import { isProven, type Question } from './question.ts';
import type { StateSubmission } from './state.ts';

/** Whether a submission was handed over by a better proof than the asker has, and still counts: it is not theirs to take back. */
export function isBeyond(question: Question, submission: StateSubmission): boolean {
  const better = isProven({ ...question, proof: submission.proof }) && !isProven(question);
  return better && !isExpired(question, submission);
}
