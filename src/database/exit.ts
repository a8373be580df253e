// What an error says to a person, and the exit code that it ends a command with. Above host/exit-codes.ts, since a database
// that is away is temporary.
import { DrizzleQueryError } from 'drizzle-orm';
import { EXIT, Temporary, WrongUsage } from '../host/exit-codes.ts';
import { isDatabaseUnavailable, rootReason } from './errors.ts';

/** The sentence of an error. Drizzle's own repeats the query and its parameters, which are addresses. */
export function messageOf(error: unknown): string {
  if (error instanceof DrizzleQueryError || !(error instanceof Error)) return rootReason(error);
  return error.message;
}

/** The exit code that an error ends a command with. */
export function exitCodeFor(error: unknown): number {
  if (error instanceof WrongUsage) return EXIT.usage;
  if (error instanceof Temporary || isDatabaseUnavailable(error)) return EXIT.temporary;
  return EXIT.refused;
}
