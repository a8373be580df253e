// Domains of ours, as an administrator adds, lists, sets and removes them.
import { and, asc, eq, inArray, ne, sql } from 'drizzle-orm';
import type { Address } from '../address/address.ts';
import { normaliseDomain, partsOf, toAddress } from '../address/normalise.ts';
import type { RefusalOverride } from '../config/refusal-texts.ts';
import type { SettingsOverride } from '../config/settings.ts';
import type { Database } from '../database/open.ts';
import { addresses, type DOMAIN_PUBLISH, domainNames, domains, users } from '../database/schema.ts';
import { inOrmTransaction } from '../database/transaction.ts';
import { type Assignments, applyRefusals, applySettings } from './assignments.ts';
import { type DomainRow, domainName, type Orm, requireDomain } from './find.ts';
import { ChangeRefused } from './refused.ts';

/** A domain as the commands print it. */
export interface DomainView {
  readonly id: number;
  readonly name: string;
  readonly class: 'virtual' | 'relay';
  readonly fold_local_part: boolean;
  /** Postfix delivers for it by itself: it stands in mydestination. */
  readonly local: boolean;
  /** Names and address literals whose mail is for the same mailboxes. */
  readonly other_names: readonly string[];
  /** Keys can be handed over by the Web Key Service. */
  readonly wks: boolean;
  /** Whether keys of users who chose nothing themselves are published. */
  readonly publish: (typeof DOMAIN_PUBLISH)[number];
  readonly settings: SettingsOverride;
  readonly transport: string | null;
  /** Texts and actions of check_recipient that differ from the default ones. */
  readonly refusals: RefusalOverride;
  readonly users: number;
}

/** @throws ChangeRefused where it is known already */
export async function addDomain({ orm }: Pick<Database, 'orm'>, typed: string): Promise<DomainView> {
  const name = domainName(typed);
  return inOrmTransaction({ orm }, async (tx) => {
    const [row] = await tx.insert(domains).values({ name }).onConflictDoNothing().returning();
    if (row === undefined)
      throw new ChangeRefused(`the domain ${name} is known already; see "sealpost domain list"`);
    await refuseTaken(tx, row.id, [name]);
    return view(row, [], 0);
  });
}

/** All domains by name, with the number of their users. */
export async function listDomains({ orm }: Pick<Database, 'orm'>): Promise<readonly DomainView[]> {
  const rows = await orm
    .select({
      domain: domains,
      names: sql<
        string[]
      >`ARRAY(SELECT name FROM domain_names WHERE domain_names.domain_id = ${domains.id} ORDER BY name)`,
      count: sql<number>`count(${users.id})::int`,
    })
    .from(domains)
    .leftJoin(users, eq(users.domain_id, domains.id))
    .groupBy(domains.id)
    .orderBy(asc(domains.name));
  return rows.map(({ domain, names, count }) => view(domain, names, count));
}

/**
 * One domain, by its name or another name of it.
 * @throws ChangeRefused where it is not known
 */
export async function showDomain({ orm }: Pick<Database, 'orm'>, typed: string): Promise<DomainView> {
  const name = normaliseDomain(typed.trim());
  const [other] = name === null ? [] : await orm.select().from(domainNames).where(eq(domainNames.name, name));
  const all = await listDomains({ orm });
  const found = all.find((each) => each.name === name || each.id === other?.domain_id);
  if (found !== undefined) return found;
  await requireDomain(orm, typed);
  throw new ChangeRefused(`the domain ${typed} was added this very moment; see "sealpost domain list"`);
}

/** @throws ChangeRefused where it is not known, or where folding would make two addresses one */
export async function setDomain(
  { orm }: Pick<Database, 'orm'>,
  typed: string,
  changes: Assignments,
): Promise<DomainView> {
  return inOrmTransaction({ orm }, async (tx) => {
    const before = await requireDomain(tx, typed, 'no key update');
    if (changes.foldLocalPart === true && !before.fold_local_part) await foldAddresses(tx, before.name);
    const [row] = await tx
      .update(domains)
      .set({
        settings: applySettings(before.settings, changes),
        refusals: applyRefusals(before.refusals, changes),
        ...(changes.transport === undefined ? {} : { transport: changes.transport }),
        ...(changes.class === undefined ? {} : { class: changes.class }),
        ...(changes.foldLocalPart === undefined ? {} : { fold_local_part: changes.foldLocalPart }),
        ...(changes.local === undefined ? {} : { local: changes.local }),
        ...(changes.wks === undefined ? {} : { wks: changes.wks }),
        ...(changes.publish == null ? {} : { publish: changes.publish }),
      })
      .where(eq(domains.id, before.id))
      .returning();
    if (row === undefined) throw new ChangeRefused(`the domain ${before.name} was removed meanwhile`);
    if (changes.otherNames !== undefined) await setOtherNames(tx, row, changes.otherNames);
    return view(row, await otherNamesOf(tx, row.id), await countUsers(tx, row.id));
  });
}

