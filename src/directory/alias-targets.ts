// Targets of aliases that are users of ours: they name their user by id, so that a rename breaks no alias, also where the alias
// was there before the user.
import { and, eq, isNull, sql } from 'drizzle-orm';
import type { Address } from '../address/address.ts';
import { lookupCandidates, partsOf, toAddress } from '../address/normalise.ts';
import { aliasTargets } from '../database/schema.ts';
import { findDomain, mostExact, type Orm, primaryAddress } from './find.ts';

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

function thisRow(row: typeof aliasTargets.$inferSelect) {
  return and(eq(aliasTargets.alias_id, row.alias_id), eq(aliasTargets.position, row.position));
}
