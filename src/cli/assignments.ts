// `key=value` as commands take them. Apart from the other arguments, since it needs the whole configuration's schema.
import { type Assignments, parseAssignments } from '../directory/assignments.ts';
import { ChangeRefused } from '../directory/refused.ts';
import { WrongUsage } from '../host/exit-codes.ts';

/** @throws WrongUsage */
export function readAssignments(words: readonly string[], level: 'domain' | 'user'): Assignments {
  try {
    return parseAssignments(words, level);
  } catch (error) {
    if (error instanceof ChangeRefused) throw new WrongUsage(error.message);
    throw error;
  }
}
