// Addresses that were stored when local parts were only put into lower case: they are folded as Unicode has it in full. What
// would become another one's address stays as it is, and is named to the administrator. Outside addresses stay, too: another
// server folds them. Runs behind the migrations.
import { eq, sql } from 'drizzle-orm';
import type { Address } from '../address/address.ts';
import { partsOf, toAddress } from '../address/normalise.ts';
import type { Database } from '../database/open.ts';
import { addresses, domains, senderLogins } from '../database/schema.ts';
import { inOrmTransaction } from '../database/transaction.ts';
import type { Orm } from './find.ts';

/** Two stored addresses that Postfix takes for one. */
export interface FoldsTogether {
  readonly address: Address;
  /** What it folds to, or what others fold to as well. */
  readonly foldsTo: Address;
}

/**
 * Folds every stored address whose folded form is free. Safe to run again, and beside a running serve.
 * @returns how many were folded, and what had to stay
 */
export async function refoldAddresses({
  orm,
}: Pick<Database, 'orm'>): Promise<{ readonly folded: number; readonly left: readonly FoldsTogether[] }> {
  return inOrmTransaction({ orm }, async (tx) => {
    const plan = await planFolding(tx);
    for (const { address, foldsTo } of plan.fold)
      await tx.update(addresses).set({ address: foldsTo }).where(eq(addresses.address, address));
    await refoldSenders(tx);
    return { folded: plan.fold.length, left: plan.left };
  });
}

/** Stored addresses that are not folded since another one is in the way. Changes nothing. */
export async function foldingTogether({ orm }: Pick<Database, 'orm'>): Promise<readonly FoldsTogether[]> {
  return (await planFolding(orm)).left;
}

interface Plan {
  readonly fold: readonly FoldsTogether[];
  readonly left: readonly FoldsTogether[];
}

/** What is free is decided by the new forms: neither stored already, nor wanted by two. */
async function planFolding(orm: Orm): Promise<Plan> {
  const rows = await orm
    .select({ address: addresses.address, fold: domains.fold_local_part })
    .from(addresses)
    .innerJoin(domains, eq(domains.name, addresses.domain))
    .where(notAscii(addresses.address));
  const changing = rows.flatMap((row) => changed(row.address as Address, row.fold));
  if (changing.length === 0) return { fold: [], left: [] };
  const wanted = changing.map(({ foldsTo }) => foldsTo);
  const taken = await orm
    .select({ address: addresses.address })
    .from(addresses)
    .where(sql`${addresses.address} = ANY (${sql.param(wanted)}::text[])`);
  const busy = new Set([...taken.map(({ address }) => address), ...repeated(wanted)]);
  return {
    fold: changing.filter(({ foldsTo }) => !busy.has(foldsTo)),
    left: changing.filter(({ foldsTo }) => busy.has(foldsTo)),
  };
}

function changed(address: Address, fold: boolean): readonly FoldsTogether[] {
  const parts = partsOf(address);
  const foldsTo = parts.local === '' ? address : toAddress(parts, fold);
  return foldsTo === address ? [] : [{ address, foldsTo }];
}

function repeated(names: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>();
  const again = new Set<string>();
  for (const name of names) (seen.has(name) ? again : seen).add(name);
  return again;
}

/** Grants of sender addresses; one that is there in both forms is one. */
async function refoldSenders(orm: Orm): Promise<void> {
  const rows = await orm
    .select({ address: senderLogins.address, userId: senderLogins.user_id, fold: domains.fold_local_part })
    .from(senderLogins)
    .innerJoin(
      domains,
      sql`right(${senderLogins.address}, length(${domains.name}) + 1) = '@' || ${domains.name}`,
    )
    .where(notAscii(senderLogins.address));
  for (const row of rows) {
    for (const { address, foldsTo } of changed(row.address as Address, row.fold)) {
      await orm.delete(senderLogins).where(sql`address = ${address} AND user_id = ${row.userId}`);
      await orm.insert(senderLogins).values({ address: foldsTo, user_id: row.userId }).onConflictDoNothing();
    }
  }
}

/** ASCII is folded by lower case already. */
function notAscii(column: typeof addresses.address | typeof senderLogins.address) {
  return sql`octet_length(${column}) <> char_length(${column})`;
}
