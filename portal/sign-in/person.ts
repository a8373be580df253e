// Whose mailbox a typed name is, for signing in: as the map sender_login has it, an own address or an alias of one user alone.
import { MAX_TYPED } from '../../src/address/normalise.ts';
import type { Database } from '../../src/database/open.ts';
import {
  findAddress,
  findUser,
  nameAddress,
  onlyUserBehind,
  primaryAddress,
} from '../../src/directory/find.ts';
import { ChangeRefused } from '../../src/directory/refused.ts';

export interface Person {
  readonly userId: number;
  /** The primary address: the login at the mail server. */
  readonly login: string;
}

/** null: nobody's, several people's, or that of a user who is disabled. @throws what the database throws */
export async function personAt({ orm }: Pick<Database, 'orm'>, typed: string): Promise<Person | null> {
  if (typed.length > MAX_TYPED) return null;
  let row: Awaited<ReturnType<typeof findAddress>>;
  try {
    const { address } = await nameAddress(orm, typed);
    row = await findAddress(orm, address);
  } catch (error) {
    if (error instanceof ChangeRefused) return null;
    throw error;
  }
  const userId =
    row === null ? null : (row.user_id ?? (row.kind === 'alias' ? await onlyUserBehind(orm, row.id) : null));
  if (userId === null) return null;
  const user = await findUser(orm, userId);
  return user?.status === 'active' ? { userId, login: await primaryAddress(orm, userId) } : null;
}
