// Targets of aliases that are users of ours: they name their user by id, so that a rename breaks no alias, also where the alias
// was there before the user.
import { and, eq, isNull, sql } from 'drizzle-orm';
import type { Address } from '../address/address.ts';
import { lookupCandidates, partsOf, toAddress } from '../address/normalise.ts';
import { addresses, aliasTargets } from '../database/schema.ts';
import { findAddress, findDomain, mostExact, nameAddress, type Orm, primaryAddress } from './find.ts';

/**
 * Gives the user's id to every target that the user's address answers for and that names nobody by id yet. To be called
 * whenever an address becomes a user's, and before it is one no longer. Aliases that are being added are waited for.
 * @param delimiters recipient_delimiter: `alice+lists@...` is alice
 */
export async function linkTargets(orm: Orm, userId: number, delimiters: string): Promise<void> {
  const address = await primaryAddress(orm, userId);
  const domain = await findDomain(orm, partsOf(address).domain, 'no key update');
  if (domain === null) return;
  const suffix = `@${domain.name}`;
  const rows = await orm
    .select()
    .from(aliasTargets)
    .where(
      and(
        isNull(aliasTargets.target_user_id),
        sql`right(${aliasTargets.target}, ${suffix.length}::integer) = ${suffix}`,
      ),
    );
  for (const row of rows) {
    const parts = partsOf(row.target as Address);
    const candidates = lookupCandidates(parts, delimiters, domain.fold_local_part).slice(0, -1);
    if (!candidates.includes(address) || (await mostExact(orm, candidates))?.user_id !== userId) continue;
    await orm
      .update(aliasTargets)
      .set({ target: toAddress(parts, domain.fold_local_part), target_user_id: userId })
      .where(thisRow(row));
  }
}

/** Targets name their user by id; the text beside it follows a rename, its extension kept. */
export async function renameTargets(orm: Orm, userId: number, old: Address, address: Address): Promise<void> {
  const [before, after] = [partsOf(old), partsOf(address)];
  const rows = await orm.select().from(aliasTargets).where(eq(aliasTargets.target_user_id, userId));
  for (const row of rows) {
    const target = partsOf(row.target as Address);
    if (target.domain !== before.domain || !target.local.startsWith(before.local)) continue;
    const renamed = toAddress(
      { local: after.local + target.local.slice(before.local.length), domain: after.domain },
      false,
    );
    await orm.update(aliasTargets).set({ target: renamed }).where(thisRow(row));
  }
}

/** Makes an address that was a user's an alias for that user. */
export async function keepAsAlias(orm: Orm, old: Address, address: Address, userId: number): Promise<void> {
  const [alias] = await orm
    .insert(addresses)
    .values({ address: old, domain: partsOf(old).domain, kind: 'alias' })
    .returning({ id: addresses.id });
  if (alias === undefined) throw new Error('no alias was inserted');
  await orm
    .insert(aliasTargets)
    .values({ alias_id: alias.id, position: 0, target: address, target_user_id: userId });
}

/** Removes the alias at an address where it leads to this user's primary address and nowhere else. */
export async function removeOwnAlias(
  orm: Orm,
  typed: string,
  userId: number,
  primary: Address,
): Promise<void> {
  // As requireFree locks it afterwards: two commands must not wait for each other.
  const { address } = await nameAddress(orm, typed, 'no key update');
  const row = await findAddress(orm, address, 'update');
  if (row?.kind !== 'alias') return;
  const targets = await orm.select().from(aliasTargets).where(eq(aliasTargets.alias_id, row.id));
  const [only] = targets;
  if (targets.length !== 1 || only?.target_user_id !== userId || only.target !== primary) return;
  await orm.delete(addresses).where(eq(addresses.id, row.id));
}

function thisRow(row: typeof aliasTargets.$inferSelect) {
  return and(eq(aliasTargets.alias_id, row.alias_id), eq(aliasTargets.position, row.position));
}
