// The lookup daemons over their three protocols, against a real PostgreSQL: the table of questions, changes, abuse, load,
// and a database that is stopped or frozen.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PolicyDaemons, startPolicyDaemons } from '../../policy/daemons.ts';
import { createLookupDatabase } from '../../policy/database.ts';
import { MAPS, type MapName } from '../../policy/facts.ts';
import { createLookups } from '../../policy/lookups.ts';
import { type Config, configSchema } from '../../src/config/schema.ts';
import { applyMigrations } from '../../src/database/migrate.ts';
import { type Database, openDatabase } from '../../src/database/open.ts';
import { removeAlias } from '../../src/directory/aliases.ts';
import { addUser, renameUser } from '../../src/directory/users.ts';
import { createLogger } from '../../src/observe/log.ts';
import { createMetrics, type Metrics } from '../../src/observe/metrics.ts';
import { type Finished, runProgram, waitUntil } from '../support/child.ts';
import {
  askPolicy,
  askSocketmap,
  askTcp,
  exchange,
  fillDirectory,
  open,
  setUsage,
  type Target,
} from '../support/lookups-directory.ts';
import { need } from '../support/needs.ts';
import { freePorts } from '../support/places.ts';
import { type PrivatePostgres, startPostgres } from '../support/private-postgres.ts';
import { QUESTIONS, TEMPORARY } from '../support/questions.ts';

need('postfix');

let postgres: PrivatePostgres;
let database: Database;
let config: Config;
let daemons: PolicyDaemons;
let metrics: Metrics;
let folder: string;
const tcp = {} as Record<MapName, { port: number }>;
let socketmapPort = { port: 0 };
let policyPort = { port: 0 };
let socketmapPath = { path: '' };
let policyPath = { path: '' };
let onSockets: PolicyDaemons;

/** With a main.cf of its own: that of the machine may be missing. */
function postmap(args: readonly string[], stdin = ''): Promise<Finished> {
  return runProgram('postmap', ['-c', folder, ...args], { stdin });
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sp-look-'));
  writeFileSync(join(folder, 'main.cf'), 'compatibility_level = 3.6\n');
  postgres = await startPostgres();
  const ports = await freePorts(MAPS.length + 2);
  for (const [index, map] of MAPS.entries()) tcp[map] = { port: ports[index] ?? 0 };
  socketmapPort = { port: ports.at(-2) ?? 0 };
  policyPort = { port: ports.at(-1) ?? 0 };
  socketmapPath = { path: join(folder, 'socketmap') };
  policyPath = { path: join(folder, 'policy') };
  const base = { state_dir: folder, database: { url: postgres.url }, observe: { log_level: 'silent' } };
  config = configSchema.parse({
    ...base,
    policy: {
      tcp: Object.fromEntries(MAPS.map((map) => [map, `127.0.0.1:${tcp[map].port}`])),
      socketmap: { listen: `127.0.0.1:${socketmapPort.port}` },
      delegation: { listen: `127.0.0.1:${policyPort.port}` },
      cache_entries: 5000,
    },
  });
  database = await openDatabase(config, { requireMigrated: false });
  await applyMigrations(database);
  await fillDirectory(database);
  metrics = createMetrics();
  const logger = createLogger({ level: 'silent' });
  daemons = await startPolicyDaemons(config, logger, metrics);
  const none = Object.fromEntries(MAPS.map((map) => [map, '']));
  const sockets = configSchema.parse({
    ...base,
    policy: {
      tcp: none,
      socketmap: { listen: `unix:${socketmapPath.path}` },
      delegation: { listen: `unix:${policyPath.path}` },
    },
  });
  onSockets = await startPolicyDaemons(sockets, logger, createMetrics());
});

afterAll(async () => {
  await daemons?.close();
  await onSockets?.close();
  await database?.close();
  await postgres?.remove();
  rmSync(folder, { recursive: true, force: true });
});

