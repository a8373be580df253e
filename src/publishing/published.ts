// Which keys everybody may look up: what the directory says of an address, of a fingerprint, of a key ID.
import { and, inArray } from 'drizzle-orm';
import { parseTyped, storedSpellings } from '../address/normalise.ts';
import type { Database } from '../database/open.ts';
import { addresses } from '../database/schema.ts';

type Reading = Pick<Database, 'orm'>;

/**
 * Who has a domain's submission address already: a user or an alias of that name gets the mail, and keys are handed over there
 * by nobody.
 */
export async function ownerOfSubmissionAddress(
  { orm }: Reading,
  address: string,
): Promise<'user' | 'alias' | null> {
  const parts = parseTyped(address);
  if (parts === null) return null;
  const [row] = await orm
    .select({ kind: addresses.kind })
    .from(addresses)
    .where(
      and(
        inArray(addresses.address, storedSpellings(parts, true)),
        inArray(addresses.kind, ['user', 'alias']),
      ),
    );
  return row === undefined || row.kind === 'contact' ? null : row.kind;
}
