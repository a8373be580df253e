// What is left of a user who is gone, removed as well: `sealpost user remove --erase`.
import { sql } from 'drizzle-orm';
import { errorCodes } from '../database/errors.ts';
import type { Orm } from './find.ts';
import { ChangeRefused } from './refused.ts';

/** How many rows of each kind were removed. */
export interface Erased {
  /** What became of mail to the user. */
  readonly events: number;
  /** The audit of the user's keys. */
  readonly key_events: number;
  /** Of keys that expire. */
  readonly notices: number;
  /** Identifiers of mail that the user fetched. */
  readonly acknowledged: number;
}

/** SQLSTATE insufficient_privilege. */
const NO_RIGHT = '42501';

/**
 * Removes every row that tells of a user, beside those that go with the user's own row (keys with their originals, tokens, the
 * queue, usage).
 * @param tx the transaction in which the user was removed: the audit of that is erased, too
 * @param recipients patterns of LIKE for table `events`
 * @throws ChangeRefused where the database's role may not touch the audit; nothing has changed then
 */
export async function eraseTraces(tx: Orm, userId: number, recipients: readonly string[]): Promise<Erased> {
  const count = async (query: ReturnType<typeof sql>): Promise<number> =>
    (await tx.execute(query)).rowCount ?? 0;
  return {
    events: await count(sql`DELETE FROM events WHERE recipient LIKE ANY (${sql.param(recipients)}::text[])`),
    notices: await count(sql`DELETE FROM key_notices WHERE owner = ${`user:${userId}`}`),
    acknowledged: await count(sql`DELETE FROM incoming_acknowledged WHERE user_id = ${userId}`),
    key_events: await eraseAudit(tx, userId),
  };
}

/** The trigger that keeps the audit from being edited stands aside until the transaction ends; others wait that long. */
async function eraseAudit(tx: Orm, userId: number): Promise<number> {
  try {
    await tx.execute(sql`ALTER TABLE key_events DISABLE TRIGGER sealpost_append_only`);
    const { rowCount } = await tx.execute(sql`DELETE FROM key_events WHERE user_id = ${userId}`);
    await tx.execute(sql`ALTER TABLE key_events ENABLE ALWAYS TRIGGER sealpost_append_only`);
    return rowCount ?? 0;
  } catch (error) {
    if (!errorCodes(error).includes(NO_RIGHT)) throw error;
    throw new ChangeRefused(
      'found a database role that may not remove rows of key_events, expected the role that owns the tables; ' +
        'run this command with its URL in SEALPOST_DATABASE_URL; nothing was removed',
    );
  }
}