const tcpAnswer = async (map: MapName, key: string): Promise<string | null> =>
  (await askTcp(tcp[map], [key]))[0] ?? null;

async function eventually(
  what: string,
  map: MapName,
  key: string,
  value: string | null,
  ms = 1000,
): Promise<void> {
  let last: string | null = '';
  await waitUntil(
    what,
    ms,
    async () => {
      last = await tcpAnswer(map, key);
      return last === value;
    },
    () => `${map} ${key} is ${last}, expected ${value}`,
  );
}

async function counted(name: 'hit' | 'miss' | 'merged' | 'stale'): Promise<number> {
  const { values } = await metrics.lookupCache.get();
  return values.find(({ labels }) => labels.result === name)?.value ?? 0;
}

describe('the table of questions', () => {
  const expected = QUESTIONS.map(([map, key, value]) => `${map} ${key}: ${value}`);

  it('is answered over raw tcp_table connections, pipelined', async () => {
    const answers: string[] = [];
    for (const map of MAPS) {
      const keys = QUESTIONS.filter(([of]) => of === map).map(([, key]) => key);
      const values = await askTcp(tcp[map], keys);
      answers.push(...keys.map((key, index) => `${map} ${key}: ${values[index]}`));
    }
    expect(answers).toEqual(expected);
  });

  it.each([
    ['TCP', () => socketmapPort],
    ['a unix socket', () => socketmapPath],
  ])('is answered over socketmap on %s, pipelined', async (_name, target) => {
    const values = await askSocketmap(
      target(),
      QUESTIONS.map(([map, key]) => [map, key]),
    );
    expect(QUESTIONS.map(([map, key], index) => `${map} ${key}: ${values[index]}`)).toEqual(expected);
  });

  it.each([
    ['TCP', () => policyPort],
    ['a unix socket', () => policyPath],
  ])('is answered over policy delegation on %s, as far as it asks for recipients', async (_name, target) => {
    const questions = QUESTIONS.filter(([map]) => map === 'check_recipient');
    const actions = await askPolicy(
      target(),
      questions.map(([, key]) => key),
    );
    const wanted = questions.map(([, , value]) =>
      value === TEMPORARY
        ? 'DEFER 4.4.6 The recipient cannot be checked now; try again later'
        : (value ?? 'DUNNO'),
    );
    expect(actions).toEqual(wanted);
  });

  it.each([
    ['tcp', (map: MapName) => `tcp:127.0.0.1:${tcp[map].port}`],
    ['socketmap', (map: MapName) => `socketmap:inet:127.0.0.1:${socketmapPort.port}:${map}`],
    ['socketmap on a unix socket', (map: MapName) => `socketmap:unix:${socketmapPath.path}:${map}`],
  ])("is answered to Postfix's own postmap over %s", async (_name, table) => {
    for (const map of MAPS) {
      const questions = QUESTIONS.filter(([of, , value]) => of === map && value !== TEMPORARY);
      const stdin = questions.map(([, key]) => `${key}\n`).join('');
      const { stdout, stderr } = await postmap(['-q', '-', table(map)], stdin);
      const found = questions
        .filter(([, , value]) => value !== null)
        .map(([, key, value]) => `${key}\t${value}`);
      expect(stdout.toString('utf8').split('\n').slice(0, -1), stderr).toEqual(found);
    }
  });

  it('is answered by `sealpost lookup`, which has no cache', async () => {
    const { pool } = database;
    const logger = createLogger({ level: 'silent' });
    const answers: string[] = [];
    for (const [map, key] of QUESTIONS) {
      const lookups = createLookups({
        config,
        logger,
        database: createLookupDatabase({ primary: pool, replica: null, replicaLag: 0, logger }),
      });
      const answer = await lookups.answer(map, Buffer.from(key, 'utf8').toString('latin1'), {
        protocol: 'command',
      });
      const value = answer.kind === 'found' ? answer.value : answer.kind === 'temporary' ? TEMPORARY : null;
      answers.push(`${map} ${key}: ${value}`);
    }
    expect(answers).toEqual(expected);
  });

  it('gives postmap an error, and not "not found", for a loop', async () => {
    for (const table of [
      `tcp:127.0.0.1:${tcp.virtual_alias.port}`,
      `socketmap:inet:127.0.0.1:${socketmapPort.port}:virtual_alias`,
    ]) {
      const { code, stderr } = await postmap(['-q', 'loop1@example.org', table]);
      expect([code, stderr]).toEqual([1, expect.stringMatching(/error|fatal/)]);
    }
  });
});

