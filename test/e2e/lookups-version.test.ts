// A key that is imported anywhere is used for the next letter, and the map's answer follows within a second, whatever became of
// LISTEN: frozen, lost in PgBouncer, on a standby that was promoted, beside the old primary that takes writes still.
import { generateKey } from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PolicyDaemons, startPolicyDaemons } from '../../policy/daemons.ts';
import { MAPS } from '../../policy/facts.ts';
import { type Config, configSchema } from '../../src/config/schema.ts';
import { applyMigrations } from '../../src/database/migrate.ts';
import { type Database, openDatabase } from '../../src/database/open.ts';
import { type Engine, openEngine } from '../../src/delivery/engine.ts';
import { addAlias } from '../../src/directory/aliases.ts';
import { parseAssignments } from '../../src/directory/assignments.ts';
import { addDomain, setDomain } from '../../src/directory/domains.ts';
import { addUser, setUser } from '../../src/directory/users.ts';
import { importKeys } from '../../src/keys/store.ts';
import { askPolicy, askTcp, setUsage } from '../support/lookups-directory.ts';
import { freePorts } from '../support/places.ts';
import { type PrivatePgbouncer, startPgbouncer } from '../support/private-pgbouncer.ts';
import { type PrivatePostgres, startPostgres } from '../support/private-postgres.ts';
import { openWay, type Standby, startStandby, type Way } from '../support/standby.ts';
import { type ListedHop, listedHop, mail, silent, textOf } from '../support/trial.ts';

/** Everything that answers, over one database URL. */
interface Stand {
  readonly config: Config;
  readonly hop: ListedHop;
  readonly engine: Engine;
  readonly daemons: PolicyDaemons;
  readonly maps: { readonly port: number };
  readonly policy: { readonly port: number };
  close(): Promise<void>;
}

async function openStand(url: string, more: object = {}): Promise<Stand> {
  const [maps = 0, policy = 0] = await freePorts(2);
  const none = Object.fromEntries(MAPS.map((map) => [map, '']));
  const config = configSchema.parse({
    hostname: 'mx.example',
    state_dir: '/tmp',
    database: { url, ...more },
    policy: {
      tcp: { ...none, check_recipient: `127.0.0.1:${maps}` },
      socketmap: { listen: '' },
      delegation: { listen: `127.0.0.1:${policy}` },
    },
  });
  const hop = listedHop();
  const { logger, metrics } = silent();
  const engine = await openEngine({ config, logger, metrics, workers: 0, watchChanges: true, nextHop: hop });
  const daemons = await startPolicyDaemons(config, logger, metrics);
  return {
    config,
    hop,
    engine,
    daemons,
    maps: { port: maps },
    policy: { port: policy },
    async close() {
      await daemons.close();
      await engine.close();
    },
  };
}

const NO_KEY = /^REJECT 5\.7\.5 /;

let postgres: PrivatePostgres;
/** Past every pooler: where administrators work. */
let database: Database;
let way: Way;
let standby: Standby;
let bouncer: PrivatePgbouncer;

const direct = (url: string): Promise<Database> =>
  openDatabase(configSchema.parse({ state_dir: '/tmp', database: { url } }), { requireMigrated: false });

beforeAll(async () => {
  postgres = await startPostgres();
  database = await direct(postgres.url);
  await applyMigrations(database);
  for (const domain of ['example.org', 'other.example']) await addDomain(database, domain);
  await setDomain(database, 'example.org', parseAssignments(['on_missing_key=reject'], 'domain'));
  [way, standby, bouncer] = await Promise.all([
    openWay(postgres.port),
    startStandby(postgres),
    startPgbouncer(postgres),
  ]);
});

afterAll(async () => {
  await database?.close();
  await way?.close();
  await bouncer?.close();
  await standby?.remove();
  await postgres?.remove();
});

const recipient = async ({ maps }: Stand, key: string): Promise<string> =>
  (await askTcp(maps, [key]))[0] ?? 'not found';

/** As Postfix does, which tries again what is deferred: the first prepared statement that a pooler loses is a temporary failure. */
async function letterTo(stand: Stand, address: string): Promise<string | number> {
  const became = await attemptTo(stand, address);
  return became === 451 ? attemptTo(stand, address) : became;
}

/** One letter; `sealed`, `plaintext`, or the code of the refusal. */
async function attemptTo({ engine, hop }: Stand, address: string): Promise<string | number> {
  const { outcomes } = await engine.deliverer.deliver(mail('Subject: x\r\n\r\nHello\r\n', address));
  const code = outcomes[0]?.reply.code ?? 0;
  if (code !== 250) return code;
  const request = hop.sent.at(-1);
  return request !== undefined && textOf(request).includes('-----BEGIN PGP MESSAGE-----')
    ? 'sealed'
    : 'plaintext';
}

async function importFor(admin: Database, address: string): Promise<void> {
  const { publicKey } = await generateKey({ userIDs: [{ email: address }], format: 'binary' });
  const [result] = await importKeys(admin, publicKey, {
    policy: { allowSha1: false },
    delimiters: '+',
    source: 'cli',
    actor: 'test',
    now: Date.now(),
  });
  expect(result?.result).toBe('added');
}

const aSecond = () => new Promise((resolve) => setTimeout(resolve, 1000));

/** Asks and sends in vain, imports, and asks and sends again. */
async function follows(stand: Stand, admin: Database, address: string): Promise<void> {
  await addUser(admin, address, null, '+');
  await aSecond();
  // Cached, and asked once more out of the cache.
  for (let round = 0; round < 2; round += 1) {
    expect(await recipient(stand, address)).toMatch(NO_KEY);
    expect(await letterTo(stand, address)).toBe(550);
  }
  await importFor(admin, address);
  expect(await letterTo(stand, address)).toBe('sealed');
  await aSecond();
  expect(await recipient(stand, address)).toBe('DUNNO');
}

