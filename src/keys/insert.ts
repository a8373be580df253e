// A new row among an owner's keys, whatever its kind: which source counts, and what the new key replaces.
import { and, eq, ne } from 'drizzle-orm';
import { KEY_SOURCES, keys } from '../database/schema.ts';
import type { Orm } from '../directory/find.ts';
import type { KeySource } from '../directory/types.ts';
import type { KeyOwner } from './owner.ts';
import { type KeyRefusal, refuseWeakerSource } from './refusals.ts';

/** What differs between the kinds of key in a new row. */
export type KeyColumns = Pick<
  typeof keys.$inferInsert,
  'kind' | 'certificate' | 'expires_at' | 'revoked' | 'pinned'
>;

/**
 * Stores a key of an owner who has not got it, and removes what it replaces.
 * @returns a refusal where a stronger source has spoken already
 */
export async function insertKey(
  tx: Orm,
  owner: KeyOwner & { readonly id: number },
  fingerprint: string,
  { source, replace }: { readonly source: KeySource; readonly replace?: boolean | undefined },
  columns: () => Promise<KeyColumns>,
): Promise<KeyRefusal | null> {
  const others = await tx.select({ id: keys.id, source: keys.source }).from(keys).where(ofOwner(owner));
  const strongest = others.map((row) => row.source).reduce((best, next) => strongerOf(best, next), source);
  // Keys that nobody handed over (Autocrypt, WKD) would be read along with the verified one: neither beside it nor instead.
  if (strongest !== source && (replace === true || isFoundByItself(source))) {
    return refuseWeakerSource(fingerprint, source, strongest);
  }
  const row = await columns();
  await tx.insert(keys).values({ fingerprint, ...ownerColumns(owner), source, ...row });
  if (replace === true) {
    await tx
      .delete(keys)
      .where(and(ofOwner(owner), eq(keys.kind, row.kind ?? 'openpgp'), ne(keys.fingerprint, fingerprint)));
  }
  return null;
}

function isFoundByItself(source: KeySource): boolean {
  return source === 'autocrypt' || source === 'wkd';
}

/** The source that counts for more. */
export function strongerOf(a: KeySource, b: KeySource): KeySource {
  return KEY_SOURCES.indexOf(a) >= KEY_SOURCES.indexOf(b) ? a : b;
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
