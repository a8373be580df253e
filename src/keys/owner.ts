// Whose key it is: a user, an outside contact, or a whole domain of ours. Found by what was typed, or by the addresses in a
// certificate's user IDs; compared as whole canonical addresses, never by substring.
import { and, asc, eq, inArray, type SQL, sql } from 'drizzle-orm';
import type { Address } from '../address/address.ts';
import { userIdOf } from '../address/id-address.ts';
import { lookupCandidates, parseTyped } from '../address/normalise.ts';
import { addresses, domains, type keyEvents, keys, users } from '../database/schema.ts';
import {
  addressesOfUser,
  findAddress,
  findDomain,
  findUser,
  mostExact,
  nameAddress,
  type Orm,
  onlyUserBehind,
  primaryAddress,
  requireDomain,
} from '../directory/find.ts';
import { ChangeRefused } from '../directory/refused.ts';

/** `id` is that of the user, of the contact's address, or of the domain; null for a contact that is not stored yet. */
export type KeyOwner =
  | { readonly kind: 'user'; readonly id: number; readonly name: string }
  | { readonly kind: 'contact'; readonly id: number | null; readonly name: Address; readonly domain: string }
  | { readonly kind: 'domain'; readonly id: number; readonly name: string };

/** Which rows of a table are of an owner. */
export function ownedBy(table: typeof keys | typeof keyEvents, kind: KeyOwner['kind'], id: number): SQL {
  return eq({ user: table.user_id, contact: table.contact_id, domain: table.domain_id }[kind], id);
}

async function userOwner(orm: Orm, id: number): Promise<KeyOwner> {
  return { kind: 'user', id, name: await primaryAddress(orm, id) };
}

/**
 * The owner that `--for` names: a user (also by alias, extension or id address), a domain (`@example.org` or
 * `example.org`), else an outside contact.
 * @throws ChangeRefused for an unknown address of ours, an unknown domain, an alias with several targets
 */
export async function ownerNamed(orm: Orm, typed: string, delimiters: string): Promise<KeyOwner> {
  const text = typed.trim();
  if (!text.includes('@') || text.startsWith('@')) {
    const domain = await requireDomain(orm, text.replace(/^@/, ''));
    return { kind: 'domain', id: domain.id, name: domain.name };
  }
  const { address, parts, domain } = await nameAddress(orm, text);
  const row = await mostExact(
    orm,
    lookupCandidates(parts, delimiters, domain?.fold_local_part ?? true).slice(0, -1),
  );
  if (row?.kind === 'user' && row.user_id !== null) return userOwner(orm, row.user_id);
  if (row?.kind === 'alias') {
    const only = await onlyUserBehind(orm, row.id);
    if (only !== null) return userOwner(orm, only);
    throw new ChangeRefused(
      `${row.address} is an alias that does not lead to one user alone; name the user, see "sealpost alias list ${row.address}"`,
    );
  }
  if (row?.kind === 'contact')
    return { kind: 'contact', id: row.id, name: row.address as Address, domain: row.domain };
  const id = userIdOf(parts.local);
  if (id !== null && domain !== null && (await findUser(orm, id)) !== null) return userOwner(orm, id);
  if (domain !== null) {
    throw new ChangeRefused(
      `there is no user ${address}; add one with "sealpost user add ${address}", see "sealpost user list"`,
    );
  }
  return { kind: 'contact', id: null, name: address, domain: parts.domain };
}

/** The users that a certificate's own addresses name: as primary addresses, or as aliases for that user alone. */
export async function ownersAmong(
  orm: Orm,
  found: readonly string[],
  delimiters: string,
): Promise<readonly KeyOwner[]> {
  const ids = new Set<number>();
  for (const text of found) {
    const parts = parseTyped(text);
    if (parts === null || parts.local === '') continue;
    const domain = await findDomain(orm, parts.domain);
    if (domain === null) continue;
    const row = await mostExact(
      orm,
      lookupCandidates(parts, delimiters, domain.fold_local_part).slice(0, -1),
    );
    if (row?.kind === 'user' && row.user_id !== null) ids.add(row.user_id);
    if (row?.kind !== 'alias') continue;
    const only = await onlyUserBehind(orm, row.id);
    if (only !== null) ids.add(only);
  }
  const owners: KeyOwner[] = [];
  for (const id of ids) owners.push(await userOwner(orm, id));
  return owners;
}

