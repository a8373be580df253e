// Whose mailbox a typed address is: for signing in, where neither the answer nor its time may tell whether anybody has it.
import { userIdOf } from '../address/id-address.ts';
import {
  lookupCandidates,
  parseTyped,
  storedSpellings,
  stripExtension,
  toAddress,
} from '../address/normalise.ts';
import { findUser, mostExact, nameAddress, type Orm, onlyUserBehind } from '../directory/find.ts';
import { ChangeRefused } from '../directory/refused.ts';

/** No user and no alias has it. */
export const NOBODY = 0;

export interface NamedUser {
  readonly userId: number;
  readonly active: boolean;
}

/** Which spellings of an address are its owner's name. */
export type NameForm =
  /** As a login: the address or alias itself. */
  | { readonly kind: 'login' }
  /** As the recipient of a letter: with an extension (recipient_delimiter), and as an id address, too. */
  | { readonly kind: 'recipient'; readonly delimiters: string };

/**
 * The user of an own address, or of an alias for one user alone.
 *
 * The same statements are sent whoever it is, one after the other, for nobody too: what is not there is asked for as well.
 * @returns null: nobody's, several people's, or no address
 * @throws what the database throws
 */
export async function userNamed(orm: Orm, typed: string, form: NameForm): Promise<NamedUser | null> {
  const named = await readName(orm, typed);
  if (named === null) return null;
  const { parts, domain } = named;
  const fold = domain?.fold_local_part ?? true;
  const row = await mostExact(
    orm,
    form.kind === 'login'
      ? storedSpellings(parts, fold)
      : // Without the catch-all: nobody signs in as it.
        lookupCandidates(parts, form.delimiters, fold).slice(0, -1),
  );
  const behind = await onlyUserBehind(orm, row?.kind === 'alias' ? row.id : NOBODY);
  const byNumber = form.kind === 'recipient' && domain !== null ? userIdOf(parts.local) : null;
  const id = row === undefined ? byNumber : row.kind === 'alias' ? behind : row.user_id;
  const user = await findUser(orm, id ?? NOBODY);
  return user === null ? null : { userId: user.id, active: user.status === 'active' };
}

/** null: it is no address, or a whole domain's. */
async function readName(orm: Orm, typed: string) {
  if (typed.startsWith('@')) return null;
  try {
    return await nameAddress(orm, typed);
  } catch (error) {
    if (error instanceof ChangeRefused) return null;
    throw error;
  }
}

/**
 * What the limits of an address count by: one text for all spellings and extensions of a name, whether anybody has it or not.
 * Counted as it was typed, every new extension would have a limit of its own; counted by its owner, the limit would tell that it
 * has one. Pure.
 */
export function countedName(typed: string, delimiters: string): string {
  const parts = parseTyped(typed);
  if (parts === null) return typed.toLowerCase();
  return toAddress({ ...parts, local: stripExtension(parts.local, delimiters) ?? parts.local });
}
