// An import that is killed at any moment, again and again, and then runs to its end. (Small case: test/e2e/import-killed.test.ts,
// which kills it at chosen places.)
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { registerDomain } from '../../../src/cli/domain.ts';
import { registerImport } from '../../../src/cli/import.ts';
import { registerUser } from '../../../src/cli/user.ts';
import { type Letters, openLetters } from '../../support/letters.ts';
import { importOf } from '../../support/moving.ts';
import { sealpostCommand } from '../../support/sealpost-process.ts';
import { openTrial, type Trial } from '../../support/trial.ts';
import { addresses, type Certificate, makeCertificates } from './fixtures.ts';

const USERS = 4000;
const HERE = 1000;
/** Every tenth has a key. */
const KEYED = 10;
const KILLS = 25;

let trial: Trial;
let letters: Letters;

beforeAll(async () => {
  trial = await openTrial([registerDomain, registerUser, registerImport]);
  letters = await openLetters(trial);
});

afterAll(async () => {
  await letters?.close();
  await trial?.close();
});

/** The first thousand users are here before; all of them get another quota. */
async function makeSite(
  site: string,
): Promise<{ file: string; all: readonly string[]; keyed: readonly string[] }> {
  const all = [...addresses(USERS, site)];
  for (let index = 0; index < 10; index++) await trial.json('domain', 'add', `d${index}.${site}`);
  await trial.json('user', 'add', ...all.slice(0, HERE));
  const keyed = all.filter((_, index) => index % KEYED === 0);
  const keys = await makeCertificates(keyed);
  const files = new Map<string, string>(
    keys.map(({ bytes }: Certificate, index) => [
      keyed[index] ?? '',
      trial.file(`${site}-${index}.pgp`, bytes),
    ]),
  );
  const lines = all.map((address) => `${address},3GB,${files.get(address) ?? ''}`);
  return { file: trial.file(`${site}.csv`, ['address,quota,key_file', ...lines].join('\n')), all, keyed };
}

/** How many users, keys and remembered rows there are, and whose address has a key, with the names of one site for all. */
async function stateOf(site: string): Promise<{ users: string[]; keys: string[]; made: number }> {
  const { pool } = trial.database;
  const { rows: users } = await pool.query<{ text: string }>(
    `SELECT replace(a.address, $1, '') || ' ' || coalesce(u.quota_bytes::text, '') AS text FROM users u
       JOIN addresses a ON a.user_id = u.id AND a.kind = 'user' WHERE a.domain LIKE '%' || $1 ORDER BY 1`,
    [site],
  );
  const { rows: keys } = await pool.query<{ text: string }>(
    `SELECT replace(a.address, $1, '') || ' ' || k.status AS text FROM keys k JOIN addresses a ON a.user_id = k.user_id
      WHERE a.domain LIKE '%' || $1 ORDER BY 1`,
    [site],
  );
  const { rows: made } = await pool.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM imported WHERE source LIKE '%/' || $1 || '.csv'`,
    [site],
  );
  return {
    users: users.map(({ text }) => text),
    keys: keys.map(({ text }) => text),
    made: made[0]?.count ?? 0,
  };
}

async function startImport(file: string) {
  const { program, args } = sealpostCommand();
  const config = join(trial.folder, 'sealpost.toml');
  const child = spawn(program, [...args, 'import', 'csv', file, '--apply', '--config', config], {
    stdio: 'ignore',
  });
  return { child, ended: once(child, 'close') };
}

it(`is killed ${KILLS} times at any moment: nothing is half-written, nobody is in plaintext, and a last run ends as one that was not killed`, async () => {
  const calm = await makeSite('calm.example');
  const started = performance.now();
  const { ended } = await startImport(calm.file);
  await ended;
  const whole = performance.now() - started;
  const wanted = await stateOf('calm.example');
  expect(wanted.users).toHaveLength(USERS);

  const site = await makeSite('killed.example');
  const seen = new Set<string>();
  for (let kill = 0; kill < KILLS; kill++) {
    const { child, ended: over } = await startImport(site.file);
    await Promise.race([sleep(Math.random() * whole), over]);
    child.kill('SIGKILL');
    await over;
    const state = await stateOf('killed.example');
    seen.add(`${state.users.length} users, ${state.keys.length} keys`);
    // Who is new comes with everybody else who is new, and with the key.
    expect([HERE, USERS]).toContain(state.users.length);
    const withQuota = state.users.filter((text) => !text.endsWith(' ')).length;
    if (state.users.length === HERE) {
      expect(withQuota % 100).toBe(0);
      expect(state.keys.length % 100).toBe(0);
    } else expect(state).toEqual(wanted);
    const keyedHere = new Set(state.keys.map((text) => text.split(' ')[0]));
    for (const address of site.keyed.slice(0, HERE / KEYED)) {
      const hasKey = keyedHere.has(address.replace('killed.example', ''));
      expect([address, await letters.to(address)]).toEqual([address, hasKey ? 'sealed' : 'plaintext']);
    }
  }
  process.stdout.write(`after ${KILLS} kills within ${Math.round(whole)} ms: ${[...seen].join('; ')}\n`);
  await importOf(trial, 'csv', site.file, '--apply');
  expect(await stateOf('killed.example')).toEqual(wanted);
  for (const address of site.keyed) expect([address, await letters.to(address)]).toEqual([address, 'sealed']);
});
