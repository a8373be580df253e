// PostfixAdmin and mailcow, read live from their databases; and followed, whatever becomes of them.
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerAlias } from '../../src/cli/alias.ts';
import { registerDomain } from '../../src/cli/domain.ts';
import { registerExplain } from '../../src/cli/explain.ts';
import { registerImport } from '../../src/cli/import.ts';
import { registerKey } from '../../src/cli/key.ts';
import { registerSync } from '../../src/cli/sync.ts';
import { registerUser } from '../../src/cli/user.ts';
import { waitUntil } from '../support/child.ts';
import { type Letters, openLetters } from '../support/letters.ts';
import { contents, fateOf, importOf, keyFor, movesIn, sealedTo, told } from '../support/moving.ts';
import { skipWithout } from '../support/needs.ts';
import { MAILCOW_TABLES, postfixadminTables } from '../support/panel-tables.ts';
import { allocatePlaces, exampleSubstitutions } from '../support/places.ts';
import { startMariadb } from '../support/private-mariadb.ts';
import { type PrivatePostgres, startPostgres } from '../support/private-postgres.ts';
import { createSealpost } from '../support/sealpost-process.ts';
import { importFor, openTrial, type Trial } from '../support/trial.ts';

let trial: Trial;
let postgres: PrivatePostgres;
let letters: Letters;

beforeAll(async () => {
  [trial, postgres] = await Promise.all([
    openTrial([
      registerDomain,
      registerUser,
      registerAlias,
      registerKey,
      registerExplain,
      registerImport,
      registerSync,
    ]),
    startPostgres(),
  ]);
  [letters] = await Promise.all([openLetters(trial), panel(postfixadminTables('postgres'))]);
});

afterAll(async () => {
  await letters?.close();
  await trial?.close();
  await postgres?.remove();
});

