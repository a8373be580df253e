// Aliases and catch-alls, as an administrator adds, lists and removes them.
import { and, asc, eq, isNull } from 'drizzle-orm';
import type { Address } from '../address/address.ts';
import { userIdOf } from '../address/id-address.ts';
import { catchAllOf, lookupCandidates, partsOf, toAddress } from '../address/normalise.ts';
import type { Database } from '../database/open.ts';
import { addresses, aliasTargets } from '../database/schema.ts';
import { inOrmTransaction } from '../database/transaction.ts';
import { findAddress, findUser, mostExact, nameAddress, type Orm } from './find.ts';
import { requireFree } from './free-address.ts';
import { ChangeRefused } from './refused.ts';

/** An alias as the commands print it. */
export interface AliasView {
  readonly address: string;
  readonly targets: readonly string[];
}

export interface AliasAdded extends AliasView {
  /** What is odd about it, for the administrator: targets that nobody has, loops. */
  readonly warnings: readonly string[];
}

interface Target {
  readonly target: Address;
  readonly userId: number | null;
  readonly warning: string | null;
}

/**
 * Adds an alias, or further targets to one. Targets that it has already stay where they are.
 * @param delimiters recipient_delimiter: `alice+lists@...` is alice
 * @throws ChangeRefused where the address is a user's, the domain is not ours, or a target is no address
 */
export async function addAlias(
  { orm }: Pick<Database, 'orm'>,
  typed: string,
  typedTargets: readonly string[],
  delimiters: string,
): Promise<AliasAdded> {
  return inOrmTransaction({ orm }, async (tx) => {
    const alias = await aliasRow(tx, typed);
    const targets: Target[] = [];
    for (const target of typedTargets) targets.push(await readTarget(tx, target, delimiters));
    const existing = await tx.select().from(aliasTargets).where(eq(aliasTargets.alias_id, alias.id));
    let position = Math.max(-1, ...existing.map((row) => row.position));
    const known = new Set(existing.map((row) => row.target));
    for (const { target, userId } of targets) {
      if (known.has(target)) {
        if (userId !== null) await nameUser(tx, alias.id, target, userId);
        continue;
      }
      known.add(target);
      position++;
      await tx.insert(aliasTargets).values({ alias_id: alias.id, position, target, target_user_id: userId });
    }
    const warnings = targets.flatMap(({ target, warning }) =>
      target === alias.address ? [`${target} leads to itself: its mail will be deferred`] : (warning ?? []),
    );
    return { address: alias.address, targets: await targetsOf(tx, alias.id), warnings };
  });
}

/** A target that the alias has already may have been there before its user. */
async function nameUser(orm: Orm, aliasId: number, target: Address, userId: number): Promise<void> {
  await orm
    .update(aliasTargets)
    .set({ target_user_id: userId })
    .where(
      and(
        eq(aliasTargets.alias_id, aliasId),
        eq(aliasTargets.target, target),
        isNull(aliasTargets.target_user_id),
      ),
    );
}

async function aliasRow(
  orm: Orm,
  typed: string,
): Promise<{ readonly id: number; readonly address: Address }> {
  const named = await nameAddress(orm, typed, 'share');
  const existing = await findAddress(orm, named.address, 'update');
  if (existing?.kind === 'alias') return { id: existing.id, address: named.address };
  const { address, domain, contact } = await requireFree(orm, typed, 'share');
  if (contact !== null) {
    throw new ChangeRefused(
      `${address} is known as a contact with keys; remove them first, see "sealpost key list ${address}"`,
    );
  }
  const [row] = await orm
    .insert(addresses)
    .values({ address, domain: domain.name, kind: 'alias' })
    .onConflictDoNothing()
    .returning({ id: addresses.id });
  if (row === undefined) {
    throw new ChangeRefused(`${address} was taken this very moment; see "sealpost alias list ${address}"`);
  }
  return { id: row.id, address };
}

async function readTarget(orm: Orm, typed: string, delimiters: string): Promise<Target> {
  // A user who is added at this moment is waited for, or waits, and links the target.
  const { parts, domain } = await nameAddress(orm, typed, 'share');
  if (parts.local === '') {
    throw new ChangeRefused(
      `found the target ${JSON.stringify(typed)}, expected an address such as alice@example.org`,
    );
  }
  if (domain === null) return { target: toAddress(parts, false), userId: null, warning: null };
  const target = toAddress(parts, domain.fold_local_part);
  const candidates = lookupCandidates(parts, delimiters, domain.fold_local_part).slice(0, -1);
  const row = await mostExact(orm, candidates);
  if (row !== undefined) return { target, userId: row.kind === 'user' ? row.user_id : null, warning: null };
  const id = userIdOf(partsOf(candidates.at(-1) ?? target).local);
  if (id !== null && (await findUser(orm, id)) !== null) return { target, userId: id, warning: null };
  const catchAll = await findAddress(orm, catchAllOf(domain.name));
  const warning =
    catchAll === null ? `nobody is at ${target} yet; add it with "sealpost user add ${target}"` : null;
  return { target, userId: null, warning };
}

async function targetsOf(orm: Orm, aliasId: number): Promise<readonly string[]> {
  const rows = await orm
    .select({ target: aliasTargets.target })
    .from(aliasTargets)
    .where(eq(aliasTargets.alias_id, aliasId))
    .orderBy(asc(aliasTargets.position));
  return rows.map(({ target }) => target);
}

/**
 * All aliases by address.
 * @param typed only the alias at this address, and those that lead to it
 * @throws ChangeRefused where `typed` is no address
 */
export async function listAliases(
  { orm }: Pick<Database, 'orm'>,
  typed?: string,
): Promise<readonly AliasView[]> {
  const rows = await orm
    .select({ address: addresses.address, target: aliasTargets.target, userId: aliasTargets.target_user_id })
    .from(addresses)
    .leftJoin(aliasTargets, eq(aliasTargets.alias_id, addresses.id))
    .where(eq(addresses.kind, 'alias'))
    .orderBy(asc(addresses.address), asc(aliasTargets.position));
  const aliases = new Map<string, string[]>();
  for (const { address, target } of rows) {
    const targets = aliases.get(address) ?? [];
    if (target !== null) targets.push(target);
    aliases.set(address, targets);
  }
  const all = [...aliases].map(([address, targets]) => ({ address, targets }));
  if (typed === undefined) return all;
  const { address: wanted } = await nameAddress(orm, typed);
  const row = await findAddress(orm, wanted);
  const leading = new Set(
    rows.flatMap(({ address, target, userId }) =>
      target === wanted || (row?.user_id != null && userId === row.user_id) ? [address] : [],
    ),
  );
  return all.filter(({ address }) => address === wanted || leading.has(address));
}

/** @throws ChangeRefused where there is none */
export async function removeAlias({ orm }: Pick<Database, 'orm'>, typed: string): Promise<AliasView> {
  return inOrmTransaction({ orm }, async (tx) => {
    const { address } = await nameAddress(tx, typed);
    const row = await findAddress(tx, address);
    if (row?.kind === 'user') {
      throw new ChangeRefused(
        `${address} is the address of user ${row.user_id}, not an alias; see "sealpost user remove ${address}"`,
      );
    }
    if (row?.kind !== 'alias')
      throw new ChangeRefused(`there is no alias ${address}; see "sealpost alias list"`);
    const targets = await targetsOf(tx, row.id);
    await tx.delete(addresses).where(eq(addresses.id, row.id));
    return { address, targets };
  });
}
