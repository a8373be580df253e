// Reads what hangs on one name alone: a user's keys, sender grants, a fingerprint, another name of a domain.
import type { Address } from '../src/address/address.ts';
import { type AddressParts, lookupCandidates } from '../src/address/normalise.ts';
import type { StoredKey } from '../src/directory/types.ts';
import type { ReadValue } from './answer-cache.ts';
import type { SenderGrant } from './answers.ts';
import { FINGERPRINT, GRANTS, type KeyColumns, OTHER_NAME, storedKeysOf, USER_KEYS } from './lookup-rows.ts';
import type { FactsContext } from './read-facts.ts';

/** The keys of a user. */
export async function readKeys(
  { database }: FactsContext,
  userId: number,
): Promise<ReadValue<readonly StoredKey[]>> {
  const rows = await database.query<KeyColumns>(USER_KEYS, [userId]);
  return { value: storedKeysOf(rows), dependsOn: [`key of user:${userId}`] };
}

/** Who may use an address as sender without reading its mail. */
export async function readGrants(
  { database, resolving }: FactsContext,
  parts: AddressParts,
): Promise<ReadValue<readonly SenderGrant[]>> {
  // Both spellings: a grant may be for an address outside, whose domain says nothing about folding.
  const wanted = [true, false].flatMap((fold) => lookupCandidates(parts, resolving.delimiters, fold));
  const names = [...new Set(wanted)];
  const rows = await database.query<SenderGrant & { granted: Address; user_id: number }>(GRANTS, [names]);
  const best = names.find((name) => rows.some(({ granted }) => granted === name));
  const grants = rows.filter(({ granted }) => granted === best);
  return {
    value: grants.map(({ login, status }) => ({ login, status })),
    dependsOn: [
      ...names.map((name) => `sender:${name}`),
      ...grants.flatMap(({ user_id, login }) => [`user:${user_id}`, `address:${login}`]),
    ],
  };
}

/** The last day on which a client's fingerprint counts, YYYY-MM-DD; null where it is unknown. */
export async function readClientFingerprint(
  { database }: FactsContext,
  canonical: string,
): Promise<ReadValue<string | null>> {
  const [row] = await database.query<{ expires_on: string }>(FINGERPRINT, [canonical]);
  return { value: row?.expires_on ?? null, dependsOn: [`fingerprint:${canonical}`] };
}

/** Whether a domain that is none of ours is another name of one. @param name normalised */
export async function readAnotherName({ database }: FactsContext, name: string): Promise<ReadValue<boolean>> {
  const rows = await database.query<{ domain_id: number }>(OTHER_NAME, [name]);
  return { value: rows.length > 0, dependsOn: [`domain:${name}`] };
}
