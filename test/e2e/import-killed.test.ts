// An import that is killed in the middle, and somebody who revokes keys meanwhile: a real `sealpost import --apply`, which a row
// that the test holds stops at a chosen place. (test/long/import kills one at any moment, and is larger.)
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { PrivateKey } from 'openpgp';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { registerDomain } from '../../src/cli/domain.ts';
import { registerImport } from '../../src/cli/import.ts';
import { registerKey } from '../../src/cli/key.ts';
import { registerUser } from '../../src/cli/user.ts';
import { waitUntil } from '../support/child.ts';
import { type Letters, openLetters } from '../support/letters.ts';
import { armorOf, fingerprintOf, importOf, keyFor } from '../support/moving.ts';
import { sealpostCommand } from '../support/sealpost-process.ts';
import { openTrial, type Trial } from '../support/trial.ts';

/** Users who are here before the import, and those whom it brings; the first of both get a key each. */
const [HERE, NEW, KEYED] = [250, 50, 25];
/** Several users have the same certificate: making one takes longer than storing it. */
const CERTIFICATES = 5;

let trial: Trial;
let letters: Letters;
let running: ChildProcess | undefined;

beforeAll(async () => {
  trial = await openTrial([registerDomain, registerUser, registerKey, registerImport]);
  letters = await openLetters(trial);
});

afterAll(async () => {
  running?.kill('SIGKILL');
  await letters?.close();
  await trial?.close();
});

interface Site {
  readonly domain: string;
  /** The CSV file of all users. */
  readonly file: string;
  /** Of those who are here, and of those who come. */
  readonly keys: Readonly<Record<'here' | 'new', readonly PrivateKey[]>>;
}

const addressOf = (kind: 'here' | 'new', index: number, domain: string): string =>
  `${kind}${index}@${domain}`;

/** A site with half of its users here already: all of them have another quota in the file, and some of them a key. */
async function makeSite(domain: string): Promise<Site> {
  await trial.json('domain', 'add', domain);
  const addresses = Array.from({ length: HERE }, (_, index) => addressOf('here', index, domain));
  await trial.json('user', 'add', ...addresses);
  const keys = { here: await makeKeys(domain, 'here'), new: await makeKeys(domain, 'new') };
  const lines = (kind: 'here' | 'new', count: number): string[] =>
    Array.from({ length: count }, (_, index) => {
      const key = index < KEYED ? `${domain}-${kind}-${index % CERTIFICATES}.asc` : '';
      return `${addressOf(kind, index, domain)},5GB,${key}`;
    });
  const text = ['address,quota,key_file', ...lines('here', HERE), ...lines('new', NEW)].join('\n');
  return { domain, keys, file: trial.file(`${domain}.csv`, text) };
}

async function makeKeys(domain: string, kind: 'here' | 'new'): Promise<readonly PrivateKey[]> {
  const keys = await Promise.all(
    Array.from({ length: CERTIFICATES }, (_, index) => keyFor([addressOf(kind, index, domain)])),
  );
  for (const [index, key] of keys.entries()) trial.file(`${domain}-${kind}-${index}.asc`, armorOf(key));
  return keys;
}

/** What the directory has of a site, with the names of another one. */
async function contentsOf({ domain, keys }: Site): Promise<unknown> {
  const { pool } = trial.database;
  const users = await pool.query(
    `SELECT replace(a.address, $1, '') AS name, u.status, u.settings, u.quota_bytes FROM users u
       JOIN addresses a ON a.user_id = u.id AND a.kind = 'user' WHERE a.domain = $1 ORDER BY 1`,
    [domain],
  );
  const stored = await pool.query<{ name: string; fingerprint: string; status: string }>(
    `SELECT replace(a.address, $1, '') AS name, k.fingerprint, k.status, k.source FROM keys k
       JOIN addresses a ON a.user_id = k.user_id WHERE a.domain = $1 ORDER BY 1, 2`,
    [domain],
  );
  const made = await pool.query(
    `SELECT kind, count(*)::int AS count FROM imported WHERE source LIKE '%' || $1 || '%' GROUP BY kind ORDER BY kind`,
    [domain],
  );
  const all = [...keys.here, ...keys.new].map(fingerprintOf);
  const named = stored.rows.map((row) => ({ ...row, fingerprint: all.indexOf(row.fingerprint) }));
  return { users: users.rows, keys: named, made: made.rows };
}

