// Users, as an administrator adds, lists, sets, renames and removes them. The id never changes: keys, aliases and the mailbox
// follow it.
import { and, eq, sql } from 'drizzle-orm';
import { toAddress } from '../address/normalise.ts';
import type { Database } from '../database/open.ts';
import { addresses, aliasTargets, keys, senderLogins, users } from '../database/schema.ts';
import { inOrmTransaction } from '../database/transaction.ts';
import { keepAsAlias, linkTargets, removeOwnAlias, renameTargets } from './alias-targets.ts';
import { type Assignments, applySettings } from './assignments.ts';
import { type Erased, eraseTraces } from './erase.ts';
import { nameAddress, type Orm, requireUser } from './find.ts';
import { requireFree } from './free-address.ts';
import { knownAs } from './known-as.ts';
import { ChangeRefused } from './refused.ts';
import { requireView, type UserView } from './user-views.ts';

export interface UserChanges {
  readonly assignments: Assignments;
  readonly status?: 'active' | 'disabled' | undefined;
  /** Bytes; null: unlimited; undefined: leave. */
  readonly quota?: number | null | undefined;
  /** Messages; null: unlimited; undefined: leave. */
  readonly quotaMessages?: number | null | undefined;
}

function refuseCatchAll(typed: string, { local }: { local: string }): void {
  if (local === '') {
    throw new ChangeRefused(
      `found ${JSON.stringify(typed)}, expected an address such as alice@example.org; "sealpost alias add" takes catch-alls`,
    );
  }
}

/**
 * Adds users, all of them or none. Keys that were known for an address as a contact's become the user's, and aliases that led
 * to the address lead to the user.
 * @param quota bytes; null: unlimited
 * @param delimiters recipient_delimiter: `alice+lists@...` is alice
 * @returns in the order of the addresses
 * @throws ChangeRefused for the first that cannot be added
 */
export async function addUsers(
  { orm }: Pick<Database, 'orm'>,
  typed: readonly string[],
  quota: number | null,
  delimiters: string,
): Promise<readonly UserView[]> {
  return inOrmTransaction({ orm }, async (tx) => {
    const added: UserView[] = [];
    for (const each of typed) added.push(await requireView(tx, await addOne(tx, each, quota, delimiters)));
    return added;
  });
}

/** Adds one user. @see addUsers */
export async function addUser(
  database: Pick<Database, 'orm'>,
  typed: string,
  quota: number | null,
  delimiters: string,
): Promise<UserView> {
  const [added] = await addUsers(database, [typed], quota, delimiters);
  if (added === undefined) throw new Error('no user was added');
  return added;
}

/** @returns the user's number */
async function addOne(tx: Orm, typed: string, quota: number | null, delimiters: string): Promise<number> {
  const { address, parts, domain, contact } = await requireFree(tx, typed, 'no key update');
  refuseCatchAll(typed, parts);
  const [user] = await tx.insert(users).values({ domain_id: domain.id, quota_bytes: quota }).returning();
  if (user === undefined) throw new Error('no user was inserted');
  if (contact === null) {
    const inserted = await tx
      .insert(addresses)
      .values({ address, domain: domain.name, kind: 'user', user_id: user.id })
      .onConflictDoNothing()
      .returning({ id: addresses.id });
    if (inserted.length === 0) {
      throw new ChangeRefused(`${address} was taken this very moment; see "sealpost user show ${address}"`);
    }
  } else {
    await tx.update(keys).set({ user_id: user.id, contact_id: null }).where(eq(keys.contact_id, contact.id));
    await tx.update(addresses).set({ kind: 'user', user_id: user.id }).where(eq(addresses.id, contact.id));
  }
  await linkTargets(tx, user.id, delimiters);
  return user.id;
}

/** @throws ChangeRefused where there is none */
export async function showUser({ orm }: Pick<Database, 'orm'>, typed: string): Promise<UserView> {
  const { user } = await requireUser(orm, typed);
  return requireView(orm, user.id);
}

/** @throws ChangeRefused where there is none */
export async function setUser(
  { orm }: Pick<Database, 'orm'>,
  typed: string,
  changes: UserChanges,
): Promise<UserView> {
  const { assignments, status, quota, quotaMessages } = changes;
  return inOrmTransaction({ orm }, async (tx) => {
    const { user } = await requireUser(tx, typed, 'no key update');
    const forwards =
      assignments.forwards === undefined ? undefined : await readForwards(tx, assignments.forwards);
    await tx
      .update(users)
      .set({
        settings: applySettings(user.settings, assignments),
        ...(assignments.transport === undefined ? {} : { transport: assignments.transport }),
        ...(status === undefined ? {} : { status }),
        ...(quota === undefined ? {} : { quota_bytes: quota }),
        ...(quotaMessages === undefined ? {} : { quota_messages: quotaMessages }),
        ...(forwards === undefined ? {} : { forwards }),
        // "ask" is no user's: the assignments were read for one.
        ...(assignments.publish === undefined || assignments.publish === 'ask'
          ? {}
          : { publish: assignments.publish }),
      })
      .where(eq(users.id, user.id));
    if (assignments.sendAs !== undefined) await setSenders(tx, user.id, assignments.sendAs);
    return requireView(tx, user.id);
  });
}