describe('with the connection of LISTEN frozen', () => {
  it('keys and addresses count for the next letter, and for the map within a second', async () => {
    const stand = await openStand(postgres.url);
    const { rows } = await database.pool.query<{ pid: number }>(
      "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%'",
    );
    expect(rows).toHaveLength(2);
    for (const { pid } of rows) process.kill(pid, 'SIGSTOP');
    try {
      expect(await recipient(stand, 'frozen@example.org')).toMatch(/^REJECT 5\.1\.1 /);
      await follows(stand, database, 'frozen@example.org');
      await setUser(database, 'frozen@example.org', {
        assignments: parseAssignments([], 'user'),
        quota: 100,
      });
      await aSecond();
      expect(await recipient(stand, 'frozen@example.org')).toBe('DUNNO');
      await setUsage(database, 'frozen@example.org', 1000, 1);
      await aSecond();
      expect(await recipient(stand, 'frozen@example.org')).toMatch(/^DEFER_IF_PERMIT 4\.2\.2 /);
    } finally {
      for (const { pid } of rows) process.kill(pid, 'SIGCONT');
      await stand.close();
    }
  });
});

describe('an address that Postfix reads on', () => {
  it.each([
    ['alice%other.example@localhost', 'DUNNO'],
    ['"alice@other.example"@other.example', 'DUNNO'],
    ['other.example!alice@mx.example', 'DUNNO'],
    ['alice@localhost', 'DUNNO'],
    ['alice@alias.example', 'DUNNO'],
    ['full%other.example@localhost', 'DEFER_IF_PERMIT 4.2.2'],
    ['off%other.example@localhost', 'REJECT 5.2.1'],
    ['strict%other.example@localhost', 'REJECT 5.7.5'],
    ['waiting%other.example@localhost', 'DEFER_IF_PERMIT 4.7.5'],
    ['both@localhost', 'DEFER_IF_PERMIT 4.1.3'],
    ['alice%other.example@catch.example', 'DEFER_IF_PERMIT 4.1.3'],
    // The exact spelling, if stored, wins.
    ['odd%other.example@other.example', 'REJECT 5.2.1'],
    // Postfix refuses these, or has a Unix account of the name.
    ['ghost%other.example@other.example', 'REJECT 5.1.1'],
    ['ghost@localhost', 'not found'],
    ['ghost@alias.example', 'not found'],
    ['alice%other.example@elsewhere.test', 'not found'],
    ['alice%elsewhere.test@other.example', 'REJECT 5.1.1'],
  ])('%s is answered by check_recipient with %s, over both protocols', async (key, expected) => {
    const [answer, [action = '']] = await Promise.all([
      recipient(reading, key),
      askPolicy(reading.policy, [key]),
    ]);
    expect(answer.slice(0, expected.length)).toBe(expected);
    expect(action.slice(0, expected.length)).toBe(expected === 'not found' ? 'DUNNO' : expected);
  });

  let reading: Stand;
  beforeAll(async () => {
    const set = (words: readonly string[]) => ({ assignments: parseAssignments([...words], 'user') });
    await addDomain(database, 'catch.example');
    for (const name of ['alice', 'full', 'off', 'strict', 'waiting', 'both', 'odd', 'odd%other.example'])
      await addUser(database, `${name}@other.example`, name === 'full' ? 1 : null, '+');
    await addUser(database, 'both@catch.example', null, '+');
    await addAlias(database, '@catch.example', ['both@catch.example'], '+');
    await setUsage(database, 'full@other.example', 10, 1);
    await setUser(database, 'off@other.example', { ...set([]), status: 'disabled' });
    await setUser(database, 'odd%other.example@other.example', { ...set([]), status: 'disabled' });
    await setUser(database, 'strict@other.example', set(['on_missing_key=reject']));
    await setUser(database, 'waiting@other.example', set(['on_missing_key=defer']));
    await setDomain(database, 'other.example', parseAssignments(['other_names=alias.example'], 'domain'));
    reading = await openStand(postgres.url);
  });
  afterAll(() => reading?.close());
});

describe('behind PgBouncer in transaction mode', () => {
  it('the same, although no notification ever comes and prepared statements get lost', async () => {
    const stand = await openStand(bouncer.url);
    try {
      expect(await recipient(stand, 'pooled@example.org')).toMatch(/^(REJECT 5\.1\.1 |\(temporary\))/);
      await follows(stand, database, 'pooled@example.org');
    } finally {
      await stand.close();
    }
  });
});

describe('after a failover', () => {
  it('beside the old primary, which takes writes still, and after its end, the same', async () => {
    const url = postgres.url.replace(`:${postgres.port}/`, `:${way.port}/`);
    const stand = await openStand(url, { connection_max_age: '1s' });
    try {
      expect(await recipient(stand, 'moved@example.org')).toMatch(/^REJECT 5\.1\.1 /);
      await standby.promote();
      way.leadTo(standby.port);
      const admin = await direct(standby.url);
      try {
        // The old one goes on by itself, and further than the new one.
        for (let round = 0; round < 5; round += 1)
          await addUser(database, `old${round}@example.org`, null, '+');
        await new Promise((resolve) => setTimeout(resolve, 2500));
        await follows(stand, admin, 'moved@example.org');
        expect(await recipient(stand, 'old1@example.org')).toMatch(/^REJECT 5\.1\.1 /);
        await postgres.stop();
        await follows(stand, admin, 'later@example.org');
      } finally {
        await admin.close();
      }
    } finally {
      await stand.close();
    }
  });
});