describe('a change', () => {
  it('by psql reaches every answer within a second', async () => {
    expect(await tcpAnswer('check_recipient', 'alice@example.org')).toBe('DUNNO');
    await database.pool.query("UPDATE users SET status = 'disabled' WHERE id = 1");
    await eventually(
      'alice to be disabled',
      'check_recipient',
      'alice@example.org',
      'REJECT 5.2.1 This mailbox is disabled',
    );
    await database.pool.query("UPDATE users SET status = 'active' WHERE id = 1");
    await eventually('alice to be active', 'check_recipient', 'alice@example.org', 'DUNNO');
  });

  it('makes an address known that was asked for in vain', async () => {
    expect(await tcpAnswer('virtual_alias', 'new@example.org')).toBeNull();
    const user = await addUser(database, 'new@example.org', null, '+');
    await eventually('the new user', 'virtual_alias', 'new@example.org', `id_${user.id}@example.org`);
    const id = `id_${user.id}@example.org`;
    await eventually('whose id it is', 'sender_login', id, 'new@example.org');
    await renameUser(database, 'new@example.org', 'newer@example.org', '+', { dropOld: true });
    await eventually('whose id it is now', 'sender_login', id, 'newer@example.org');
    await eventually('the new name', 'virtual_alias', 'newer@example.org', `id_${user.id}@example.org`);
    await eventually('the old name to go', 'virtual_alias', 'new@example.org', null);
    await expect(tcpAnswer('virtual_mailbox', `id_${user.id}@example.org`)).resolves.toBe(`id_${user.id}/`);
    await database.pool.query('DELETE FROM users WHERE id = $1', [user.id]);
    await eventually(
      'the user to go',
      'check_recipient',
      'newer@example.org',
      'REJECT 5.1.1 No such recipient here',
    );
  });

  it('of a domain reaches its addresses', async () => {
    expect(await tcpAnswer('transport', 'mallory@example.net')).toBe('error:5.2.1 Moved away');
    await database.pool.query(
      `UPDATE domains SET refusals = '{"disabled":{"text":"Gone"}}' WHERE name = 'example.net'`,
    );
    await eventually('the new text', 'transport', 'mallory@example.net', 'error:5.2.1 Gone');
    await database.pool.query(
      `UPDATE domains SET refusals = '{"disabled":{"text":"Moved away"}, "over_quota":{"action":"reject","text":"Full"}}' WHERE name = 'example.net'`,
    );
  });

  it('of what a mailbox holds, written as Dovecot does, opens and closes it', async () => {
    await database.pool.query("UPDATE mailbox_usage SET bytes = 10 WHERE username = 'carol@example.org'");
    await eventually('carol to have room', 'check_recipient', 'carol@example.org', 'DUNNO');
    await database.pool.query(
      "INSERT INTO mailbox_usage (username, bytes, messages) VALUES ('id_3', 1000, 3)",
    );
    await waitUntil(
      'carol to be full',
      1000,
      async () => (await tcpAnswer('check_recipient', 'carol@example.org'))?.startsWith('DEFER') ?? false,
    );
    const { rows } = await database.pool.query(
      "SELECT bytes, messages FROM mailbox_usage WHERE mailbox = 'id_3'",
    );
    expect(rows).toEqual([{ bytes: '1000', messages: '3' }]);
    await expect(setUsage(database, 'nobody@example.org', 1, 1)).rejects.toThrow('no user has the mailbox');
  });

  it('of a sender login and of a fingerprint counts', async () => {
    expect(await tcpAnswer('sender_login', 'press@outside.test')).toBeNull();
    await database.pool.query("INSERT INTO sender_logins VALUES ('press@outside.test', 4)");
    await eventually('the grant', 'sender_login', 'press@outside.test', 'dave@example.org');
    const print = Array.from({ length: 20 }, () => 'AB').join(':');
    expect(await tcpAnswer('client_fingerprint', print)).toBeNull();
    await database.pool.query("INSERT INTO client_fingerprints VALUES ($1, '2999-01-01')", [print]);
    await eventually('the fingerprint', 'client_fingerprint', print, `${print} 2999-01-01`);
  });

  it('while the notification connection was lost is not missed', async () => {
    await askTcp(tcp.virtual_alias, ['sister@relay.example']);
    await database.pool.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'",
    );
    await removeAlias(database, 'sister@relay.example');
    await eventually('the alias to go', 'virtual_alias', 'sister@relay.example', null, 3000);
  });

  it('does not let a quota that was used up pass with a size that does not fit', async () => {
    const [fits] = await askPolicy(policyPort, ['dave@example.org'], 1000);
    const [full] = await askPolicy(policyPort, ['dave@example.org'], 1001);
    expect([fits, full?.slice(0, 21)]).toEqual(['DUNNO', 'DEFER_IF_PERMIT 4.2.2']);
  });
});

