// What the page rests on, in a real database: the fates of each minute, and the count of users and keys.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerDomain } from '../../src/cli/domain.ts';
import { registerKey } from '../../src/cli/key.ts';
import { registerUser } from '../../src/cli/user.ts';
import { createMinuteCounter, forgetMinutes, readHistory } from '../../src/database/event-minutes.ts';
import { createEventWriter } from '../../src/database/events.ts';
import { countStanding, createCensus } from '../../src/serve/census.ts';
import { waitUntil } from '../support/child.ts';
import { newKey } from '../support/enrolment-stand.ts';
import { importFor, openTrial, silent, type Trial } from '../support/trial.ts';

const MINUTE = 60_000;
const NOW = Date.now();
const DAY = 86_400_000;

let trial: Trial;
beforeAll(async () => {
  trial = await openTrial([registerDomain, registerUser, registerKey]);
});
afterAll(async () => {
  await trial?.close();
});

describe('the fates of each minute', () => {
  it('add up, whoever counts them, and are those of the last day', async () => {
    const { pool } = trial.database;
    const counters = [createMinuteCounter(pool), createMinuteCounter(pool)];
    for (const counter of counters) {
      counter.count(NOW, 'sealed');
      counter.count(NOW, 'sealed');
      counter.count(NOW - 10 * MINUTE, 'deferred');
      counter.count(NOW - DAY, 'sealed');
      counter.count(NOW - 3 * DAY, 'sealed');
      await counter.close();
    }
    const { from, counts } = await readHistory(pool, NOW);
    expect(from).toBe(Math.floor(NOW / MINUTE) - 1439);
    expect(counts.sealed).toHaveLength(1440);
    expect([counts.sealed?.at(-1), counts.sealed?.reduce((sum, each) => sum + each, 0)]).toEqual([4, 4]);
    expect(counts.deferred?.at(-11)).toBe(2);
    expect(Object.keys(counts).sort()).toEqual(['deferred', 'sealed']);
    await forgetMinutes(pool, NOW);
    const { rows } = await pool.query('SELECT count(*)::int AS left FROM event_minutes');
    expect(rows[0].left).toBe(3);
  });

  it('wait in memory while the database refuses them, and are added later', async () => {
    const { pool } = trial.database;
    const state = { away: true, asked: 0 };
    const flaky = {
      query: (...args: Parameters<typeof pool.query>) => {
        state.asked += 1;
        return state.away ? Promise.reject(new Error('away')) : pool.query(...args);
      },
    } as unknown as typeof pool;
    const counter = createMinuteCounter(flaky);
    counter.count(NOW, 'refused');
    await counter.close();
    state.away = false;
    counter.count(NOW, 'refused');
    await counter.close();
    expect(state.asked).toBe(2);
    expect((await readHistory(pool, NOW)).counts.refused?.at(-1)).toBe(2);
  });

  it('are counted with the events that trace reads', async () => {
    const { pool } = trial.database;
    const writer = createEventWriter(pool, DAY, (_, error) => {
      throw error;
    });
    const common = { queueId: 'Q', transaction: 't', messageId: '', recipient: 'a@x.test', because: 'b' };
    for (const at of [NOW, NOW])
      writer.write({ ...common, at, event: 'filed', reason: 'r', keys: [], size: 1, ms: 1, reply: '250' });
    await writer.close();
    expect((await readHistory(pool, NOW)).counts.filed?.at(-1)).toBe(2);
  });
});

describe('the census', () => {
  it('counts users and keys as doctor and user list would, and shows them as metrics', async () => {
    await trial.json('domain', 'add', 'example.org');
    for (const name of ['ulla', 'vera', 'xaver']) await trial.json('user', 'add', `${name}@example.org`);
    await importFor(trial, 'ulla@example.org', await newKey('ulla'));
    await importFor(trial, 'vera@example.org', await newKey('vera'));
    const { pool, createPool } = trial.database;
    await pool.query(
      `UPDATE keys SET expires_at = now() + interval '20 days' WHERE id = (SELECT min(id) FROM keys)`,
    );
    await pool.query(`UPDATE keys SET status = 'disabled' WHERE id = (SELECT max(id) FROM keys)`);
    expect(await countStanding(pool)).toEqual({
      users: { with_key: 1, without_key: 2 },
      keys: { usable: 1, expired: 0, revoked: 0, disabled: 1 },
      keys_expiring: { '7d': 0, '30d': 1, '90d': 1 },
      queue: { messages: 0, bytes: 0, oldest: null },
    });
    const { logger, metrics } = silent();
    const refresh = async (): Promise<void> => undefined;
    trial.file('last-backup', '');
    const census = createCensus({ pool: createPool(2), refresh, stateDir: trial.folder, metrics, logger });
    await waitUntil('the census', 10_000, async () => census.known() !== null);
    census.close();
    expect(census.history()?.counts.sealed?.at(-1)).toBe(4);
    const text = await metrics.registry.metrics();
    expect(text).toMatch(/^sealpost_users\{key="without"\} 2$/m);
    expect(text).toMatch(/^sealpost_keys\{state="disabled"\} 1$/m);
    expect(text).toMatch(/^sealpost_keys_expiring\{within="30d"\} 1$/m);
    expect(text).toMatch(/^sealpost_last_backup_timestamp_seconds \d+/m);
    expect(text).toMatch(/^sealpost_directory_checked_timestamp_seconds \d+/m);
  });
});
