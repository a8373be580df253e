// Several database servers in one URL: a primary and its streaming standby, dead and silent ones before them.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import { acceptServer } from '../../src/database/accept-server.ts';
import { exitCodeFor } from '../../src/database/exit.ts';
import { applyMigrations } from '../../src/database/migrate.ts';
import { listenForChanges } from '../../src/database/notifications.ts';
import { type Database, openDatabase } from '../../src/database/open.ts';
import { LOSES_STATEMENTS, losesStatements } from '../../src/database/statements.ts';
import { inTransaction, writeRefusal } from '../../src/database/transaction.ts';
import { createEcho } from '../../src/delivery/echo.ts';
import { createMetrics } from '../../src/observe/metrics.ts';
import { watchReplicaLag } from '../../src/serve/replica-lag.ts';
import { waitUntil } from '../support/child.ts';
import { freePorts } from '../support/places.ts';
import { startPgbouncer } from '../support/private-pgbouncer.ts';
import { type PrivatePostgres, startPostgres } from '../support/private-postgres.ts';
import { type Standby, startStandby } from '../support/standby.ts';

let primary: PrivatePostgres;
let standby: Standby;
let silent: Server;
let dead = 0;
const opened: Database[] = [];

const configOf = (database: object) => configSchema.parse({ state_dir: '/tmp', database });
const urlOf = (...ports: readonly number[]): string =>
  `postgres://sealpost:irrelevant@${ports.map((port) => `127.0.0.1:${port}`).join(',')}/sealpost`;

async function open(url: string, more: object = {}, options = {}): Promise<Database> {
  const database = await openDatabase(configOf({ url, ...more }), { requireMigrated: false, ...options });
  opened.push(database);
  return database;
}

async function portOf({ pool }: Pick<Database, 'pool'>): Promise<number> {
  const { rows } = await pool.query('SELECT inet_server_port() AS port');
  return rows[0].port;
}

beforeAll(async () => {
  silent = createServer(() => undefined).listen(0, '127.0.0.1');
  [primary, [dead = 0]] = await Promise.all([startPostgres(), freePorts(1)]);
  standby = await startStandby(primary);
  await applyMigrations(await open(primary.url));
});

afterAll(async () => {
  for (const database of opened) await database.close();
  silent?.close();
  await standby?.remove().catch(() => undefined);
  await primary?.remove();
});

const silentPort = (): number => (silent.address() as { port: number }).port;