describe('abuse', () => {
  const garbage: readonly (readonly [string, () => Target, string, RegExp])[] = [
    ['a line without end', () => tcp.virtual_alias, 'a'.repeat(100_000), /^400 \S+\n$/],
    ['bad hex', () => tcp.virtual_alias, 'get %4g\n', /^400 \S+\n$/],
    ['put', () => tcp.virtual_alias, 'put a b\n', /^500 \S+\n$/],
    ['binary', () => tcp.virtual_alias, '\0\xff\x16\x03\n', /^500 \S+\n$/],
    ['half a request', () => tcp.virtual_alias, 'get alice', /^$/],
    ['a wrong netstring', () => socketmapPort, '5:abc', /^$/],
    ['a netstring without comma', () => socketmapPort, '3:abcd', /^\d+:PERM .*,$/],
    ['an endless number', () => socketmapPort, '9'.repeat(1000), /^\d+:PERM .*,$/],
    ['an unknown map', () => socketmapPort, '7:map key,', /^\d+:PERM .*,$/],
    ['CRLF policy lines', () => policyPort, 'request=smtpd_access_policy\r\n\r\n', /^$/],
    ['5,000 attributes', () => policyPort, `${'a=b\n'.repeat(5000)}\n`, /^$/],
    ['half a policy request', () => policyPort, 'request=smtpd_access_policy\n', /^$/],
  ];
  it.each(garbage)(
    'by %s gets an error or a close, and disturbs nobody',
    async (_name, target, text, reply) => {
      const other = exchange(tcp.virtual_alias, 'get alice@example.org\n'.repeat(100));
      expect(await exchange(target(), text)).toMatch(reply);
      expect(await other).toBe('200 id_1@example.org\n'.repeat(100));
    },
  );

  it('by a client that never reads costs bounded memory, and holds nobody up', async () => {
    const slow = await open(tcp.virtual_alias);
    slow.pause();
    const request = 'get alice@example.org\n'.repeat(20_000);
    let sent = 0;
    const before = process.memoryUsage().rss;
    const pushing = setInterval(() => {
      while (sent < 200 && slow.writableLength < 1_000_000) {
        slow.write(request);
        sent += 1;
      }
    }, 5);
    for (let round = 0; round < 20; round += 1) {
      expect(await tcpAnswer('virtual_alias', 'alice@example.org')).toBe('id_1@example.org');
    }
    clearInterval(pushing);
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024);
    slow.destroy();
  });
});

