// Rules before sealing, as an administrator adds, lists and removes them.
import { and, asc, count, eq, gte, sql } from 'drizzle-orm';
import type { Database } from '../database/open.ts';
import { addresses, domains, rules } from '../database/schema.ts';
import { inOrmTransaction } from '../database/transaction.ts';
import { type Orm, requireDomain, requireUser } from './find.ts';
import { ChangeRefused } from './refused.ts';
import { ruleOf } from './rule-rows.ts';
import type { Rule } from './types.ts';

/** A rule as the commands print it. */
export interface RuleView extends Rule {
  /** The address of a user, or `@domain`. */
  readonly owner: string;
}

/** More for one owner would be tried for every message of theirs. */
const MOST_RULES = 200;

interface Owner {
  readonly columns: { readonly user_id: number } | { readonly domain_id: number };
  readonly words: string;
}

/** @throws ChangeRefused where it is neither a user nor `@domain` of ours */
async function findOwner(orm: Orm, typed: string): Promise<Owner> {
  const text = typed.trim();
  if (text.startsWith('@') || !text.includes('@')) {
    const domain = await requireDomain(orm, text.replace(/^@/, ''));
    return { columns: { domain_id: domain.id }, words: `@${domain.name}` };
  }
  const { user, address } = await requireUser(orm, text);
  return { columns: { user_id: user.id }, words: address };
}

function ofOwner({ columns }: Owner) {
  return 'user_id' in columns ? eq(rules.user_id, columns.user_id) : eq(rules.domain_id, columns.domain_id);
}

/**
 * Adds a rule behind the owner's others, or before one of them.
 * @param rule canonical, with at least one condition
 * @throws ChangeRefused
 */
export async function addRule(
  { orm }: Pick<Database, 'orm'>,
  owner: string,
  rule: Omit<Rule, 'id'>,
  before?: number,
): Promise<RuleView> {
  return inOrmTransaction({ orm }, (tx) => addRuleWithin(tx, owner, rule, before));
}

/** {@link addRule} within a transaction, which also does what belongs to it. */
export async function addRuleWithin(
  tx: Orm,
  owner: string,
  rule: Omit<Rule, 'id'>,
  before?: number,
): Promise<RuleView> {
  const found = await findOwner(tx, owner);
  // Two that are added at the same time come one after the other.
  await tx.execute(sql`SELECT pg_advisory_xact_lock(hashtextextended(${`rules of ${found.words}`}, 0))`);
  const [known] = await tx.select({ count: count() }).from(rules).where(ofOwner(found));
  if ((known?.count ?? 0) >= MOST_RULES) {
    throw new ChangeRefused(
      `${found.words} has ${MOST_RULES} rules already, which is the most; see "sealpost rule list ${found.words}"`,
    );
  }
  const position = await placeFor(tx, found, before);
  const [row] = await tx
    .insert(rules)
    .values({
      ...found.columns,
      position,
      action: rule.action,
      sender: rule.sender,
      header_name: rule.header?.name ?? null,
      header_pattern: rule.header?.pattern ?? null,
      larger_than: rule.largerThan,
    })
    .returning();
  if (row === undefined) throw new Error('an inserted rule was not returned');
  return { ...ruleOf(row), owner: found.words };
}

async function placeFor(orm: Orm, owner: Owner, before: number | undefined): Promise<number> {
  if (before === undefined) {
    const [last] = await orm
      .select({ position: sql<number>`coalesce(max(${rules.position}), 0)::int` })
      .from(rules)
      .where(ofOwner(owner));
    return (last?.position ?? 0) + 1;
  }
  const [row] = await orm
    .select()
    .from(rules)
    .where(and(ofOwner(owner), eq(rules.id, before)));
  if (row === undefined) {
    throw new ChangeRefused(`${owner.words} has no rule ${before}; see "sealpost rule list ${owner.words}"`);
  }
  await orm
    .update(rules)
    .set({ position: sql`${rules.position} + 1` })
    .where(and(ofOwner(owner), gte(rules.position, row.position)));
  return row.position;
}

/** All rules, or those of one user or `@domain`, in the order in which they are tried. @throws ChangeRefused */
export async function listRules(
  { orm }: Pick<Database, 'orm'>,
  owner?: string,
): Promise<readonly RuleView[]> {
  const where = owner === undefined ? undefined : ofOwner(await findOwner(orm, owner));
  const rows = await orm
    .select({ rule: rules, address: addresses.address, domain: domains.name })
    .from(rules)
    .leftJoin(addresses, and(eq(addresses.user_id, rules.user_id), eq(addresses.kind, 'user')))
    .leftJoin(domains, eq(domains.id, rules.domain_id))
    .where(where)
    .orderBy(asc(rules.domain_id), asc(rules.user_id), asc(rules.position), asc(rules.id));
  return rows.map(({ rule, address, domain }) => ({ ...ruleOf(rule), owner: address ?? `@${domain ?? ''}` }));
}

/** Removes a rule by its number, and gives it as it was. @throws ChangeRefused where there is none */
export async function removeRule({ orm }: Pick<Database, 'orm'>, id: number): Promise<RuleView> {
  const rule = (await listRules({ orm })).find((each) => each.id === id);
  if (rule === undefined) throw new ChangeRefused(`there is no rule ${id}; see "sealpost rule list"`);
  await orm.delete(rules).where(eq(rules.id, id));
  return rule;
}
