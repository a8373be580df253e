// The database as every program meets it: migrations, change notifications, the audit of keys and deadlines, on the
// embedded PostgreSQL and, where Debian's is installed, on a private cluster of that one.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { getEventListeners } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { packageRoot } from '../../src/config/package.ts';
import { type Config, configSchema } from '../../src/config/schema.ts';
import { createData } from '../../src/database/embedded/data.ts';
import { socketHome } from '../../src/database/embedded/embedded.ts';
import { findPrograms } from '../../src/database/embedded/programs.ts';
import { runningPostmaster, startServer, stopServer } from '../../src/database/embedded/server.ts';
import { serverIdentity } from '../../src/database/embedded/user.ts';
import { applyMigrations, migrationStatus } from '../../src/database/migrate.ts';
import { type Change, listenForChanges } from '../../src/database/notifications.ts';
import {
  type Database,
  DatabaseNotMigrated,
  DatabaseUnavailable,
  isDatabaseUnavailable,
  type OpenOptions,
  openDatabase,
} from '../../src/database/open.ts';
import { addresses, aliasTargets, domains, keyEvents, keys, users } from '../../src/database/schema.ts';
import { inOrmTransaction, inTransaction } from '../../src/database/transaction.ts';
import { skipWithout } from '../support/needs.ts';

const root = process.getuid?.() === 0;
const scratch = mkdtempSync('/tmp/sealpost-db-');
chmodSync(scratch, 0o755);
const cleanup: (() => unknown)[] = [];
afterAll(async () => {
  for (const each of cleanup.reverse()) await each();
  rmSync(scratch, { recursive: true, force: true });
});

function configFor(stateDir: string, database: object = {}): Config {
  return configSchema.parse({ state_dir: stateDir, database });
}

/** Opens a database that is closed at the end, also after a failure. */
async function open(config: Config, options: OpenOptions = {}): Promise<Database> {
  const database = await openDatabase(config, options);
  cleanup.push(() => database.close());
  return database;
}

