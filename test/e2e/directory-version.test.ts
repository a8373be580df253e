// No answer of the filter rests on a notification that may not have come: the version of the directory is read with every
// message. Over a real PostgreSQL, with an engine that nobody tells of changes.

import { generateKey } from 'openpgp';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerAlias } from '../../src/cli/alias.ts';
import { registerDomain } from '../../src/cli/domain.ts';
import { registerKey } from '../../src/cli/key.ts';
import { registerUser } from '../../src/cli/user.ts';
import { type Engine, openEngine } from '../../src/delivery/engine.ts';
import { listedHop, mail, openTrial, silent, type Trial, textOf } from '../support/trial.ts';

let trial: Trial;
let engine: Engine;
const hop = listedHop();

beforeAll(async () => {
  trial = await openTrial([registerDomain, registerUser, registerAlias, registerKey]);
  await trial.json('domain', 'add', 'example.org');
  // Nobody listens: what LISTEN would tell does not come.
  engine = await openEngine({
    config: trial.config,
    ...silent(),
    workers: 0,
    watchChanges: false,
    nextHop: hop,
  });
});

afterAll(async () => {
  await engine?.close();
  await trial?.close();
});

let letters = 0;

/** Sends one letter through the engine, and tells whether it left sealed. */
async function letterTo(address: string): Promise<'sealed' | 'plaintext'> {
  letters += 1;
  const { outcomes } = await engine.deliverer.deliver(mail(`Subject: ${letters}\r\n\r\nHello\r\n`, address));
  expect(outcomes.map(({ reply }) => reply.code)).toEqual([250]);
  const request = hop.sent.at(-1);
  return request !== undefined && textOf(request).includes('-----BEGIN PGP MESSAGE-----')
    ? 'sealed'
    : 'plaintext';
}

async function newKey(address: string): Promise<string> {
  const { publicKey } = await generateKey({ userIDs: [{ email: address }], format: 'armored' });
  return trial.file(`${address}.asc`, publicKey);
}

/** The versions and how many changes each brought. */
async function version(): Promise<number> {
  const { rows } = await trial.database.pool.query<{ version: string }>(
    'SELECT version FROM directory_version',
  );
  return Number(rows[0]?.version);
}

describe('a key that is imported anywhere', () => {
  it('is used for the next letter, twenty times of twenty, although no notification comes', async () => {
    for (let index = 0; index < 20; index += 1) {
      const address = `user${index}@example.org`;
      await trial.json('user', 'add', address);
      expect(await letterTo(address)).toBe('plaintext');
      expect(await letterTo(address)).toBe('plaintext');
      await trial.json('key', 'import', await newKey(address));
      expect(await letterTo(address)).toBe('sealed');
    }
  });

  it('is used for mail to an alias and to a catch-all that led to its owner before', async () => {
    await trial.json('user', 'add', 'lead@example.org');
    await trial.json('alias', 'add', 'team@example.org', 'lead@example.org');
    expect(await letterTo('team@example.org')).toBe('plaintext');
    await trial.json('key', 'import', await newKey('lead@example.org'));
    expect(await letterTo('team@example.org')).toBe('sealed');
  });

  it('counts from the commit on, and not before', async () => {
    await trial.json('user', 'add', 'slow@example.org');
    expect(await letterTo('slow@example.org')).toBe('plaintext');
    const client = await trial.database.pool.connect();
    try {
      await client.query('BEGIN');
      await client.query(
        'UPDATE users SET settings = \'{"on_missing_key": "reject"}\' WHERE id = (SELECT user_id FROM addresses WHERE address = \'slow@example.org\')',
      );
      expect(await letterTo('slow@example.org')).toBe('plaintext');
      await client.query('COMMIT');
    } finally {
      client.release();
    }
    const { outcomes } = await engine.deliverer.deliver(
      mail('Subject: after\r\n\r\nHello\r\n', 'slow@example.org'),
    );
    expect(outcomes.map(({ reply }) => reply.code)).toEqual([550]);
  });
});

describe('the version', () => {
  it('moves once for a transaction of many changes, and not for one that is rolled back', async () => {
    const before = await version();
    const client = await trial.database.pool.connect();
    try {
      await client.query('BEGIN');
      for (let index = 0; index < 500; index += 1)
        await client.query(
          'UPDATE domains SET settings = settings || \'{"style": "mime"}\' WHERE name = \'example.org\'',
        );
      await client.query('COMMIT');
      expect(await version()).toBe(before + 1);
      const { rows } = await client.query(
        'SELECT count(*)::int AS notes FROM directory_changes WHERE version = $1',
        [before + 1],
      );
      expect(rows[0].notes).toBeLessThan(250);
      await client.query('BEGIN');
      await client.query("UPDATE domains SET settings = '{}' WHERE name = 'example.org'");
      await client.query('ROLLBACK');
    } finally {
      client.release();
    }
    expect(await version()).toBe(before + 1);
  });

  it('does not hold up a second writer while a first one is in the middle of a long transaction', async () => {
    const { settings } = await connectionOf();
    const [first, second] = [new pg.Client(settings), new pg.Client(settings)];
    await Promise.all([first.connect(), second.connect()]);
    try {
      await first.query('BEGIN');
      await first.query("INSERT INTO domains (name, class) VALUES ('long.example', 'virtual')");
      const started = performance.now();
      await second.query("INSERT INTO domains (name, class) VALUES ('short.example', 'virtual')");
      expect(performance.now() - started).toBeLessThan(2000);
      await first.query('COMMIT');
    } finally {
      await Promise.all([first.end(), second.end()]);
    }
  });

  it('does not move with what mailboxes hold, with tokens and with deliveries', async () => {
    const before = await version();
    await trial.database.pool.query("SELECT sealpost_set_usage('user0@example.org', 1000, 2)");
    await trial.database.pool.query('DELETE FROM deliveries');
    expect(await version()).toBe(before);
  });

  it('makes only the changed owner be read again', async () => {
    await Promise.all([letterTo('user1@example.org'), letterTo('user2@example.org')]);
    const reads = () => engine.directory.kept();
    const kept = reads();
    await trial.json('user', 'set', 'user1@example.org', 'style=inline');
    await engine.refresh();
    expect(reads()).toBe(kept - 1);
  });
});

async function connectionOf(): Promise<{ settings: pg.ClientConfig }> {
  const { options } = trial.database.pool;
  return {
    settings: {
      host: options.host,
      port: options.port,
      user: options.user,
      database: options.database,
      password: options.password as string,
    },
  };
}
