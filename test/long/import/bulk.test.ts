// How long moving in takes, how much memory, and how long somebody waits who changes a key meanwhile. (Small case:
// test/e2e/import-killed.test.ts.)
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerImport } from '../../../src/cli/import.ts';
import { setKeyStatus } from '../../../src/keys/store.ts';
import { figures, type Measured, runMeasured } from '../../support/measured.ts';
import type { Report } from '../../support/moving.ts';
import { sealpostCommand } from '../../support/sealpost-process.ts';
import { openTrial, type Trial } from '../../support/trial.ts';
import { addresses, type Certificate, csvOf, makeCertificates, newerCopy } from './fixtures.ts';

const USERS = 100_000;
const KEYS = 10_000;
const COPIES = 500;
const SITE = 'bulk.example';

/** What is promised, on two cores; 300 MB are 286 MiB. */
const [USERS_SECONDS, KEYS_SECONDS, MEMORY_MIB, WAIT_MS] = [60, 300, 286, 1000];

let trial: Trial;
let all: readonly Certificate[] = [];

beforeAll(async () => {
  trial = await openTrial([registerImport]);
});

afterAll(async () => {
  await trial?.close();
});

/** `sealpost import ... --apply` as a process of its own. */
async function importMeasured(
  what: string,
  ...words: readonly string[]
): Promise<Measured & { report: Report }> {
  const { program, args } = sealpostCommand();
  const config = join(trial.folder, 'sealpost.toml');
  const done = await runMeasured(
    program,
    [...args, 'import', ...words, '--apply', '--json', '--config', config],
    { cwd: trial.folder },
  );
  process.stdout.write(`${what}: ${figures(done)}\n`);
  if (done.code !== 0) throw new Error(`exit ${done.code}: ${done.stderr.slice(-2000)}`);
  return { ...done, report: JSON.parse(done.stdout.toString('utf8')) as Report };
}

/** Disables and enables keys that are there, one after the other, until `until` is over. @returns the longest wait, in milliseconds */
async function revokeMeanwhile(until: Promise<unknown>): Promise<{ longest: number; changes: number }> {
  const state = { over: false, longest: 0, changes: 0 };
  until.finally(() => (state.over = true)).catch(() => undefined);
  while (!state.over) {
    const { rows } = await trial.database.pool.query<{ fingerprint: string }>(
      'SELECT fingerprint FROM keys ORDER BY random() LIMIT 5',
    );
    for (const { fingerprint } of rows) {
      const started = performance.now();
      await setKeyStatus(trial.database, fingerprint, 'disabled', 'somebody');
      state.longest = Math.max(state.longest, performance.now() - started);
      await setKeyStatus(trial.database, fingerprint, 'active', 'somebody');
      state.changes += 1;
    }
    await sleep(100);
  }
  return state;
}

describe('moving in', () => {
  it(`takes ${USERS} addresses in less than ${USERS_SECONDS} s and ${MEMORY_MIB} MiB`, async () => {
    const file = trial.file('users.csv', csvOf(addresses(USERS, SITE)));
    const { report, seconds, peakMiB } = await importMeasured(`${USERS} addresses`, 'csv', file);
    expect(report.counts.user?.added).toBe(USERS);
    expect.soft(seconds).toBeLessThan(USERS_SECONDS);
    expect.soft(peakMiB).toBeLessThan(MEMORY_MIB);
    const again = await importMeasured('the same once more', 'csv', file);
    expect(again.report.counts.user).toEqual({ same: USERS });
    expect.soft(again.seconds).toBeLessThan(USERS_SECONDS);
    expect.soft(again.peakMiB).toBeLessThan(MEMORY_MIB);
  });

  it(`takes ${KEYS} keys in less than ${KEYS_SECONDS} s and ${MEMORY_MIB} MiB, and holds up nobody who revokes one`, async () => {
    const owners = [...addresses(KEYS, SITE)];
    const started = performance.now();
    all = await makeCertificates(owners, COPIES);
    process.stdout.write(`made ${KEYS} keys in ${((performance.now() - started) / 1000).toFixed(0)} s\n`);
    const place = join(trial.folder, 'keys.pgp');
    writeFileSync(place, Buffer.concat(all.map(({ bytes }) => bytes)));
    const importing = importMeasured(`${KEYS} keys`, 'keyring', place);
    const { longest, changes } = await revokeMeanwhile(importing);
    const { report, seconds, peakMiB } = await importing;
    process.stdout.write(`the longest of ${changes} changes of keys meanwhile: ${longest.toFixed(0)} ms\n`);
    expect(report.counts.key).toEqual({ added: KEYS });
    expect(changes).toBeGreaterThan(0);
    expect.soft(longest).toBeLessThan(WAIT_MS);
    expect.soft(seconds).toBeLessThan(KEYS_SECONDS);
    expect.soft(peakMiB).toBeLessThan(MEMORY_MIB);
  });

  it('tells its progress on a terminal', async () => {
    const file = trial.file('few.csv', csvOf(addresses(5000, 'few.example')));
    const { program, args } = sealpostCommand();
    const config = join(trial.folder, 'sealpost.toml');
    const command = [program, ...args, 'import', 'csv', file, '--apply', '--config', config].join(' ');
    const { stdout } = await promisify(execFile)('script', ['-qec', command, '/dev/null']);
    expect(stdout).toMatch(/reading: \d+/);
    expect(stdout).toMatch(/writing: \d+ of 5000/);
  });

  it(`takes ${COPIES} newer copies of known keys, and holds up nobody meanwhile`, async () => {
    const copies: Uint8Array[] = [];
    for (const { secret } of all) if (secret !== undefined) copies.push(await newerCopy(secret));
    const place = join(trial.folder, 'newer.pgp');
    writeFileSync(place, Buffer.concat(copies));
    const importing = importMeasured(`${COPIES} newer copies`, 'keyring', place);
    const { longest, changes } = await revokeMeanwhile(importing);
    const { report } = await importing;
    process.stdout.write(`the longest of ${changes} changes of keys meanwhile: ${longest.toFixed(0)} ms\n`);
    expect(report.counts.key).toEqual({ changed: COPIES });
    expect.soft(longest).toBeLessThan(WAIT_MS);
  });
});