describe('of several servers', () => {
  it('the one that takes writes is found behind a dead one, a silent one and a standby', async () => {
    const url = `${urlOf(dead, silentPort(), standby.port, primary.port)}?target_session_attrs=read-write`;
    const database = await open(url, { connect_timeout: '800ms' });
    expect(await portOf(database)).toBe(primary.port);
    const started = performance.now();
    // Those that failed a moment ago are not waited for once more.
    const ports = await Promise.all([1, 2, 3].map(() => portOf(database)));
    expect(ports).toEqual([primary.port, primary.port, primary.port]);
    expect(performance.now() - started).toBeLessThan(600);
  });

  it('a standby is taken for database.read_url, where the URL asks for one', async () => {
    const read_url = `${urlOf(primary.port, standby.port)}?target_session_attrs=standby`;
    const database = await open(primary.url, { read_url }, { replica: true });
    expect(await portOf(database)).toBe(standby.port);
  });

  it('a standby that stands still is told of by the lag, and one that follows again, too', async () => {
    const read_url = `${urlOf(primary.port, standby.port)}?target_session_attrs=standby`;
    const writes = await open(primary.url);
    const metrics = createMetrics({ processMetrics: false });
    const replica = new pg.Client({ connectionString: standby.url });
    await replica.connect();
    const watched = watchReplicaLag(
      { primary: writes.pool, open: () => open(primary.url, { read_url }, { replica: true }), metrics },
      20,
    );
    const told = async () => (await metrics.replicaLag.get()).values[0]?.value;
    await waitUntil('it to follow', 5000, () => (watched.known() ?? 9) < 0.5);
    expect(await told()).toBe(watched.known());
    await replica.query('SELECT pg_wal_replay_pause()');
    await writes.pool.query("INSERT INTO domains (name, class) VALUES ('lag.example', 'virtual')");
    await waitUntil('it to lag', 5000, () => (watched.known() ?? 0) > 1);
    await replica.query('SELECT pg_wal_replay_resume()');
    await waitUntil('it to follow again', 5000, () => (watched.known() ?? 9) < 0.5);
    await watched.close();
    await replica.end();
  });

  it('none serves where each is a standby, dead or silent: exit 75, and each reason is told', async () => {
    const url = urlOf(dead, silentPort(), standby.port);
    const error = await open(url, { connect_timeout: '600ms' }).catch((caught: Error) => caught);
    expect(exitCodeFor(error)).toBe(75);
    expect(String(error)).toMatch(
      /ECONNREFUSED.*; 127.0.0.1:\d+: timeout expired; 127.0.0.1:\d+: it is read-only: a standby/,
    );
    expect(String(error)).not.toContain('irrelevant');
  });

  it('one that becomes read-only loses its pooled connections when it is asked next', async () => {
    const database = await open(primary.url);
    const backend = async () => (await database.pool.query('SELECT pg_backend_pid() AS pid')).rows[0].pid;
    const before = await backend();
    const client = new pg.Client({ connectionString: primary.url });
    await client.connect();
    const alter = async (statement: string) => {
      await client.query(`ALTER SYSTEM ${statement}`);
      await client.query('SELECT pg_reload_conf()');
    };
    await alter('SET default_transaction_read_only = on');
    await waitUntil('the pool to refuse it', 5000, async () => {
      return backend().then(
        () => false,
        (error: Error) => error.message.includes('read-only'),
      );
    });
    await client.query('SET default_transaction_read_only = off');
    await alter('RESET default_transaction_read_only');
    await client.end();
    await waitUntil('it to be taken again', 5000, () =>
      backend().then(
        (pid) => pid !== before,
        () => false,
      ),
    );
  });

  it('a commit that no synchronous standby confirms counts as failed, and the next one that is confirmed as done', async () => {
    const database = await open(primary.url, { query_timeout: '400ms' });
    const { pool } = await open(primary.url);
    const alter = async (statement: string) => {
      await pool.query(`ALTER SYSTEM ${statement}`);
      await pool.query('SELECT pg_reload_conf()');
    };
    const refusal = async (): Promise<string | undefined> => (await writeRefusal(database.pool))?.message;
    await alter("SET synchronous_standby_names = 'nobody'");
    try {
      await waitUntil(
        'it to wait in vain',
        5000,
        async () => (await refusal())?.includes('synchronous standby') === true,
      );
      const write = inTransaction(database.pool, (client) =>
        client.query("INSERT INTO domains (name, class) VALUES ('alone.example', 'virtual')"),
      );
      expect(exitCodeFor(await write.catch((error: Error) => error))).toBe(75);
      // No backend is left to wait for ever.
      await waitUntil('nobody to wait for the standby', 5000, async () => {
        const { rows } = await pool.query(
          "SELECT count(*)::int AS waiting FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
        );
        return rows[0].waiting === 0;
      });
    } finally {
      await alter('RESET synchronous_standby_names');
    }
    await waitUntil('it to be confirmed', 5000, async () => (await refusal()) === undefined);
  });

  it('behind PgBouncer 1.18 nothing is set on a session that others share, and the pooler is refused by name', async () => {
    const bouncer = await startPgbouncer(primary);
    try {
      const database = await open(bouncer.url, {}, { actor: 'someone' });
      const shared = new pg.Client({ connectionString: bouncer.url });
      await shared.connect();
      const set = await shared.query(
        "SELECT current_setting('statement_timeout') AS timeout, current_setting('enable_seqscan') AS seqscan, current_setting('sealpost.actor', true) AS actor",
      );
      await shared.end();
      expect([set.rows[0].timeout, set.rows[0].seqscan, set.rows[0].actor ?? '']).toEqual(['0', 'on', '']);
      const inside = await inTransaction(database.pool, (client) =>
        client.query(
          "SELECT current_setting('sealpost.actor') AS actor, current_setting('statement_timeout') AS timeout",
        ),
      );
      expect(inside.rows).toEqual([{ actor: 'someone', timeout: '10s' }]);
      await waitUntil('the pooler to be found out', 5000, () => losesStatements(database.pool));
      // Found out once, it is not taken for mended.
      expect(await losesStatements(database.pool)).toBe(true);
      expect(LOSES_STATEMENTS).toContain('PgBouncer before 1.21 (Debian 12 has 1.18)');
      const direct = (await open(primary.url)).pool;
      expect(await losesStatements(direct)).toBe(false);
      // The pool's connections come in another order.
      const [one, other] = [await direct.connect(), await direct.connect()];
      other.release();
      one.release();
      for (let turn = 0; turn < 2; turn += 1) expect(await losesStatements(direct)).toBe(false);

      const echo = createEcho(database.pool, 1000);
      const listener = { onChange: () => undefined, onLost: () => undefined, onRestored: () => undefined };
      const deaf = await listenForChanges(configOf({ url: bouncer.url }), listener, { also: echo });
      expect(await echo.hears()).toBe(false);
      await deaf.close();
      const config = configOf({ url: bouncer.url, listen_url: primary.url });
      const listening = await listenForChanges(config, listener, { also: echo });
      expect(await echo.hears()).toBe(true);
      listening.renew();
      await waitUntil('it to listen again', 5000, () => echo.hears());
      await listening.close();
    } finally {
      await bouncer.close();
    }
  });

  it('the standby serves when it is promoted and the primary ends, and is listened to', async () => {
    const url = urlOf(primary.port, standby.port);
    const database = await open(url);
    expect(await portOf(database)).toBe(primary.port);
    const told: (string | null)[] = [];
    const listening = await listenForChanges(configOf({ url }), {
      onChange: ({ key }) => told.push(key),
      onLost: () => told.push('lost'),
      onRestored: () => told.push('restored'),
    });
    await Promise.all([standby.promote(), primary.stop()]);
    await waitUntil('the promoted one to serve', 10_000, () =>
      portOf(database).then(
        (port) => port === standby.port,
        () => false,
      ),
    );
    await waitUntil('the promoted one to be listened to', 10_000, () => told.includes('restored'));
    await database.pool.query("INSERT INTO domains (name, class) VALUES ('after.example', 'virtual')");
    await waitUntil('the change to be told of', 5000, () => told.includes('after.example'));
    await listening.close();
  });

  it('the old primary that comes back is passed over, and refused where it is alone until it is accepted', async () => {
    const url = urlOf(primary.port, standby.port);
    const state_dir = mkdtempSync('/tmp/sp-machines-');
    const config = configSchema.parse({ state_dir, database: { url } });
    const portNow = async (): Promise<number> => {
      const database = await openDatabase(config, { requireMigrated: false, keepsServer: true });
      return portOf(database).finally(() => database.close());
    };
    try {
      expect(await portNow()).toBe(standby.port);
      // It takes writes, and stands first.
      await primary.start();
      expect(await portNow()).toBe(standby.port);
      await standby.remove();
      const refused = await portNow().catch((error: Error) => error);
      expect(String(refused)).toMatch(
        /an old primary: its timeline is 1, and 2 was seen.*sealpost database accept/,
      );
      expect(exitCodeFor(refused)).toBe(75);
      expect(await acceptServer(config)).toMatchObject({ before: { timeline: 2 }, now: { timeline: 1 } });
      expect(await portNow()).toBe(primary.port);
    } finally {
      rmSync(state_dir, { recursive: true, force: true });
    }
  });
});
