// Several statements that count together or not at all: the one place of BEGIN, COMMIT and ROLLBACK.
import { randomBytes } from 'node:crypto';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import type pg from 'pg';
import { DeadlineClient } from './client.ts';
import { DatabaseUnavailable } from './embedded/unavailable.ts';
import type { Database } from './open.ts';

export interface TransactionOptions {
  /**
   * The server ends a transaction that asks nothing for so long (idle_in_transaction_session_timeout), with the locks that
   * it holds: its machine may be gone. Seconds; without it the server's own setting counts.
   */
  readonly abandonedAfter?: number;
}

/**
 * Runs `work` in a transaction (READ COMMITTED) on a connection of its own. What `work` throws takes everything back, is
 * thrown on; a connection that cannot even do that is closed.
 *
 * When the answer to COMMIT is lost (the connection breaks, its deadline passes), nobody knows whether the transaction
 * counts. The error is then one of {@link isDatabaseUnavailable}, a temporary failure, and the same work comes again. So
 * what is done here must recognise itself when it is repeated: an acceptance by LMTP is remembered in the same transaction
 * as its copies, the copies of a spool file have ids that are derived from the file, and a change by a command finds its own
 * rows and names them.
 * @returns what `work` gives, once it is committed
 * @throws Error also where a statement failed and `work` went on: PostgreSQL answers COMMIT by rolling back then
 */
export async function inTransaction<T>(
  pool: Pick<pg.Pool, 'connect'>,
  work: (client: pg.PoolClient) => Promise<T>,
  { abandonedAfter }: TransactionOptions = {},
): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    const abandoned =
      abandonedAfter === undefined
        ? []
        : [`SET LOCAL idle_in_transaction_session_timeout = '${abandonedAfter}s'`];
    const settings = client instanceof DeadlineClient && client.settings !== null ? [client.settings] : [];
    await client.query(['BEGIN', ...settings, ...abandoned].join('; '));
    const result = await work(client);
    const { command } = await client.query('COMMIT');
    if (command === 'ROLLBACK') throw new Error('a transaction whose statement failed was not committed');
    return result;
  } catch (error) {
    broken = await rollBack(client);
    throw error;
  } finally {
    client.release(broken);
  }
}

/** @returns why the connection is of no use any more, if so */
async function rollBack(client: pg.ClientBase): Promise<Error | undefined> {
  try {
    await client.query('ROLLBACK');
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

const NOT_COMMITTED =
  'COMMIT is not answered in time: a synchronous standby that is gone (synchronous_standby_names), or a disk that hangs';

/**
 * Writes what every delivery writes, and removes it again. It is committed, since a full disk and a synchronous standby that is
 * gone show themselves at the end only.
 * @returns why the database refuses the row; null where it takes it
 * @throws the pool's error where it gives no connection
 */
export async function writeRefusal(pool: Pick<pg.Pool, 'connect'>): Promise<Error | null> {
  const client = await pool.connect();
  const row = [randomBytes(32)];
  try {
    await client.query('BEGIN');
    await client.query(
      "INSERT INTO deliveries (message_key, recipient_key, reply) VALUES ($1, $1, '250')",
      row,
    );
    await client.query('DELETE FROM deliveries WHERE message_key = $1 AND recipient_key = $1', row);
    await client.query('COMMIT').catch((error: Error) => {
      throw error.message === 'Query read timeout' ? new DatabaseUnavailable(NOT_COMMITTED) : error;
    });
    client.release();
    return null;
  } catch (error) {
    client.release(await rollBack(client));
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** {@link inTransaction} for statements by drizzle. Nothing is begun within it: `work` gets the transaction as its database. */
export function inOrmTransaction<T>(
  { orm }: Pick<Database, 'orm'>,
  work: (tx: NodePgDatabase) => Promise<T>,
): Promise<T> {
  return inTransaction(orm.$client, (client) => work(drizzle(client)));
}