async function counts(domain: string): Promise<{ changed: number; all: number }> {
  const { rows } = await trial.database.pool.query<{ changed: number; all: number }>(
    `SELECT count(*) FILTER (WHERE quota_bytes IS NOT NULL)::int AS changed, count(*)::int AS all
       FROM users u JOIN domains d ON d.id = u.domain_id WHERE d.name = $1`,
    [domain],
  );
  return rows[0] ?? { changed: 0, all: 0 };
}

/**
 * Starts an import, waits until it waits for a row that the test holds, runs `meanwhile`, kills it with SIGKILL, and waits until the
 * server has noticed.
 */
async function killAt({ file }: Site, hold: string, meanwhile: () => Promise<void>): Promise<void> {
  const holder = await trial.database.pool.connect();
  const waiting = async (): Promise<number> => {
    const { rows } = await trial.database.pool.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return rows[0]?.count ?? 0;
  };
  try {
    await holder.query(`BEGIN; ${hold}`);
    const { program, args } = sealpostCommand();
    const config = `${trial.folder}/sealpost.toml`;
    running = spawn(program, [...args, 'import', 'csv', file, '--apply', '--config', config], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const ended = once(running, 'close');
    await waitUntil('the import to wait', 90_000, async () => (await waiting()) > 0);
    await meanwhile();
    running.kill('SIGKILL');
    await ended;
  } finally {
    await holder.query('ROLLBACK');
    holder.release();
  }
  await waitUntil('the server to end the import', 10_000, async () => {
    const { rows } = await trial.database.pool.query(
      `SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`,
    );
    return rows.length === 0 && (await waiting()) === 0;
  });
}

it('killed at any place it has written whole pieces, holds up nobody who revokes a key, and is completed by a second run', async () => {
  const calm = await makeSite('calm.example');
  const site = await makeSite('killed.example');
  const { domain, keys } = site;
  expect((await importOf(trial, 'csv', calm.file, '--apply')).counts).toMatchObject({
    user: { added: NEW, changed: HERE },
    key: { added: 2 * KEYED },
  });

  const middle = `SELECT FROM addresses a JOIN users u ON u.id = a.user_id WHERE a.address = '${addressOf('here', 150, domain)}' FOR UPDATE OF u`;
  await killAt(site, middle, async () => undefined);
  const after = await counts(domain);
  expect(after.all).toBe(HERE);
  expect([0, 100, 200]).toContain(after.changed);

  const [first = ''] = keys.here.map(fingerprintOf);
  const end = `SELECT FROM domains WHERE name = '${domain}' FOR NO KEY UPDATE`;
  await killAt(site, end, async () => {
    // All of it is written by now, and nothing is committed of what is new.
    // The import waits for the test: whoever had to wait for the import would wait until the server gives up.
    await trial.json('key', 'disable', first);
  });
  expect(await counts(domain)).toEqual({ changed: HERE, all: HERE });
  for (let index = 0; index < KEYED; index++) {
    const address = addressOf('here', index, domain);
    const [, secret] = keys.here;
    const fate = index % CERTIFICATES === 0 ? 'waits' : 'sealed';
    const secrets = index % CERTIFICATES === 1 && secret !== undefined ? [secret] : [];
    expect([address, await letters.to(address, ...secrets)]).toEqual([address, fate]);
  }

  await trial.json('key', 'enable', first);
  const report = await importOf(trial, 'csv', site.file, '--apply');
  expect(report.counts).toMatchObject({
    user: { added: NEW, same: HERE },
    key: { added: KEYED, same: KEYED },
  });
  expect(await contentsOf(site)).toEqual(await contentsOf(calm));
});