/** Asks on one connection, each question after the answer to the one before. */
async function converse(socket: Socket, keys: readonly string[]): Promise<string[]> {
  const answers: string[] = [];
  let rest = '';
  await new Promise<void>((resolve, reject) => {
    const next = (): void => {
      if (answers.length === keys.length) resolve();
      else socket.write(`get ${keys[answers.length]}\n`);
    };
    socket.on('data', (chunk: Buffer) => {
      rest += chunk.toString('latin1');
      for (let at = rest.indexOf('\n'); at >= 0; at = rest.indexOf('\n')) {
        answers.push(rest.slice(0, at));
        rest = rest.slice(at + 1);
        next();
      }
    });
    socket.once('close', () => reject(new Error('closed')));
    next();
  });
  socket.removeAllListeners('close');
  return answers;
}

describe('load', () => {
  it('of 1,000 idle and 100 busy connections is answered, and nobody is closed', async () => {
    const idle = await Promise.all(Array.from({ length: 1000 }, () => open(tcp.virtual_alias)));
    let closed = 0;
    for (const socket of idle) socket.on('close', () => (closed += 1));
    const busy = await Promise.all(Array.from({ length: 100 }, () => open(tcp.virtual_alias)));
    const keys = Array.from({ length: 100 }, (_, index) =>
      index % 2 === 0 ? 'alice@example.org' : `nobody${index}@example.org`,
    );
    const answers = await Promise.all(busy.map((socket) => converse(socket, keys)));
    for (const each of answers) {
      expect(each.filter((line) => line === '200 id_1@example.org')).toHaveLength(50);
      expect(each.filter((line) => line.startsWith('500 '))).toHaveLength(50);
    }
    const late = await Promise.all(idle.map((socket) => converse(socket, ['alice@example.org'])));
    expect(new Set(late.flat())).toEqual(new Set(['200 id_1@example.org']));
    expect(closed).toBe(0);
    for (const socket of [...idle, ...busy]) socket.destroy();
  });

  it('of identical questions at the same time is one query', async () => {
    const before = await counted('merged');
    const key = 'merge-me@example.org';
    await Promise.all(Array.from({ length: 50 }, () => askTcp(tcp.virtual_alias, [key])));
    expect((await counted('merged')) - before).toBeGreaterThan(0);
  });

  it('of 30,000 different questions leaves memory flat', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const round = async (from: number, count: number): Promise<number> => {
      for (let start = from; start < from + count; start += 5000) {
        const keys = Array.from(
          { length: 5000 },
          (_, index) => `u${start + index}@outside${(start + index) % 7000}.test`,
        );
        const answers = await askTcp(tcp.transport, keys);
        expect(answers).toHaveLength(5000);
      }
      collect();
      return process.memoryUsage().heapUsed;
    };
    const warm = await round(0, 10_000);
    const end = await round(10_000, 30_000);
    expect((end - warm) / 2 ** 20).toBeLessThan(5);
    // Four caches of at most cache_entries each.
    expect(daemons.lookups.cached()).toBeLessThanOrEqual(4 * config.policy.cache_entries);
  });
});

