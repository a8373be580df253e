// New rows among owners' keys, whatever their kind: which source counts, and what a new key replaces. Every key that is new to
// somebody comes in here.
import { and, eq, ne } from 'drizzle-orm';
import { keys } from '../database/schema.ts';
import type { Orm } from '../directory/find.ts';
import type { KeyKind, KeySource } from '../directory/types.ts';
import { type Candidate, refuseCandidate } from './admit.ts';
import { type CertificateFacts, isTakenBack, usableUntil } from './facts.ts';
import type { ImportOptions } from './import-options.ts';
import { type KeyOwner, ownedBy } from './owner.ts';
import type { KeyRefusal } from './refusals.ts';
import type { KeyRow } from './rows.ts';

/** What differs between the kinds of key in a new row. */
export type KeyColumns = Pick<
  typeof keys.$inferInsert,
  'certificate' | 'original' | 'expires_at' | 'revoked' | 'pinned'
>;

/** The columns that repeat for SQL what an OpenPGP certificate says. */
export function columnsOf(facts: CertificateFacts): Pick<KeyColumns, 'expires_at'> & { revoked: boolean } {
  const until = usableUntil(facts);
  return { expires_at: until === null ? null : new Date(until), revoked: isTakenBack(facts) };
}

/** A key that is to become an owner's, judged and admitted. */
export interface NewKey {
  readonly owner: KeyOwner & { readonly id: number };
  readonly fingerprint: string;
  readonly kind: KeyKind;
  readonly source: KeySource;
  readonly status: 'active' | 'disabled';
  readonly columns: KeyColumns;
}

/**
 * Stores many keys in one statement, each beside the other keys of its owner.
 * @param news at most a thousand
 * @returns a row for each that is new; whoever has got that key meanwhile keeps what is there
 */
export async function insertKeys(
  tx: Orm,
  news: readonly NewKey[],
): Promise<readonly Pick<KeyRow, 'id' | 'fingerprint' | 'user_id' | 'contact_id' | 'domain_id'>[]> {
  if (news.length === 0) return [];
  return tx
    .insert(keys)
    .values(
      news.map(({ owner, fingerprint, kind, source, status, columns }) => ({
        fingerprint,
        kind,
        ...ownerColumns(owner),
        source,
        status,
        ...columns,
      })),
    )
    .onConflictDoNothing()
    .returning({
      id: keys.id,
      fingerprint: keys.fingerprint,
      user_id: keys.user_id,
      contact_id: keys.contact_id,
      domain_id: keys.domain_id,
    });
}

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
    .where(ownedBy(keys, owner.kind, owner.id));
  const refusal = refuseCandidate(candidate, owner, others, options);
  if (refusal !== null) return refusal;
  await tx
    .insert(keys)
    .values({ fingerprint, kind, ...ownerColumns(owner), source: options.source, ...(await columns()) });
  if (options.replace === true) {
    await tx
      .delete(keys)
      .where(
        and(ownedBy(keys, owner.kind, owner.id), eq(keys.kind, kind), ne(keys.fingerprint, fingerprint)),
      );
  }
  return null;
}

/** The columns of a key's row that say whose it is. */
export function ownerColumns(
  owner: Pick<KeyOwner, 'kind'> & { readonly id: number },
): Partial<Pick<KeyRow, 'user_id' | 'contact_id' | 'domain_id'>> {
  return owner.kind === 'user'
    ? { user_id: owner.id }
    : owner.kind === 'contact'
      ? { contact_id: owner.id }
      : { domain_id: owner.id };
}
