// Finding rows for administration: what a person typed, made canonical under its domain's rule, and what the directory has there.
import { and, eq, inArray } from 'drizzle-orm';
import type { NodePgDatabase } from 'drizzle-orm/node-postgres';
import type { PgSelect } from 'drizzle-orm/pg-core';
import type { Address } from '../address/address.ts';
import { userIdOf } from '../address/id-address.ts';
import {
  type AddressParts,
  catchAllOf,
  domainNameOf,
  parseTyped,
  storedSpellings,
  toAddress,
} from '../address/normalise.ts';
import { addresses, aliasTargets, domains, users } from '../database/schema.ts';
import { ChangeRefused } from './refused.ts';

/** The database, or a transaction on it. */
export type Orm = Pick<
  NodePgDatabase,
  'select' | 'selectDistinct' | 'insert' | 'update' | 'delete' | 'execute'
>;

export type DomainRow = typeof domains.$inferSelect;
export type UserRow = typeof users.$inferSelect;
export type AddressesRow = typeof addresses.$inferSelect;

/** How a row is held against whoever would change it before the transaction ends (PostgreSQL manual, section 13.3.2). */
export type RowLock = 'update' | 'no key update' | 'share' | 'key share';

function held<Query extends PgSelect>(query: Query, lock: RowLock | undefined): Query {
  return lock === undefined ? query : query.for(lock);
}

/** An address that a person typed, and its domain where it is ours. */
export interface Named {
  readonly address: Address;
  readonly parts: AddressParts;
  readonly domain: DomainRow | null;
}

/** The domain row of a name as typed. @throws ChangeRefused where it is no domain name */
export function domainName(typed: string): string {
  const name = domainNameOf(typed);
  if (name === null) {
    throw new ChangeRefused(`found ${JSON.stringify(typed)}, expected a domain name such as example.org`);
  }
  return name;
}

export async function findDomain(orm: Orm, name: string, lock?: RowLock): Promise<DomainRow | null> {
  const [row] = await held(orm.select().from(domains).where(eq(domains.name, name)).$dynamic(), lock);
  return row ?? null;
}

/** @throws ChangeRefused where the domain is not ours */
export async function requireDomain(orm: Orm, typed: string, lock?: RowLock): Promise<DomainRow> {
  const name = domainName(typed);
  const row = await findDomain(orm, name, lock);
  if (row === null) {
    throw new ChangeRefused(
      `the domain ${name} is not known; add it with "sealpost domain add ${name}", see "sealpost domain list"`,
    );
  }
  return row;
}

/** Reads an address as typed; `@domain` is a catch-all. `lock` is for its domain. @throws ChangeRefused */
export async function nameAddress(orm: Orm, typed: string, lock?: RowLock): Promise<Named> {
  const parts = parseTyped(typed);
  if (parts === null) {
    throw new ChangeRefused(`found ${JSON.stringify(typed)}, expected an address such as alice@example.org`);
  }
  const domain = await findDomain(orm, parts.domain, lock);
  if (parts.local === '') return { address: catchAllOf(parts.domain), parts, domain };
  const fold = domain?.fold_local_part ?? true;
  const spellings = storedSpellings(parts, fold);
  const [lower = toAddress(parts, fold)] = spellings;
  // Outside, weiß and weiss may be two people: whose mail it is, another server decides.
  if (domain === null || spellings.length === 1) return { address: lower, parts, domain };
  const row = await mostExact(orm, spellings);
  return { address: (row?.address as Address | undefined) ?? toAddress(parts, fold), parts, domain };
}

export async function findAddress(orm: Orm, address: Address, lock?: RowLock): Promise<AddressesRow | null> {
  const [row] = await held(
    orm.select().from(addresses).where(eq(addresses.address, address)).$dynamic(),
    lock,
  );
  return row ?? null;
}

export async function findUser(orm: Orm, id: number, lock?: RowLock): Promise<UserRow | null> {
  const [row] = await held(orm.select().from(users).where(eq(users.id, id)).$dynamic(), lock);
  return row ?? null;
}

/** The primary address of a user. */
export async function primaryAddress(orm: Orm, userId: number): Promise<Address> {
  const address = await addressOrNone(orm, userId);
  if (address === null) throw new Error(`user ${userId} has no address`);
  return address;
}

/** The same where there may be no such user. */
export async function addressOrNone(orm: Orm, userId: number): Promise<Address | null> {
  const [row] = await orm
    .select({ address: addresses.address })
    .from(addresses)
    .where(and(eq(addresses.user_id, userId), eq(addresses.kind, 'user')));
  return (row?.address as Address | undefined) ?? null;
}

/** The user at a primary address or an id address. `lock` is for the user. @throws ChangeRefused where there is none */
export async function requireUser(
  orm: Orm,
  typed: string,
  lock?: RowLock,
): Promise<{ readonly user: UserRow; readonly address: Address }> {
  const { address, parts, domain } = await nameAddress(orm, typed);
  const row = await findAddress(orm, address);
  if (row?.kind === 'alias') {
    throw new ChangeRefused(
      `${address} is an alias, expected a user's own address; see "sealpost alias list ${address}"`,
    );
  }
  const id = row?.kind === 'user' ? row.user_id : domain === null ? null : userIdOf(parts.local);
  const user = id === null ? null : await findUser(orm, id, lock);
  if (user === null) {
    throw new ChangeRefused(
      `there is no user ${address}; add one with "sealpost user add ${address}", see "sealpost user list"`,
    );
  }
  return { user, address: await primaryAddress(orm, user.id) };
}

/** The user that an alias leads to directly, and nobody else; null: several people, or somewhere else too. */
export async function onlyUserBehind(orm: Orm, aliasId: number): Promise<number | null> {
  const targets = await orm
    .select({ userId: aliasTargets.target_user_id })
    .from(aliasTargets)
    .where(eq(aliasTargets.alias_id, aliasId));
  const [only] = targets;
  return targets.length === 1 ? (only?.userId ?? null) : null;
}

/** The addresses that lead to a user: the primary one first, then the aliases that name the user as a target. */
export async function addressesOfUser(orm: Orm, userId: number): Promise<readonly Address[]> {
  const aliases = await orm
    .selectDistinct({ address: addresses.address })
    .from(aliasTargets)
    .innerJoin(addresses, eq(addresses.id, aliasTargets.alias_id))
    .where(eq(aliasTargets.target_user_id, userId));
  return [await primaryAddress(orm, userId), ...aliases.map(({ address }) => address as Address)];
}

/** The rows at several addresses. */
export async function findAddresses(orm: Orm, wanted: readonly Address[]): Promise<readonly AddressesRow[]> {
  return wanted.length === 0
    ? []
    : orm
        .select()
        .from(addresses)
        .where(inArray(addresses.address, [...wanted]));
}

/** The row at the first of several spellings that has one. */
export async function mostExact(orm: Orm, candidates: readonly Address[]): Promise<AddressesRow | undefined> {
  const rows = await findAddresses(orm, candidates);
  return candidates
    .map((candidate) => rows.find(({ address }) => address === candidate))
    .find((row) => row !== undefined);
}