describe('without its database', () => {
  async function outage(): Promise<void> {
    const started = Date.now();
    const uncached = `uncached${started}@example.org`;
    const [known, unknown, map, action, domain] = await Promise.all([
      tcpAnswer('virtual_alias', 'alice@example.org'),
      tcpAnswer('check_recipient', uncached),
      askSocketmap(socketmapPort, [['virtual_alias', uncached]]),
      askPolicy(policyPort, [uncached, 'alice@example.org']),
      tcpAnswer('virtual_domains', 'example.org'),
    ]);
    expect(Date.now() - started).toBeLessThan(5000);
    expect([known, unknown, map[0], domain]).toEqual(['id_1@example.org', TEMPORARY, TEMPORARY, 'OK']);
    expect(action).toEqual(['DEFER 4.4.3 The recipient cannot be checked now; try again later', 'DUNNO']);
  }

  async function warm(): Promise<void> {
    await waitUntil('the answers to come from the database', 10_000, async () =>
      (await askTcp(tcp.check_recipient, ['alice@example.org', 'nobody@example.org'])).every(
        (value) => value !== TEMPORARY,
      ),
    );
    await askTcp(tcp.virtual_alias, ['alice@example.org']);
    await askTcp(tcp.virtual_domains, ['example.org']);
    await tcpAnswer('check_recipient', 'x@example.org');
  }

  it('stopped, cached answers go on, uncached ones are temporary, and all is well after its return', async () => {
    await warm();
    const before = await counted('stale');
    await postgres.stop();
    for (let round = 0; round < 3; round += 1) await outage();
    await waitUntil('a stale answer to be counted', 3000, async () => {
      await tcpAnswer('virtual_alias', 'alice@example.org');
      return (await counted('stale')) > before;
    });
    await postgres.start();
    await waitUntil(
      'an uncached answer',
      10_000,
      async () => (await tcpAnswer('check_recipient', 'after@example.org')) !== TEMPORARY,
    );
    expect(await tcpAnswer('check_recipient', 'after@example.org')).toBe(
      'REJECT 5.1.1 No such recipient here',
    );
    await database.pool.query("UPDATE users SET status = 'disabled' WHERE id = 18");
    await eventually(
      'a change after the return',
      'check_recipient',
      'jürgen@example.org',
      'REJECT 5.2.1 This mailbox is disabled',
      8000,
    );
  });

  it('frozen, the same', async () => {
    await warm();
    postgres.freeze();
    try {
      for (let round = 0; round < 2; round += 1) await outage();
    } finally {
      postgres.thaw();
    }
    await waitUntil(
      'an uncached answer',
      10_000,
      async () => (await tcpAnswer('check_recipient', 'thawed@example.org')) !== TEMPORARY,
    );
    expect(await tcpAnswer('check_recipient', 'thawed@example.org')).toBe(
      'REJECT 5.1.1 No such recipient here',
    );
  });
});

describe('starting', () => {
  it('asks the primary first: what changed just before may not have reached the replica', async () => {
    const name = `behind${Date.now()}`;
    await database.pool.query(`CREATE DATABASE ${name}`);
    const url = postgres.url.replace(/\/sealpost$/, `/${name}`);
    const behind = await openDatabase(
      { ...config, database: { ...config.database, url } },
      { requireMigrated: false },
    );
    await applyMigrations(behind);
    await behind.close();
    const [port = 0] = await freePorts(1);
    const none = Object.fromEntries(MAPS.map((map) => [map, '']));
    const withReplica = configSchema.parse({
      state_dir: folder,
      database: { url: postgres.url, read_url: url },
      policy: {
        tcp: { ...none, virtual_alias: `127.0.0.1:${port}` },
        socketmap: { listen: '' },
        delegation: { listen: '' },
        replica_lag: '1h',
      },
    });
    const started = await startPolicyDaemons(withReplica, createLogger({ level: 'silent' }), createMetrics());
    try {
      expect(await askTcp({ port }, ['alice@example.org'])).toEqual(['id_1@example.org']);
    } finally {
      await started.close();
    }
  });

  it('where another process listens already says which listener, and leaves nothing open', async () => {
    const starting = startPolicyDaemons(config, createLogger({ level: 'silent' }), createMetrics());
    await expect(starting).rejects.toThrow(
      /^the listener check_recipient on 127\.0\.0\.1:\d+ cannot be opened: another process/,
    );
  });
});

describe('metrics', () => {
  it('count answers by map, protocol and result', async () => {
    const text = await metrics.registry.metrics();
    expect(text).toMatch(
      /sealpost_lookups_total\{map="virtual_alias",protocol="tcp_table",result="found"\} \d+/,
    );
    expect(text).toMatch(/sealpost_lookup_seconds_bucket\{le="0.0001",map="transport"\} \d+/);
    expect(text).toMatch(/sealpost_lookup_malformed_total\{protocol="policy"\} \d+/);
  });
});
