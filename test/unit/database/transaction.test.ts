// What is asked of a connection for a transaction, and what becomes of the connection, with a database that is played.
import type pg from 'pg';
import { describe, expect, it } from 'vitest';
import { inTransaction } from '../../../src/database/transaction.ts';

/** A pool that notes what is asked of its connection. @param answers what a statement answers, where not with success */
function poolOf(answers: Readonly<Record<string, () => unknown>> = {}) {
  const asked: string[] = [];
  const released: unknown[] = [];
  const pool = {
    connect: async () => ({
      query: async (text: string) => {
        asked.push(text);
        return answers[text]?.() ?? { command: text, rows: [] };
      },
      release: (broken: unknown) => released.push(broken),
    }),
  } as unknown as pg.Pool;
  return { pool, asked, released };
}

const fail = (message: string) => (): never => {
  throw new Error(message);
};

describe('a transaction', () => {
  it('is committed behind the work, and gives what the work gives', async () => {
    const { pool, asked, released } = poolOf();
    await expect(
      inTransaction(pool, async (client) => {
        await client.query('INSERT');
        return 7;
      }),
    ).resolves.toBe(7);
    expect(asked).toEqual(['BEGIN', 'INSERT', 'COMMIT']);
    expect(released).toEqual([undefined]);
  });

  it('has the server end it when it asks nothing for too long', async () => {
    const { pool, asked } = poolOf();
    await inTransaction(pool, async () => undefined, { abandonedAfter: 300 });
    expect(asked[0]).toBe("BEGIN; SET LOCAL idle_in_transaction_session_timeout = '300s'");
  });

  it('is taken back when the work fails, and its connection serves on', async () => {
    const { pool, asked, released } = poolOf();
    await expect(inTransaction(pool, fail('no such user'))).rejects.toThrow('no such user');
    expect(asked).toEqual(['BEGIN', 'ROLLBACK']);
    expect(released).toEqual([undefined]);
  });

  it.each([
    ['BEGIN', ['BEGIN', 'ROLLBACK']],
    ['COMMIT', ['BEGIN', 'COMMIT', 'ROLLBACK']],
  ])('tells why when the answer to %s is lost, and closes the connection', async (lost, expected) => {
    const { pool, asked, released } = poolOf({
      [lost]: fail('Connection terminated unexpectedly'),
      ROLLBACK: fail('Client was closed and is not queryable'),
    });
    await expect(inTransaction(pool, async () => 7)).rejects.toThrow('Connection terminated unexpectedly');
    expect(asked).toEqual(expected);
    expect(released).toEqual([
      expect.objectContaining({ message: 'Client was closed and is not queryable' }),
    ]);
  });

  it('has failed when PostgreSQL answers COMMIT by rolling back', async () => {
    const { pool } = poolOf({ COMMIT: () => ({ command: 'ROLLBACK', rows: [] }) });
    await expect(inTransaction(pool, async () => 7)).rejects.toThrow('was not committed');
  });
});