/** @throws ChangeRefused where a name is another domain's */
async function setOtherNames(
  orm: Orm,
  { id, name: own }: DomainRow,
  names: readonly string[],
): Promise<void> {
  await orm.delete(domainNames).where(eq(domainNames.domain_id, id));
  const others = names.filter((name) => name !== own);
  if (others.length === 0) return;
  await refuseTaken(orm, id, others);
  const rows = others.map((name) => ({ name, domain_id: id }));
  const added = await orm.insert(domainNames).values(rows).onConflictDoNothing().returning();
  if (added.length < rows.length)
    throw new ChangeRefused(
      'one of the other names was given to another domain this very moment; see "sealpost domain list"',
    );
}

/** A name stands for one domain only. @throws ChangeRefused */
async function refuseTaken(orm: Orm, id: number, names: readonly string[]): Promise<void> {
  const [other] = await orm
    .select({ name: domains.name })
    .from(domains)
    .where(and(inArray(domains.name, [...names]), ne(domains.id, id)));
  if (other !== undefined)
    throw new ChangeRefused(`${other.name} is a domain of its own; see "sealpost domain list"`);
  const [taken] = await orm
    .select({ name: domainNames.name, domain: domains.name })
    .from(domainNames)
    .innerJoin(domains, eq(domains.id, domainNames.domain_id))
    .where(inArray(domainNames.name, [...names]));
  if (taken !== undefined) {
    throw new ChangeRefused(
      `${taken.name} is another name of ${taken.domain}; see "sealpost domain list", and "sealpost domain set ${taken.domain} other_names=..."`,
    );
  }
}

export async function otherNamesOf(orm: Orm, domainId: number): Promise<readonly string[]> {
  const rows = await orm
    .select({ name: domainNames.name })
    .from(domainNames)
    .where(eq(domainNames.domain_id, domainId))
    .orderBy(asc(domainNames.name));
  return rows.map(({ name }) => name);
}

async function foldAddresses(orm: Orm, domain: string): Promise<void> {
  const rows = await orm.select().from(addresses).where(eq(addresses.domain, domain));
  const spelled = new Map<string, string>();
  for (const row of rows) {
    const parts = partsOf(row.address as Address);
    const folded = parts.local === '' ? row.address : toAddress(parts, true);
    const other = spelled.get(folded);
    if (other !== undefined) {
      throw new ChangeRefused(
        `${other} and ${row.address} would be one address; remove or rename one of them first`,
      );
    }
    spelled.set(folded, row.address);
  }
  for (const [folded, address] of spelled) {
    if (folded !== address)
      await orm.update(addresses).set({ address: folded }).where(eq(addresses.address, address));
  }
}

/** Removes a domain that nobody lives in, with its keys. @throws ChangeRefused */
export async function removeDomain({ orm }: Pick<Database, 'orm'>, typed: string): Promise<DomainView> {
  return inOrmTransaction({ orm }, async (tx) => {
    const row = await requireDomain(tx, typed, 'update');
    const [count] = await tx
      .select({
        users: sql<number>`count(*) FILTER (WHERE ${addresses.kind} = 'user')::int`,
        aliases: sql<number>`count(*) FILTER (WHERE ${addresses.kind} = 'alias')::int`,
      })
      .from(addresses)
      .where(eq(addresses.domain, row.name));
    const { users: people = 0, aliases = 0 } = count ?? {};
    if (people + aliases > 0) {
      throw new ChangeRefused(
        `the domain ${row.name} still has ${people} ${people === 1 ? 'user' : 'users'} and ${aliases} ` +
          `${aliases === 1 ? 'alias' : 'aliases'}; remove them first, see "sealpost user list" and "sealpost alias list"`,
      );
    }
    const names = await otherNamesOf(tx, row.id);
    await tx.delete(domains).where(eq(domains.id, row.id));
    return view(row, names, 0);
  });
}

async function countUsers(orm: Orm, domainId: number): Promise<number> {
  const [row] = await orm
    .select({ count: sql<number>`count(*)::int` })
    .from(users)
    .where(eq(users.domain_id, domainId));
  return row?.count ?? 0;
}

function view(row: DomainRow, names: readonly string[], count: number): DomainView {
  const { id, name, class: kind, fold_local_part, local, wks, publish, settings, transport, refusals } = row;
  return {
    id,
    name,
    class: kind,
    fold_local_part,
    local,
    other_names: names,
    wks,
    publish,
    settings,
    transport,
    refusals,
    users: count,
  };
}
