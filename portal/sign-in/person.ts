// Whose mailbox a typed name is, for signing in: as the map sender_login has it, an own address or an alias of one user alone.
import { MAX_TYPED } from '../../src/address/normalise.ts';
import type { Database } from '../../src/database/open.ts';
import { addressOrNone } from '../../src/directory/find.ts';
import { NOBODY, userNamed } from '../../src/enrolment/named-user.ts';

export interface Person {
  readonly userId: number;
  /** The primary address: the login at the mail server. */
  readonly login: string;
}

/**
 * Asks the database the same for everybody.
 * @returns null: nobody's, several people's, or that of a user who is disabled
 * @throws what the database throws
 */
export async function personAt({ orm }: Pick<Database, 'orm'>, typed: string): Promise<Person | null> {
  if (typed.length > MAX_TYPED) return null;
  const named = await userNamed(orm, typed, { kind: 'login' });
  const login = await addressOrNone(orm, named?.userId ?? NOBODY);
  return named?.active === true && login !== null ? { userId: named.userId, login } : null;
}