/** Which user IDs of a certificate are the owner's: a test on the address as written in one. */
export async function belongsTo(
  orm: Orm,
  owner: KeyOwner,
  delimiters: string,
): Promise<(address: string) => boolean> {
  if (owner.kind === 'domain') return (text) => parseTyped(text)?.domain === owner.name;
  const own = new Set<string>(owner.kind === 'user' ? await addressesOfUser(orm, owner.id) : [owner.name]);
  return (text) => {
    const parts = parseTyped(text);
    if (parts === null || parts.local === '') return false;
    // Whether its domain folds is known by what is stored: one of both spellings is.
    return [true, false].some((fold) =>
      lookupCandidates(parts, delimiters, fold)
        .slice(0, -1)
        .some((candidate) => own.has(candidate)),
    );
  };
}

/**
 * Holds owners until the transaction ends, in one order everywhere: of two imports at the same moment the second one sees what
 * keys the first one has given them. A contact is held when its address is stored, see {@link ensureOwner}.
 */
export async function holdOwners(orm: Orm, owners: readonly KeyOwner[]): Promise<void> {
  const ids = (kind: KeyOwner['kind']) =>
    owners.flatMap((owner) => (owner.kind === kind ? [owner.id ?? 0] : []));
  for (const [table, wanted] of [
    [domains, ids('domain')],
    [users, ids('user')],
  ] as const) {
    if (wanted.length === 0) continue;
    await orm
      .select({ id: table.id })
      .from(table)
      .where(inArray(table.id, wanted))
      .orderBy(asc(table.id))
      .for('no key update');
  }
}

/** Stores a contact's address where it is not stored yet, or no longer; it is held until the transaction ends. */
export async function ensureOwner(orm: Orm, owner: KeyOwner): Promise<KeyOwner & { readonly id: number }> {
  if (owner.kind !== 'contact') return owner;
  let row = await findAddress(orm, owner.name, 'no key update');
  if (row === null) {
    await orm
      .insert(addresses)
      .values({ address: owner.name, domain: owner.domain, kind: 'contact' })
      .onConflictDoNothing();
    row = await findAddress(orm, owner.name, 'no key update');
  }
  if (row?.kind !== 'contact') throw new ChangeRefused(`${owner.name} was taken this very moment; try again`);
  return { ...owner, id: row.id };
}

/** Holds the contacts that have a key: nothing is imported for them before the transaction ends. */
export async function holdContacts(orm: Orm, fingerprint: string): Promise<void> {
  await orm
    .select({ id: addresses.id })
    .from(addresses)
    .innerJoin(keys, eq(keys.contact_id, addresses.id))
    .where(eq(keys.fingerprint, fingerprint))
    .orderBy(asc(addresses.id))
    .for('update', { of: addresses });
}

/** Removes a contact's address when its last key has gone. */
export async function forgetContact(orm: Orm, addressId: number): Promise<void> {
  await orm
    .delete(addresses)
    .where(
      and(
        eq(addresses.id, addressId),
        eq(addresses.kind, 'contact'),
        sql`NOT EXISTS (SELECT FROM ${keys} WHERE ${keys.contact_id} = ${addressId})`,
      ),
    );
}

/** The owner as people write it: an address, or `@domain`. */
export function ownerInWords(owner: Pick<KeyOwner, 'kind' | 'name'>): string {
  return owner.kind === 'domain' ? `@${owner.name}` : owner.name;
}

export function sameOwner(a: KeyOwner, b: KeyOwner): boolean {
  return a.kind === b.kind && a.id !== null && a.id === b.id;
}
