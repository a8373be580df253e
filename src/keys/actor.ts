// Who changes keys: the audit, and the letters to those who could read before, name them.
import { sql } from 'drizzle-orm';
import type { Database } from '../database/open.ts';
import { inOrmTransaction } from '../database/transaction.ts';
import type { Orm } from '../directory/find.ts';

/** Runs a change of keys in one transaction that tells the audit trigger who does it. */
export async function changeKeys<T>(
  { orm }: Pick<Database, 'orm'>,
  actor: string,
  change: (tx: Orm) => Promise<T>,
): Promise<T> {
  return inOrmTransaction({ orm }, async (tx) => {
    await nameActor(tx, actor);
    return change(tx);
  });
}

/** Tells the audit trigger, until the transaction ends. */
export async function nameActor(tx: Orm, actor: string): Promise<void> {
  await tx.execute(sql`SELECT set_config('sealpost.actor', ${actor}, true)`);
}
