// The tables of the queue: exact counts, order and notifications, whoever writes them.
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fileParcels } from '../../receiver/queue/file.ts';
import { type Arrival, INCOMING_CHANNEL, parseArrival, WHOLE_BYTES } from '../../receiver/queue/types.ts';
import { configSchema } from '../../src/config/schema.ts';
import { applyMigrations } from '../../src/database/migrate.ts';
import { type Change, parseChange } from '../../src/database/notifications.ts';
import { type Database, openDatabase } from '../../src/database/open.ts';
import { waitUntil } from '../support/child.ts';
import { type PrivatePostgres, startPostgres } from '../support/private-postgres.ts';

let server: PrivatePostgres;
let database: Database;
let listener: pg.Client;
const arrivals: Arrival[] = [];
const changes: Change[] = [];

beforeAll(async () => {
  server = await startPostgres();
  const config = configSchema.parse({ database: { url: server.url } });
  database = await openDatabase(config, { requireMigrated: false });
  await applyMigrations(database);
  await database.pool.query("INSERT INTO domains (name) VALUES ('example.org')");
  await database.pool.query(
    'INSERT INTO users (domain_id, quota_bytes) VALUES (1, NULL), (1, 1000), (1, NULL), (1, NULL)',
  );
  listener = new pg.Client({ connectionString: server.url });
  listener.on('notification', ({ channel, payload }) => {
    if (channel === INCOMING_CHANNEL) arrivals.push(...[parseArrival(payload)].filter((one) => one !== null));
    else changes.push(...[parseChange(payload)].filter((one) => one !== null));
  });
  await listener.connect();
  await listener.query(`LISTEN ${INCOMING_CHANNEL}; LISTEN sealpost_change`);
});

afterAll(async () => {
  await listener.end();
  await database.close();
  await server.remove();
});

const idOf = () => randomBytes(16).toString('hex');

function insert(user: number, numbers: readonly number[], size = 10): Promise<unknown> {
  return database.pool.query(
    `INSERT INTO incoming (id, user_id, number, size, content)
     SELECT id, $1, number, $4, decode('00', 'hex') FROM unnest($2::text[], $3::bigint[]) AS one(id, number)`,
    [user, numbers.map(idOf), numbers, size],
  );
}

async function counts(user: number): Promise<unknown> {
  const { rows } = await database.pool.query(
    'SELECT messages::int, bytes::int, last_number::int FROM incoming_counts WHERE user_id = $1',
    [user],
  );
  return rows[0];
}

describe('the queue', () => {
  it('counts what comes and what goes', async () => {
    await insert(1, [1, 2, 5]);
    await insert(1, [6], 7);
    expect(await counts(1)).toEqual({ messages: 4, bytes: 37, last_number: 6 });
    await database.pool.query('DELETE FROM incoming WHERE user_id = 1 AND number IN (2, 5)');
    expect(await counts(1)).toEqual({ messages: 2, bytes: 17, last_number: 6 });
  });

  it('refuses a number below one that was given out, and any change of a message', async () => {
    await expect(insert(1, [4])).rejects.toThrow('was given out before');
    await expect(database.pool.query('UPDATE incoming SET size = 0')).rejects.toThrow('never changed');
    await expect(database.pool.query('TRUNCATE incoming CASCADE')).rejects.toThrow('never changed');
    expect(await counts(1)).toEqual({ messages: 2, bytes: 17, last_number: 6 });
  });

  it('remembers the id of a message that left', async () => {
    await insert(3, [1]);
    const gone = await database.pool.query<{ id: string }>(
      'DELETE FROM incoming WHERE user_id = 3 RETURNING id',
    );
    const { rows } = await database.pool.query(
      'SELECT id, user_id FROM incoming_acknowledged WHERE user_id = 3',
    );
    expect(rows).toEqual([{ id: gone.rows[0]?.id, user_id: 3 }]);
  });

  it('tells of every new message on commit, and of counts where a quota asks for them', async () => {
    arrivals.length = 0;
    changes.length = 0;
    await insert(2, [1, 2]);
    await insert(3, [2]);
    // News of earlier tests may come late.
    const ours = () => arrivals.filter(({ user, number }) => user === 2 || (user === 3 && number === 2));
    await waitUntil('three arrivals', 5000, () => ours().length === 3);
    await waitUntil('news of a count', 5000, () => changes.some(({ key }) => key === '2'));
    expect(ours().map(({ user, number, size }) => [user, number, size])).toEqual([
      [2, 1, 10],
      [2, 2, 10],
      [3, 2, 10],
    ]);
    expect(Math.abs(Date.now() - Date.parse(ours()[0]?.received ?? ''))).toBeLessThan(60_000);
    expect(changes.filter(({ key }) => key === '2' || key === '3')).toEqual([
      { table: 'incoming_counts', key: '2' },
    ]);
  });

  it('takes large and small messages of one user in one batch, in the order of their numbers', async () => {
    const sizes = [5, WHOLE_BYTES + 1, 6, WHOLE_BYTES + 2, 7];
    const parcels = sizes.map((size) => ({
      copies: [{ id: idOf(), userId: 3, ciphertext: Buffer.alloc(size) }],
    }));
    const client = await database.pool.connect();
    try {
      await client.query('BEGIN');
      expect(await fileParcels(client, parcels)).toEqual(sizes.map(() => 'filed'));
      await client.query('COMMIT');
    } finally {
      client.release();
    }
    const { rows } = await database.pool.query<{ id: string; size: number }>(
      'SELECT id, size::int FROM incoming WHERE id = ANY ($1) ORDER BY number',
      [parcels.flatMap(({ copies }) => copies.map(({ id }) => id))],
    );
    expect(rows).toEqual(
      parcels.flatMap(({ copies: [copy] }) => [{ id: copy?.id, size: copy?.ciphertext.length }]),
    );
  });

  it('goes with its user', async () => {
    await insert(4, [1]);
    await database.pool.query('DELETE FROM users WHERE id = 4');
    expect(await counts(4)).toBeUndefined();
    const { rows } = await database.pool.query('SELECT FROM incoming WHERE user_id = 4');
    expect(rows).toEqual([]);
  });
});
