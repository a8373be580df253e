// How often something may be tried, kept in the database: a restart forgets nothing, and all nodes count together.
import { notBuilt } from './not-built.ts';
import type { FlowContext } from './types.ts';

export interface Limit {
  /** What is counted, such as `sign-in address`. */
  readonly name: string;
  /** Times within the window. */
  readonly most: number;
  /** Milliseconds. */
  readonly windowMs: number;
}

/** The limits of the portal; its own pages may define more. */
export const LIMITS = {
  /** Letters that a stranger can have sent to one address. */
  signInAddress: { name: 'sign-in address', most: 5, windowMs: 3_600_000 },
  signInClient: { name: 'sign-in client', most: 30, windowMs: 3_600_000 },
  /** Before the IMAP server is asked. */
  passwordAddress: { name: 'password address', most: 10, windowMs: 900_000 },
  passwordClient: { name: 'password client', most: 30, windowMs: 900_000 },
  /** Wrong or stale tokens. */
  tokenClient: { name: 'token client', most: 60, windowMs: 3_600_000 },
  /** Keys handed over by one user. */
  submitUser: { name: 'submit user', most: 20, windowMs: 86_400_000 },
  /** Keys fetched from elsewhere (WKD, key servers). */
  fetchUser: { name: 'fetch user', most: 20, windowMs: 3_600_000 },
  testUser: { name: 'test letter user', most: 10, windowMs: 3_600_000 },
  /** All letters together to one user, those that tell of changes not counted. */
  lettersUser: { name: 'letters user', most: 30, windowMs: 86_400_000 },
} as const satisfies Record<string, Limit>;

/**
 * Counts one try.
 * @param subject an address, a client's address (an IPv6 one counts by its /64), a user's id; stored as a hash
 * @returns null where it may go on, else the moment from which it may (Unix milliseconds)
 */
export async function takeTurn(context: FlowContext, limit: Limit, subject: string): Promise<number | null> {
  return notBuilt(context, limit, subject);
}