/** Runs statements in PostfixAdmin's database. */
async function panel(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** One look at the panel, by the command. */
async function look(
  ...words: readonly string[]
): Promise<{ code: number; state: string; because: string | null }> {
  const { code, out } = await trial.sealpost(
    'sync',
    'postfixadmin',
    postgres.url,
    '--once',
    '--json',
    ...words,
  );
  return { code, ...(JSON.parse(out) as { state: string; because: string | null }) };
}

describe('PostfixAdmin', () => {
  it('moves in: domains, other names, mailboxes with quota and state, aliases and copies', async () => {
    const report = await movesIn(trial, 'postfixadmin', postgres.url);
    expect(report.code).toBe(0);
    // Ben is on vacation: nobody reads the address that sends his notices.
    expect([...told(report, 'left')].sort()).toEqual([
      'alias old@panel.example',
      'setting ben@panel.example',
    ]);
    const domains = (await trial.json('domain', 'list')) as {
      name: string;
      class: string;
      other_names: string[];
    }[];
    expect(domains.map(({ name, class: kind, other_names }) => [name, kind, other_names])).toEqual([
      ['backup.example', 'relay', []],
      ['closed.example', 'virtual', []],
      ['panel.example', 'virtual', ['alias.example']],
    ]);
    expect(await trial.json('user', 'show', 'ann@panel.example')).toMatchObject({
      status: 'active',
      quota: 1_024_000_000,
      forwards: ['copy@abroad.example'],
    });
    expect(await trial.json('user', 'show', 'ben@panel.example')).toMatchObject({
      status: 'disabled',
      quota: null,
      forwards: [],
    });
    expect(await trial.json('user', 'show', 'cas@closed.example')).toMatchObject({ status: 'disabled' });
    const key = await keyFor(['ann@panel.example']);
    await importFor(trial, 'ann@panel.example', key);
    expect(await fateOf(trial, 'ann@alias.example')).toEqual(sealedTo(key));
    await trial.json('user', 'set', 'ann@panel.example', 'forward=');
    for (const address of ['ann@panel.example', 'ann@alias.example', 'any@backup.example'])
      expect([address, await letters.to(address, key)]).toEqual([address, 'sealed']);
    await trial.json('user', 'set', 'ann@panel.example', 'forward=copy@abroad.example');
  });

  it('is refused by name with a schema or version that is not known', async () => {
    await panel(`UPDATE config SET value = '99999'`);
    const { err } = await trial.sealpost('import', 'postfixadmin', postgres.url);
    expect(err).toMatch(/version "99999" of PostfixAdmin's schema is not known/);
    await panel(`UPDATE config SET value = '1844'`);
    const other = await trial.sealpost('import', 'mailcow', postgres.url);
    expect(other.err).toMatch(/the schema is not known: it is no mailcow, there is no table versions/);
    expect(JSON.stringify([err, other])).not.toContain(new URL(postgres.url).password || 'no password');
  });

  it('is followed: what changes there changes here', async () => {
    await panel(`INSERT INTO mailbox VALUES ('dan@panel.example', '', '', '', 0, 'dan', 'panel.example', true);
      UPDATE mailbox SET active = true WHERE username = 'ben@panel.example';
      UPDATE alias SET goto = 'ann@panel.example,dan@panel.example' WHERE address = 'team@panel.example'`);
    expect(await look()).toMatchObject({ code: 0, state: 'ok' });
    expect(await trial.json('user', 'show', 'ben@panel.example')).toMatchObject({ status: 'active' });
    expect(await trial.json('alias', 'list', 'team@panel.example')).toMatchObject([
      { targets: ['ann@panel.example', 'dan@panel.example'] },
    ]);
  });

  it('changes nothing when it is away, empty, of another schema, or lacks too much, and says so', async () => {
    const before = await contents(trial);
    await panel('ALTER TABLE mailbox RENAME COLUMN quota TO quota_bytes');
    expect(await look('--remove')).toMatchObject({
      code: 1,
      state: 'refused',
      because: expect.stringContaining('the table mailbox of postfixadmin lacks the column quota'),
    });
    await panel(`ALTER TABLE mailbox RENAME COLUMN quota_bytes TO quota;
      CREATE TABLE kept AS SELECT * FROM mailbox; DELETE FROM mailbox WHERE username LIKE 'd%' OR username LIKE 'b%'`);
    expect(await look('--remove')).toMatchObject({
      code: 1,
      because: expect.stringContaining('more than 5 % at once'),
    });
    await panel(
      'DELETE FROM mailbox; CREATE TABLE aliases_kept AS SELECT * FROM alias; DELETE FROM alias; DELETE FROM alias_domain; CREATE TABLE domains_kept AS SELECT * FROM domain; DELETE FROM domain',
    );
    expect(await look('--remove')).toMatchObject({
      code: 1,
      because: expect.stringContaining('came back empty'),
    });
    await postgres.stop();
    expect(await look('--remove')).toMatchObject({ code: 75, state: 'away' });
    expect(await contents(trial)).toEqual(before);
    await postgres.start();
    await panel(
      `INSERT INTO mailbox SELECT * FROM kept; INSERT INTO alias SELECT * FROM aliases_kept;
        INSERT INTO domain SELECT * FROM domains_kept; INSERT INTO alias_domain VALUES ('alias.example', 'panel.example', true)`,
    );
    expect(await look('--remove')).toMatchObject({ code: 0, state: 'ok' });
    expect(await contents(trial)).toEqual(before);
  });
});

describe('a panel that serve follows', () => {
  it('makes users and takes them back; away, empty or another one it changes nothing, and log and status tell', async () => {
    const places = await allocatePlaces();
    const sync = { source: 'postfixadmin', url: postgres.url, every: '200ms', remove: true };
    const sealpost = await createSealpost({
      places,
      example: null,
      substitutions: exampleSubstitutions(places),
      config: {
        filter: {
          next_hop: `smtp:127.0.0.1:${places.reinjectPort}`,
          listen: [{ name: 'lmtp', protocol: 'lmtp', address: `127.0.0.1:${places.lmtpPort}` }],
        },
        sync: [sync],
      },
    });
    const observed = async (path: string) =>
      (await fetch(`http://127.0.0.1:${places.observePort}/${path}`)).text();
    const users = async () =>
      (await sealpost.must(['user', 'list', '--json'])).json as { address: string; status: string }[];
    /** Waits for a line of the log that was not there at the last call. */
    let heard = 0;
    const hears = async (event: string, words = ''): Promise<void> => {
      const found = () =>
        sealpost
          .log()
          .split('\n')
          .findIndex((line, at) => at >= heard && line.includes(`"${event}"`) && line.includes(words));
      await waitUntil(
        `the log to say ${event} ${words}`,
        20_000,
        () => found() >= 0,
        () => sealpost.log().slice(-3000),
      );
      heard = found() + 1;
    };
    try {
      await sealpost.start();
      await hears('synced');
      const before = await users();
      expect(before.map(({ address }) => address)).toEqual(
        expect.arrayContaining(['ann@panel.example', 'dan@panel.example']),
      );
      await panel(`INSERT INTO mailbox (username, domain, quota, active)
        SELECT 'm' || n || '@panel.example', 'panel.example', 0, true FROM generate_series(1, 30) AS n`);
      await hears('synced', '"added":30');
      await panel(`DELETE FROM mailbox WHERE username = 'm7@panel.example'`);
      await hears('synced', '"disabled":1');
      const there = await users();
      expect(there.find(({ address }) => address === 'm7@panel.example')?.status).toBe('disabled');
      await panel('ALTER TABLE mailbox RENAME COLUMN quota TO limit_bytes');
      await hears('sync_refused', 'lacks the column quota');
      await panel(
        'ALTER TABLE mailbox RENAME COLUMN limit_bytes TO quota; ALTER TABLE alias RENAME TO alias_kept; CREATE TABLE alias (LIKE alias_kept); ALTER TABLE mailbox RENAME TO mailbox_kept; CREATE TABLE mailbox (LIKE mailbox_kept); ALTER TABLE domain RENAME TO domain_kept; CREATE TABLE domain (LIKE domain_kept); ALTER TABLE alias_domain RENAME TO alias_domain_kept; CREATE TABLE alias_domain (LIKE alias_domain_kept)',
      );
      await hears('sync_refused', 'came back empty');
      await postgres.stop();
      await hears('sync_away');
      expect(JSON.parse(await observed('status'))).toMatchObject({ panels: [{ state: 'away' }] });
      // Mail is sealed whether a panel is there or not.
      expect((await fetch(`http://127.0.0.1:${places.observePort}/readyz`)).status).toBe(200);
      expect(await users()).toEqual(there);
      await postgres.start();
      await hears('sync_refused', 'came back empty');
      await panel(
        ['alias', 'mailbox', 'domain', 'alias_domain']
          .map((name) => `DROP TABLE ${name}; ALTER TABLE ${name}_kept RENAME TO ${name}`)
          .join(';'),
      );
      await hears('sync_back');
      expect(await users()).toEqual(there);
      expect(sealpost.log()).not.toContain(new URL(postgres.url).password || 'no password');
      await panel(`DELETE FROM mailbox WHERE username LIKE 'm%'`);
    } finally {
      await sealpost.close();
      await places.remove();
    }
  });
});

describe('mailcow and PostfixAdmin on MariaDB', () => {
  it('move in', async (context) => {
    skipWithout(context, 'mariadb-server');
    const mariadb = await startMariadb();
    try {
      await mariadb.run('CREATE DATABASE mailcow; CREATE DATABASE postfix');
      await mariadb.run(MAILCOW_TABLES, 'mailcow');
      // She had handed over her key before her mailbox moved in.
      const dora = await keyFor(['dora@cow.example']);
      await importFor(trial, 'dora@cow.example', dora);
      const report = await movesIn(trial, 'mailcow', mariadb.dsn('mailcow'));
      expect(report.code).toBe(0);
      expect([...told(report, 'left')].sort()).toEqual(['alias trash@cow.example', 'user room@cow.example']);
      expect(await trial.json('user', 'show', 'dora@cow.example')).toMatchObject({
        quota: 3_221_225_472,
        status: 'active',
      });
      for (const address of ['dora@cow.example', 'dora@cowalias.example'])
        expect([address, await letters.to(address, dora)]).toEqual([address, 'sealed']);
      // Nobody may log in, and mail still comes.
      expect(await trial.json('user', 'show', 'ed@cow.example')).toMatchObject({ status: 'active' });
      await mariadb.run(
        postfixadminTables('mysql')
          .replaceAll('panel.example', 'maria.example')
          .replace(/(alias|backup|closed)\.example/g, '$1.maria.example'),
        'postfix',
      );
      expect((await movesIn(trial, 'postfixadmin', mariadb.dsn('postfix'))).code).toBe(0);
      expect(await trial.json('user', 'show', 'ann@maria.example')).toMatchObject({
        forwards: ['copy@abroad.example'],
      });
      const { err } = await trial.sealpost('import', 'mailcow', mariadb.dsn('nothing'));
      expect(err).toMatch(/Unknown database/);
    } finally {
      await mariadb.stop();
    }
    expect((await importOf(trial, 'postfixadmin', postgres.url)).code).toBe(0);
  });
});