/** Outside addresses; one of ours would be an alias, with its loops and its owner. @throws ChangeRefused */
async function readForwards(orm: Orm, typed: readonly string[]): Promise<string[]> {
  const forwards: string[] = [];
  for (const each of typed) {
    const { parts, domain } = await nameAddress(orm, each);
    refuseCatchAll(each, parts);
    if (domain !== null) {
      throw new ChangeRefused(
        `${each} is in a domain of ours, expected an outside address; "sealpost alias add" leads one address to several of ours`,
      );
    }
    forwards.push(toAddress(parts, false));
  }
  return [...new Set(forwards)];
}

/** @throws ChangeRefused where one is no address */
async function setSenders(orm: Orm, userId: number, typed: readonly string[]): Promise<void> {
  const named: string[] = [];
  for (const each of typed) named.push((await nameAddress(orm, each)).address);
  await orm.delete(senderLogins).where(eq(senderLogins.user_id, userId));
  const rows = [...new Set(named)].map((address) => ({ address, user_id: userId }));
  if (rows.length > 0) await orm.insert(senderLogins).values(rows);
}

/**
 * Gives a user another address; the id, keys and aliases stay, and aliases that led to the new address lead to the user. The
 * old address becomes an alias, since what is sent to it would go on to nobody, in plaintext. An alias at the new address that
 * does nothing but lead to this user, as an earlier rename leaves one, makes room.
 * @param delimiters recipient_delimiter: `alice+lists@...` is alice
 * @param options `dropOld`: the old address is nobody's afterwards
 * @throws ChangeRefused
 */
export async function renameUser(
  { orm }: Pick<Database, 'orm'>,
  from: string,
  to: string,
  delimiters: string,
  options: { readonly dropOld?: boolean } = {},
): Promise<UserView & { readonly alias: string | null }> {
  return inOrmTransaction({ orm }, async (tx) => {
    const { user, address: old } = await requireUser(tx, from);
    await linkTargets(tx, user.id, delimiters);
    await removeOwnAlias(tx, to, user.id, old);
    const { address, parts, domain, contact } = await requireFree(tx, to, 'no key update');
    refuseCatchAll(to, parts);
    if (contact !== null) {
      throw new ChangeRefused(
        `${address} is known as a contact with keys; remove them first, see "sealpost key list ${address}"`,
      );
    }
    await tx
      .update(addresses)
      .set({ address, domain: domain.name })
      .where(and(eq(addresses.user_id, user.id), eq(addresses.kind, 'user')));
    if (domain.id !== user.domain_id)
      await tx.update(users).set({ domain_id: domain.id }).where(eq(users.id, user.id));
    await renameTargets(tx, user.id, old, address);
    if (options.dropOld !== true) await keepAsAlias(tx, old, address, user.id);
    await linkTargets(tx, user.id, delimiters);
    return { ...(await requireView(tx, user.id)), alias: options.dropOld === true ? null : old };
  });
}

/**
 * Removes a user with keys, and the aliases that led nowhere else.
 * @param delimiters recipient_delimiter: `alice+lists@...` is alice
 * @param keptAs erase what is left of the user, too: gives the patterns under which `events` keeps an address
 * @throws ChangeRefused
 */
export async function removeUser(
  { orm }: Pick<Database, 'orm'>,
  typed: string,
  delimiters: string,
  keptAs?: (address: string) => readonly string[],
): Promise<UserView & { readonly removedAliases: readonly string[]; readonly erased: Erased | null }> {
  return inOrmTransaction({ orm }, async (tx) => {
    const found = await requireUser(tx, typed);
    const { user } = found;
    const view = await requireView(tx, user.id);
    const names = await knownAs(tx, found);
    await linkTargets(tx, user.id, delimiters);
    const led = await tx
      .selectDistinct({ id: aliasTargets.alias_id })
      .from(aliasTargets)
      .where(eq(aliasTargets.target_user_id, user.id));
    await tx.delete(users).where(eq(users.id, user.id));
    const removedAliases: string[] = [];
    for (const { id } of led) {
      const [gone] = await tx
        .delete(addresses)
        .where(
          and(
            eq(addresses.id, id),
            sql`NOT EXISTS (SELECT FROM ${aliasTargets} WHERE ${aliasTargets.alias_id} = ${id})`,
          ),
        )
        .returning({ address: addresses.address });
      if (gone !== undefined) removedAliases.push(gone.address);
    }
    const traced = [...names, ...removedAliases];
    const erased = keptAs === undefined ? null : await eraseTraces(tx, user.id, traced.flatMap(keptAs));
    return { ...view, removedAliases, erased };
  });
}