async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  deadline = 10_000,
): Promise<void> {
  for (const until = Date.now() + deadline; !(await holds()); await sleep(20)) {
    if (Date.now() > until) throw new Error(`not within ${deadline} ms: ${what}`);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}

/** Starts a private cluster of Debian's PostgreSQL on a loopback port; null where none is installed. */
async function startDebianCluster(): Promise<Config | null> {
  let versions: string[] = [];
  try {
    versions = readdirSync('/usr/lib/postgresql').filter((name) => Number(name) >= 14);
  } catch {
    return null;
  }
  const programs = join('/usr/lib/postgresql', versions.sort().at(-1) ?? '', 'bin');
  const folder = join(scratch, 'debian');
  mkdirSync(folder);
  const [uid, gid] = root ? [65534, 65534] : [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  chownSync(folder, uid, gid);
  const as = { uid, gid, cwd: '/', env: { PATH: process.env.PATH ?? '', LC_ALL: 'C' } };
  const data = join(folder, 'data');
  try {
    execFileSync(
      join(programs, 'initdb'),
      ['-D', data, '-U', 'sealpost', '-A', 'trust', '-N', '-E', 'UTF8'],
      { ...as, stdio: 'pipe' },
    );
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return null;
    throw error;
  }
  const port = await freePort();
  const args = [
    '-D',
    data,
    '-k',
    folder,
    '-p',
    String(port),
    '-c',
    'listen_addresses=127.0.0.1',
    '-c',
    'fsync=off',
  ];
  const server = spawn(join(programs, 'postgres'), args, { ...as, stdio: 'ignore' });
  const ended = new Promise((resolve) => server.on('close', resolve));
  cleanup.push(async () => {
    server.kill('SIGINT');
    await ended;
  });
  const url = `postgres://sealpost:irrelevant@127.0.0.1:${port}`;
  await eventually('the cluster answers', async () => {
    const client = new pg.Client({ connectionString: `${url}/postgres` });
    client.on('error', () => {});
    try {
      await client.connect();
      await client.query('CREATE DATABASE sealpost');
      return true;
    } catch {
      return false;
    } finally {
      await client.end().catch(() => {});
    }
  });
  return configFor(join(scratch, 'unused'), {
    url: `${url}/sealpost`,
    query_timeout: '500ms',
    connect_timeout: '2s',
  });
}

const servers: [string, Config][] = [
  [
    'the embedded PostgreSQL',
    configFor(join(scratch, 'embedded'), { query_timeout: '500ms', connect_timeout: '2s' }),
  ],
];
const debian = await startDebianCluster();
if (debian) servers.push(["Debian's PostgreSQL by URL", debian]);
else
  it("is tried on Debian's PostgreSQL too", (context) => {
    skipWithout(context, 'postgresql');
    expect.fail('its programs do not start');
  });

/** Tests in here build on each other, as an administrator's first day does. */
describe.each(servers)('%s', (_name, config) => {
  let database: Database;
  const seen: Change[] = [];
  let listener: { close(): Promise<void> };
  const said: string[] = [];

  beforeAll(async () => {
    database = await open(config, { requireMigrated: false, actor: 'cli:tester' });
  });
  afterAll(async () => {
    await listener?.close();
    await database?.close();
  });

  /** What the listener heard of an action. */
  async function changesOf(action: () => Promise<unknown>): Promise<Change[]> {
    seen.length = 0;
    await action();
    const mark = `mark-${Math.random()}`;
    await database.orm.execute(
      sql`SELECT pg_notify('sealpost_change', ${JSON.stringify({ table: 'domains', key: mark })})`,
    );
    await eventually('the mark arrives', () => seen.some(({ key }) => key === mark));
    return seen.filter(({ key }) => key !== mark);
  }

  it('is refused without tables, with the command that makes them', async () => {
    const refused = openDatabase(config);
    await expect(refused).rejects.toBeInstanceOf(DatabaseNotMigrated);
    await expect(refused).rejects.toThrow('run `sealpost migrate`');
    await expect(refused).rejects.not.toThrow('irrelevant');
  });

  it('is migrated once by two that try at the same time, and a third finds nothing to do', async () => {
    expect((await migrationStatus(database)).applied).toEqual([]);
    const both = (await Promise.all([applyMigrations(database), applyMigrations(database)])).flat();
    expect(both.slice(0, 2).sort()).toEqual(['0000_tables', '0001_triggers']);
    expect(await applyMigrations(database)).toEqual([]);
    const status = await migrationStatus(database);
    expect(status).toMatchObject({ pending: [], unknown: [] });
    expect([...status.applied].sort()).toEqual([...both].sort());
    await (await open(config)).close();
  });

  it('works on when a newer program has migrated it, and names what it does not know', async () => {
    const future = Date.parse('2099-01-01T00:00:00Z');
    await database.pool.query('INSERT INTO sealpost_migrations (hash, created_at) VALUES ($1, $2)', [
      '',
      future,
    ]);
    expect((await migrationStatus(database)).unknown).toEqual(['made 2099-01-01T00:00:00.000Z']);
    await (await open(config)).close();
    await database.pool.query('DELETE FROM sealpost_migrations WHERE created_at = $1', [future]);
  });

  it('applies a destructive migration only when told to, and a broken one not at all', async () => {
    const folder = mkdtempSync(join(scratch, 'migrations-'));
    mkdirSync(join(folder, 'meta'));
    const own = join(packageRoot(), 'migrations');
    const journal = JSON.parse(readFileSync(join(own, 'meta', '_journal.json'), 'utf8'));
    for (const { tag } of journal.entries)
      writeFileSync(join(folder, `${tag}.sql`), readFileSync(join(own, `${tag}.sql`)));
    const made = Date.parse('2098-01-01T00:00:00Z');
    const drop = {
      idx: journal.entries.length,
      version: '7',
      when: made,
      tag: '9999_drop',
      breakpoints: true,
    };
    writeFileSync(
      join(folder, 'meta', '_journal.json'),
      JSON.stringify({ ...journal, entries: [...journal.entries, drop] }),
    );
    const write = (text: string) => writeFileSync(join(folder, '9999_drop.sql'), text);

    write('-- destructive\nCREATE TABLE scratch_table ();--> statement-breakpoint\nSELECT 1/0;');
    await expect(applyMigrations(database, { folder })).rejects.toThrow('make a backup');
    await expect(applyMigrations(database, { folder, allowDestructive: true })).rejects.toMatchObject({
      cause: expect.objectContaining({ message: 'division by zero' }),
    });
    expect((await database.pool.query("SELECT to_regclass('scratch_table') AS found")).rows).toEqual([
      { found: null },
    ]);
    expect((await migrationStatus(database, { folder })).pending).toEqual(['9999_drop']);

    write('-- destructive\nDROP TABLE IF EXISTS scratch_table;');
    expect(await applyMigrations(database, { folder, allowDestructive: true })).toEqual(['9999_drop']);
    await database.pool.query('DELETE FROM sealpost_migrations WHERE created_at = $1', [made]);
  });

  it('announces every change of a cached table, whoever made it', async () => {
    listener = await listenForChanges(
      config,
      {
        onChange: (change) => seen.push(change),
        onLost: () => said.push('lost'),
        onRestored: () => said.push('restored'),
      },
      { liveness: { interval: 300, deadline: 300 } },
    );
    const { orm } = database;
    expect(await changesOf(() => orm.insert(domains).values({ name: 'old.example' }))).toEqual([
      { table: 'domains', key: 'old.example' },
    ]);
    const renamed = await changesOf(() => orm.update(domains).set({ name: 'a.example' }));
    expect(renamed.map(({ key }) => key).sort()).toEqual(['a.example', 'old.example']);

    const added = await changesOf(() =>
      orm.transaction(async (tx) => {
        await tx.insert(users).values([{ domain_id: 1 }, { domain_id: 1 }]);
        await tx.insert(addresses).values([
          { address: 'u1@a.example', domain: 'a.example', kind: 'user', user_id: 1 },
          { address: 'all@a.example', domain: 'a.example', kind: 'alias' },
          { address: 'c@out.example', domain: 'out.example', kind: 'contact' },
        ]);
        await tx
          .insert(aliasTargets)
          .values({ alias_id: 2, position: 0, target: 'u1@a.example', target_user_id: 1 });
      }),
    );
    expect(added.map(({ table, key }) => `${table} ${key}`).sort()).toEqual([
      'addresses all@a.example',
      'addresses c@out.example',
      'addresses u1@a.example',
      'alias_targets all@a.example',
      'users 1',
      'users 2',
    ]);

    const certificate = new Uint8Array([1]);
    const keyed = await changesOf(() =>
      orm.insert(keys).values([
        { fingerprint: 'A', user_id: 1, certificate },
        { fingerprint: 'B', contact_id: 3, certificate },
        { fingerprint: 'C', domain_id: 1, certificate },
      ]),
    );
    expect(keyed.map(({ key }) => key).sort()).toEqual(['contact:3', 'domain:1', 'user:1']);
    expect(await changesOf(() => orm.delete(aliasTargets))).toEqual([
      { table: 'alias_targets', key: 'all@a.example' },
    ]);
    expect(await changesOf(() => orm.execute(sql`TRUNCATE alias_targets`))).toEqual([
      { table: 'alias_targets', key: null },
    ]);
    expect(await changesOf(() => orm.update(keys).set({ revoked: true }).where(sql`false`))).toEqual([]);
  });

  it('announces 100 rows one by one, and more as a single "many"', async () => {
    const insert = (count: number) =>
      database.orm.execute(
        sql`INSERT INTO addresses (address, domain, kind)
            SELECT ${count} || '-' || n || '@many.example', 'many.example', 'alias' FROM generate_series(1, ${count}::int) AS n`,
      );
    expect(await changesOf(() => insert(100))).toHaveLength(100);
    expect(await changesOf(() => insert(101))).toEqual([{ table: 'addresses', key: null }]);
    expect(
      await changesOf(() => database.orm.execute(sql`DELETE FROM addresses WHERE domain = 'many.example'`)),
    ).toEqual([{ table: 'addresses', key: null }]);
  });

  it('announces a key that is too long for a notification as "many", and does not refuse the change', async () => {
    const address = `${'x'.repeat(2000)}${'\u0001'.repeat(1500)}@a.example`;
    const long = () => database.orm.insert(addresses).values({ address, domain: 'a.example', kind: 'alias' });
    expect(await changesOf(long)).toEqual([{ table: 'addresses', key: null }]);
  });

  it('keeps an audit of every key change with its actor, and never gives it up', async () => {
    const { orm, pool } = database;
    const from = (await orm.select().from(keyEvents)).length;
    await orm.update(keys).set({ status: 'disabled' }).where(sql`fingerprint = 'A'`);
    await orm.update(keys).set({ status: 'disabled' }).where(sql`fingerprint = 'A'`);
    const other = await open(config);
    await other.orm.update(keys).set({ fingerprint: 'A2' }).where(sql`fingerprint = 'A'`);
    await other.close();
    await orm.delete(users).where(sql`id = 1`);
    await orm.execute(sql`TRUNCATE keys, imported`);
    const events = (await orm.select().from(keyEvents).orderBy(keyEvents.id)).slice(from);
    expect(
      events.map(({ event, fingerprint, status, actor }) => `${event} ${fingerprint} ${status} ${actor}`),
    ).toEqual([
      'changed A disabled cli:tester',
      'removed A disabled sealpost',
      'added A2 disabled sealpost',
      'removed A2 disabled cli:tester',
      'removed B active cli:tester',
      'removed C active cli:tester',
    ]);
    for (const text of [
      'DELETE FROM key_events',
      "UPDATE key_events SET actor = 'nobody'",
      'TRUNCATE key_events',
    ]) {
      await expect(pool.query(text)).rejects.toThrow('key_events is append-only');
    }
    expect(await orm.select().from(keyEvents)).toHaveLength(from + events.length);
  });

  it('ends a query at its deadline as a temporary failure, and the connection serves on', async () => {
    const slow = database.pool.query('SELECT pg_sleep(5)');
    const error = await slow.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: '57014' });
    expect(isDatabaseUnavailable(error)).toBe(true);
    expect((await database.pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('gives up a backend that hangs in a transaction, and the pool serves on', async () => {
    const single = await open(config, { poolSize: 1 });
    let backend = 0;
    const hung = inOrmTransaction(single, async (tx) => {
      backend = Number((await tx.execute(sql`SELECT pg_backend_pid() AS pid`)).rows[0]?.pid);
      process.kill(backend, 'SIGSTOP');
      await tx.execute(sql`SELECT 1`);
    });
    const error = await hung.catch((reason: unknown) => reason);
    process.kill(backend, 'SIGCONT');
    expect(isDatabaseUnavailable(error)).toBe(true);
    expect((await single.pool.query('SELECT pg_backend_pid() AS pid')).rows[0].pid).not.toBe(backend);
    await single.close();
  });

  it('fails a transaction whose work went on after a statement that failed', async () => {
    const single = await open(config, { poolSize: 1 });
    const work = inTransaction(single.pool, async (client) => {
      await client.query("INSERT INTO domains (name) VALUES ('half.example')");
      await client.query('SELECT 1 / 0').catch(() => undefined);
    });
    await expect(work).rejects.toThrow('was not committed');
    const { rows } = await single.pool.query("SELECT FROM domains WHERE name = 'half.example'");
    expect(rows).toEqual([]);
    await single.close();
  });

  /** The backend of the listening connection. */
  async function listeningBackend(): Promise<number> {
    const query =
      "SELECT pid FROM pg_stat_activity WHERE query IN ('LISTEN sealpost_change', 'SELECT 1') AND pid <> pg_backend_pid()";
    return Number((await database.pool.query(query)).rows[0]?.pid);
  }

  it('tells the cache when the listening connection was lost or hung, and when it is back', async () => {
    said.length = 0;
    await database.pool.query('SELECT pg_terminate_backend($1)', [await listeningBackend()]);
    await eventually('lost and restored', () => said.join() === 'lost,restored');
    const backend = await listeningBackend();
    process.kill(backend, 'SIGSTOP');
    await eventually('lost and restored once more', () => said.join() === 'lost,restored,lost,restored');
    process.kill(backend, 'SIGCONT');
    expect(await changesOf(() => database.orm.insert(domains).values({ name: 'after.example' }))).toEqual([
      { table: 'domains', key: 'after.example' },
    ]);
  });

  it('keeps nothing of listening connections that were lost', async () => {
    const added = vi.spyOn(AbortSignal.prototype, 'addEventListener');
    try {
      for (let lost = 0; lost < 3; lost += 1) {
        said.length = 0;
        await database.pool.query('SELECT pg_terminate_backend($1)', [await listeningBackend()]);
        await eventually('lost and restored', () => said.join() === 'lost,restored');
      }
      const signals = new Set(added.mock.contexts as AbortSignal[]);
      const listeners = [...signals].map((signal) => getEventListeners(signal, 'abort').length);
      expect(Math.max(...listeners)).toBe(1);
    } finally {
      added.mockRestore();
    }
  });
});

describe('a role that may not create anything', () => {
  it('is told what it needs to migrate, with the commands that give it', async (context) => {
    skipWithout(context, 'postgresql');
    const admin = new pg.Client({ connectionString: debian?.database.url });
    await admin.connect();
    await admin.query('CREATE ROLE limited LOGIN');
    await admin.query('CREATE DATABASE bare');
    await admin.end();
    const url = (debian?.database.url ?? '')
      .replace('//sealpost:', '//limited:')
      .replace(/sealpost$/, 'bare');
    const database = await open(configFor(join(scratch, 'unused'), { url }), { requireMigrated: false });
    await expect(applyMigrations(database)).rejects.toThrow(
      'permission denied for database bare: migrations need CREATE on the database and on its schema public. ' +
        'As a superuser: GRANT CREATE ON DATABASE "bare" TO "limited"; and in that database: ',
    );
    await database.close();
  });
});

describe('a database that is away', () => {
  it('is reported with its address, the reason and the help, and without the password', async () => {
    const url = `postgres://mail:s3cret@127.0.0.1:${await freePort()}/sealpost`;
    const error = await openDatabase(configFor(scratch, { url })).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(DatabaseUnavailable);
    expect((error as Error).message).toMatch(
      /^the database at postgres:\/\/mail@127\.0\.0\.1:\d+\/sealpost cannot be reached: connect ECONNREFUSED .*; check database\.url/,
    );
  });

  it('is reported within the deadline when it takes connections and says nothing', async () => {
    const silent = createServer(() => {});
    const port = await freePort();
    await new Promise<void>((resolve) => silent.listen(port, '127.0.0.1', resolve));
    const config = configFor(scratch, {
      url: `postgres://127.0.0.1:${port}/sealpost`,
      connect_timeout: '300ms',
    });
    await expect(openDatabase(config)).rejects.toThrow('did not answer within 0.3 s');
    await expect(
      listenForChanges(config, { onChange: () => {}, onLost: () => {}, onRestored: () => {} }),
    ).rejects.toBeInstanceOf(DatabaseUnavailable);
    silent.close();
  });
});

describe('the embedded PostgreSQL, shared', () => {
  const postmaster = (stateDir: string) => runningPostmaster(join(stateDir, 'postgres', 'data'));
  const leases = (stateDir: string) => readdirSync(join(stateDir, 'postgres', 'leases'));

  /** A program of its own that opens the database `times` times, `together` at once, or keeps it until it is killed. */
  function startUser(stateDir: string, mode: 'keep' | 'churn'): ChildProcess {
    const script = join(scratch, 'user.mts');
    writeFileSync(
      script,
      `import { configSchema } from ${JSON.stringify(join(packageRoot(), 'src/config/schema.ts'))};
       import { openDatabase } from ${JSON.stringify(join(packageRoot(), 'src/database/open.ts'))};
       const [stateDir, mode] = process.argv.slice(2);
       const config = configSchema.parse({ state_dir: stateDir });
       const use = async () => {
         const database = await openDatabase(config, { requireMigrated: false, poolSize: 1 });
         await database.pool.query('SELECT 1');
         if (mode === 'keep') { console.log('open'); await new Promise(() => setInterval(() => {}, 1000)); }
         await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
         await database.close();
       };
       for (let turn = 0; turn < 4; turn++) await Promise.all(Array.from({ length: mode === 'keep' ? 1 : 5 }, use));
       process.exit(0);`,
    );
    const child = spawn(process.execPath, ['--import', 'tsx', script, stateDir, mode], {
      cwd: packageRoot(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    cleanup.push(() => child.kill('SIGKILL'));
    return child;
  }
  const ended = (child: ChildProcess) =>
    new Promise<number | null>((resolve) => child.on('exit', (code) => resolve(code)));
  const opened = (child: ChildProcess) =>
    new Promise<void>((resolve, reject) => {
      child.stdout?.once('data', () => resolve());
      child.once('exit', (code) => reject(new Error(`the user ended with ${code}`)));
    });

  it('starts and stops under four programs with twenty users at once, and is down at the end', async () => {
    const stateDir = join(scratch, 'churn');
    const codes = await Promise.all(Array.from({ length: 4 }, () => ended(startUser(stateDir, 'churn'))));
    expect(codes).toEqual([0, 0, 0, 0]);
    expect(postmaster(stateDir)).toBeNull();
    expect(leases(stateDir)).toEqual([]);
  });

  it('comes back for those who use it when it is killed', async () => {
    const stateDir = join(scratch, 'killed');
    const database = await open(configFor(stateDir), { requireMigrated: false });
    const killed = postmaster(stateDir)?.pid ?? 0;
    process.kill(killed, 'SIGKILL');
    await eventually('a query succeeds on another server', async () => {
      const answered = await database.pool.query('SELECT 1').then(
        () => true,
        (error: unknown) => {
          expect(isDatabaseUnavailable(error)).toBe(true);
          return false;
        },
      );
      return answered && postmaster(stateDir)?.pid !== killed;
    });
    await database.close();
    expect(postmaster(stateDir)).toBeNull();
  });

  it('outlives a user that is killed, and is stopped by the next one that ends', async () => {
    const stateDir = join(scratch, 'orphan');
    const child = startUser(stateDir, 'keep');
    await opened(child);
    const first = postmaster(stateDir)?.pid;
    expect(first).toBeGreaterThan(0);
    const gone = ended(child);
    child.kill('SIGKILL');
    await gone;
    expect(postmaster(stateDir)?.pid).toBe(first);
    const database = await open(configFor(stateDir), { requireMigrated: false });
    expect(postmaster(stateDir)?.pid).toBe(first);
    await database.close();
    await database.close();
    expect(postmaster(stateDir)).toBeNull();
    expect(leases(stateDir)).toEqual([]);
  });

  it('stays while another program uses it, in a session of its own', async () => {
    const stateDir = join(scratch, 'shared');
    const child = startUser(stateDir, 'keep');
    await opened(child);
    await (await open(configFor(stateDir), { requireMigrated: false })).close();
    const pid = postmaster(stateDir)?.pid ?? 0;
    expect(pid).toBeGreaterThan(0);
    const session = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ')[3];
    expect(session).toBe(String(pid));
    child.kill('SIGKILL');
    await ended(child);
    await (await open(configFor(stateDir), { requireMigrated: false })).close();
  });

  it('starts after a crash of the whole machine left its postmaster.pid, which names another process now', async () => {
    const stateDir = join(scratch, 'crashed');
    await (await open(configFor(stateDir), { requireMigrated: false })).close();
    const data = join(stateDir, 'postgres', 'data');
    writeFileSync(
      join(data, 'postmaster.pid'),
      `${process.pid}\n${data}\n1\n5432\n${stateDir}/postgres/run\n\n1 1\nready\n`,
    );
    await (await open(configFor(stateDir), { requireMigrated: false })).close();
  });

  it('works below folders whose path is too long for a socket', async () => {
    const stateDir = join(scratch, 'x'.repeat(100), 'y'.repeat(60));
    const home = socketHome(join(stateDir, 'postgres'));
    cleanup.push(() => rmSync(home, { recursive: true, force: true }));
    const database = await open(configFor(stateDir), { requireMigrated: false });
    expect(postmaster(stateDir)?.socketFolder).toBe(join(home, 'run'));
    expect((await database.pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await database.close();
    expect(postmaster(stateDir)).toBeNull();
  });

  it('lets nobody but sealpost in, and no superuser', async () => {
    const stateDir = join(scratch, 'roles');
    const database = await open(configFor(stateDir), { requireMigrated: false });
    const host = join(stateDir, 'postgres', 'run');
    const superuser = new pg.Client({ host, user: 'postgres', database: 'sealpost', ssl: false });
    superuser.on('error', () => {});
    await expect(superuser.connect()).rejects.toThrow('pg_hba.conf rejects');
    await expect(database.pool.query("SELECT pg_read_file('/etc/passwd')")).rejects.toThrow(
      'permission denied',
    );
    const { rows } = await database.pool.query("SELECT rolsuper FROM pg_roles WHERE rolname = 'sealpost'");
    expect(rows).toEqual([{ rolsuper: false }]);
    expect((await database.pool.query('SHOW data_checksums')).rows).toEqual([{ data_checksums: 'on' }]);
    await database.close();
  });

  if (root) {
    it("works below root's private folders, and is then out of reach of everybody else", async () => {
      const closed = join(scratch, 'closed');
      mkdirSync(closed, { mode: 0o700 });
      const stateDir = join(closed, 'state');
      const database = await open(configFor(stateDir), { requireMigrated: false });
      const pid = postmaster(stateDir)?.pid;
      const status = readFileSync(`/proc/${pid}/status`, 'latin1');
      expect(status).not.toMatch(/^Uid:\t0\t/m);
      expect(execFileSync('stat', ['-c', '%u %a', join(stateDir, 'postgres')], { encoding: 'utf8' })).toBe(
        '0 700\n',
      );
      await applyMigrations(database);
      await database.close();
      // The folder is opened to all later: the data are the same, and the capability is gone.
      chmodSync(closed, 0o755);
      const again = await open(configFor(stateDir));
      expect(readFileSync(`/proc/${postmaster(stateDir)?.pid}/status`, 'latin1')).toMatch(/^CapEff:\t0+$/m);
      await again.close();
    });

    it('runs programs that lie below a private folder of root', async () => {
      const closed = join(scratch, 'programs');
      mkdirSync(closed, { mode: 0o700 });
      cpSync(join(findPrograms('').folder, '..'), closed, { recursive: true, verbatimSymlinks: true });
      const programs = { ...findPrograms(''), folder: join(closed, 'bin') };
      const folder = mkdtempSync(join(scratch, 'by-hand-'));
      const socketFolder = join(folder, 'run');
      mkdirSync(socketFolder);
      chownSync(socketFolder, 65534, 65534);
      const identity = serverIdentity({ uid: 65534, gid: 65534 }, join(programs.folder, 'postgres'), scratch);
      expect(identity.capable).toBe(true);
      const server = {
        programs,
        data: join(folder, 'data'),
        socketFolder,
        log: join(folder, 'log'),
        identity,
      };
      cleanup.push(() => stopServer(server.data));
      await createData(server);
      await startServer(server);
      expect(runningPostmaster(server.data)?.status).toBe('ready');
      await stopServer(server.data);
      expect(runningPostmaster(server.data)).toBeNull();
    });

    it('refuses to be used by an account that does not own it, and says which one does', async () => {
      const stateDir = join(scratch, 'owned');
      await (await open(configFor(stateDir), { requireMigrated: false })).close();
      const script = `import { openEmbedded } from ${JSON.stringify(join(packageRoot(), 'src/database/embedded/embedded.ts'))};
        await openEmbedded(${JSON.stringify(stateDir)}).catch((error) => console.log(error.message));`;
      const path = join(scratch, 'stranger.mts');
      writeFileSync(path, script);
      const output = execFileSync(process.execPath, ['--import', 'tsx', path], {
        cwd: packageRoot(),
        uid: 12345,
        gid: 12345,
        env: { ...process.env, HOME: '/nonexistent', TMPDIR: '/tmp' },
        encoding: 'utf8',
      });
      const { uid } = statSync(join(stateDir, 'postgres', 'data'));
      expect(uid).not.toBe(65534);
      expect(output).toContain(
        `it belongs to uid ${uid}, and this is uid 12345; run sealpost as that user or as root`,
      );
    });
  }
});
