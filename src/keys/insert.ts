// A new row among an owner's keys, whatever its kind: which source counts, and what the new key replaces.
import { and, eq, ne } from 'drizzle-orm';
import { keys } from '../database/schema.ts';
import type { Orm } from '../directory/find.ts';
import { type Candidate, refuseCandidate } from './admit.ts';
import type { ImportOptions } from './import-options.ts';
import type { KeyOwner } from './owner.ts';
import type { KeyRefusal } from './refusals.ts';

/** What differs between the kinds of key in a new row. */
export type KeyColumns = Pick<
  typeof keys.$inferInsert,
  'certificate' | 'original' | 'expires_at' | 'revoked' | 'pinned'
>;

/**
 * Stores a key of an owner who has not got it, and removes what it replaces.
 * @returns a refusal where they do not get it
 */
export async function insertKey(
  tx: Orm,
  owner: KeyOwner & { readonly id: number },
  candidate: Candidate,
  options: ImportOptions,
  columns: () => Promise<KeyColumns>,
): Promise<KeyRefusal | null> {
  const { fingerprint, kind } = candidate;
  const others = await tx
    .select({ fingerprint: keys.fingerprint, kind: keys.kind, source: keys.source })
    .from(keys)
    .where(ofOwner(owner));
  const refusal = refuseCandidate(candidate, owner, others, options);
  if (refusal !== null) return refusal;
  await tx
    .insert(keys)
    .values({ fingerprint, kind, ...ownerColumns(owner), source: options.source, ...(await columns()) });
  if (options.replace === true) {
    await tx.delete(keys).where(and(ofOwner(owner), eq(keys.kind, kind), ne(keys.fingerprint, fingerprint)));
  }
  return null;
}

function ofOwner(owner: KeyOwner & { readonly id: number }) {
  const column =
    owner.kind === 'user' ? keys.user_id : owner.kind === 'contact' ? keys.contact_id : keys.domain_id;
  return eq(column, owner.id);
}

function ownerColumns(owner: KeyOwner & { readonly id: number }) {
  return owner.kind === 'user'
    ? { user_id: owner.id }
    : owner.kind === 'contact'
      ? { contact_id: owner.id }
      : { domain_id: owner.id };
}
