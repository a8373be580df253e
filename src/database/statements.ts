// Whether prepared statements stay with who has prepared them. PgBouncer before 1.21 in transaction mode gives a session to one
// client after the other: a statement is gone, or is somebody else's with the same name. It has no other way to be told apart: it
// shows PostgreSQL's version as its own.
import type pg from 'pg';
import { DeadlineClient } from './client.ts';
import { errorCodes } from './errors.ts';

export const LOSES_STATEMENTS =
  'the pooler before database.url loses prepared statements: PgBouncer before 1.21 (Debian 12 has 1.18) in transaction mode, or max_prepared_statements = 0; use PgBouncer 1.21 or newer, or pool_mode = session';

/** SQLSTATEs of a prepared statement that another session has, or has not: duplicate, and invalid, statement name. */
const ELSEWHERE: ReadonlySet<string> = new Set(['42P05', '26000']);

/**
 * The same name for the statements of all connections: each session has one of them. A connection asks for the same one each time: `pg`
 * itself refuses a second one by that name, and the pool gives its connections in any order.
 */
const NAME = 'sealpost-probe';

/**
 * A connection asks a statement twice, and another one prepares a statement of the same name. Where the pooler goes on to its next
 * session each time, the second question finds no statement; where it takes the same session again, the names clash. Where others
 * come in between nothing may be seen; it is asked again.
 * @throws what the pool throws
 */
export async function losesStatements(pool: Pick<pg.Pool, 'connect' | 'options'>): Promise<boolean> {
  if ((pool.options.max ?? 0) < 2) return false;
  const first = await pool.connect();
  try {
    const second = await pool.connect();
    try {
      for (const client of [first, first, second]) if (await clashes(client)) return true;
      return false;
    } finally {
      second.release();
    }
  } finally {
    first.release();
  }
}

async function clashes(client: pg.PoolClient): Promise<boolean> {
  if (!(client instanceof DeadlineClient)) return false;
  const said = `${client.told}`;
  try {
    const { rows } = await client.probe({ name: NAME, text: `SELECT '${said}' AS said` });
    return rows[0]?.said !== said;
  } catch (error) {
    if (errorCodes(error).some((code) => ELSEWHERE.has(code))) return true;
    throw error;
  }
}
