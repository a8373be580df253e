// Two million acceptances whose time is over, removed beside lookups and new acceptances: within a minute, no statement above its
// deadline, and nobody waits for it.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { removeOld } from '../../../src/database/remove-old.ts';
import { writeRefusal } from '../../../src/database/transaction.ts';
import { openTrial, type Trial } from '../../support/trial.ts';

const ROWS = 2_000_000;
const OLD = {
  table: 'deliveries',
  condition: "accepted_at < now() - $1::float8 * interval '1 millisecond'",
  values: [86_400_000],
  order: 'accepted_at',
};

let trial: Trial;
beforeAll(async () => {
  trial = await openTrial([]);
  const client = await trial.database.pool.connect();
  try {
    await client.query('SET statement_timeout = 0; SET synchronous_commit = off');
    for (let part = 0; part < 20; part += 1)
      await client.query(
        `INSERT INTO deliveries (message_key, recipient_key, reply, accepted_at)
         SELECT decode(md5(n::text) || md5((-n)::text), 'hex'), decode(md5((-n)::text) || md5(n::text), 'hex'), 'Ok',
                now() - interval '10 days' + n * interval '1 millisecond'
           FROM generate_series(${(part * ROWS) / 20} + 1, ${((part + 1) * ROWS) / 20}) AS n`,
      );
    await client.query('RESET ALL');
  } finally {
    client.release(true);
  }
}, 600_000);

afterAll(async () => {
  await trial?.close();
});

it('are gone within a minute, and lookups and acceptances go on', async () => {
  const { pool } = trial.database;
  const statements: number[] = [];
  const timed = {
    async query(text: string, values: unknown[]) {
      const started = performance.now();
      const result = await pool.query(text, values);
      statements.push(performance.now() - started);
      return result;
    },
  };
  const waits: number[] = [];
  const state = { over: false };
  const others = (async () => {
    while (!state.over) {
      const started = performance.now();
      await pool.query("SELECT reply FROM deliveries WHERE message_key = decode(md5('1'), 'hex')");
      waits.push(performance.now() - started);
      expect(await writeRefusal(pool)).toBeNull();
    }
  })();
  const started = performance.now();
  // Two nodes at once: one removes, and together they remove each row once.
  const removed = await Promise.all([removeOld(timed as never, OLD), removeOld(timed as never, OLD)]);
  const seconds = (performance.now() - started) / 1000;
  state.over = true;
  await others;
  const p99 = waits.sort((a, b) => a - b)[Math.floor(waits.length * 0.99)] ?? 0;
  const longest = Math.max(...statements);
  console.log(
    `${ROWS} rows in ${seconds.toFixed(1)} s, ${statements.length} statements, the longest ${longest.toFixed(0)} ms; lookups: ${waits.length}, p99 ${p99.toFixed(1)} ms`,
  );
  expect(removed.reduce((sum, each) => sum + each, 0)).toBe(ROWS);
  expect(seconds).toBeLessThan(60);
  expect(longest).toBeLessThan(trial.config.database.query_timeout / 2);
  expect(p99).toBeLessThan(500);
}, 300_000);
