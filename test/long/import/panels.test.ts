// A panel of a hundred thousand mailboxes on Debian's MariaDB: how long it takes to move in, and how long mail waits for a look at
// it, since `serve` follows panels in a process that also filters. (Small case: test/e2e/import-panels.test.ts.)
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { registerImport } from '../../../src/cli/import.ts';
import { look, notLookedYet, type SyncState } from '../../../src/import/sync.ts';
import { figures, runMeasured } from '../../support/measured.ts';
import type { Report } from '../../support/moving.ts';
import { need } from '../../support/needs.ts';
import { MAILCOW_TABLES, postfixadminTables } from '../../support/panel-tables.ts';
import { type PrivateMariadb, startMariadb } from '../../support/private-mariadb.ts';
import { sealpostCommand } from '../../support/sealpost-process.ts';
import { openTrial, silent, type Trial } from '../../support/trial.ts';

need('mariadb-server');

const MAILBOXES = 100_000;
/** As for any source of so many addresses. */
const [SECONDS, MEMORY_MIB] = [60, 286];
/** How long a look may keep everything else in its process waiting. Milliseconds; a collection of garbage takes the most. */
const LONGEST_BLOCK = 250;

let trial: Trial;
let mariadb: PrivateMariadb;

beforeAll(async () => {
  [trial, mariadb] = await Promise.all([openTrial([registerImport]), startMariadb()]);
});

afterAll(async () => {
  await mariadb?.stop();
  await trial?.close();
});

/** Mailboxes, as the panel's pages would make them: each has an alias of its own name. */
function mailboxes(domain: string): string {
  const rows = `FROM seq_1_to_${MAILBOXES}`;
  return `INSERT INTO mailbox (username, quota, domain, active) SELECT concat('m', seq, '@${domain}'), seq * 1024, '${domain}', 1 ${rows};
    INSERT INTO alias (address, goto, domain, active) SELECT concat('m', seq, '@${domain}'), concat('m', seq, '@${domain}'), '${domain}', 1 ${rows};`;
}

it.each([
  ['postfixadmin', postfixadminTables('mysql'), 'panel.example'],
  ['mailcow', MAILCOW_TABLES, 'cow.example'],
] as const)('%s moves in and is followed', async (panel, tables, domain) => {
  await mariadb.run(`CREATE DATABASE ${panel}`);
  await mariadb.run(tables + mailboxes(domain), panel);
  const { program, args } = sealpostCommand();
  const config = join(trial.folder, 'sealpost.toml');
  const words = ['import', panel, mariadb.dsn(panel), '--apply', '--json', '--config', config];
  const done = await runMeasured(program, [...args, ...words], { cwd: trial.folder });
  process.stdout.write(`${panel}: ${figures(done)}\n`);
  expect(done.stderr).toBe('');
  const { counts } = JSON.parse(done.stdout.toString('utf8')) as Report;
  expect(counts.user?.added).toBeGreaterThanOrEqual(MAILBOXES);
  expect.soft(done.seconds).toBeLessThan(SECONDS);
  expect.soft(done.peakMiB).toBeLessThan(MEMORY_MIB);

  const quiet = await lookMeasured(panel);
  expect(quiet).toMatchObject({ state: 'ok', last_change: null });
  // A thousand mailboxes come at once, and a thousand get another quota.
  await mariadb.run(
    `UPDATE mailbox SET quota = 7 WHERE username LIKE 'm1__@%' OR username LIKE 'm2__@%';
     INSERT INTO mailbox (username, quota, domain, active) SELECT concat('n', seq, '@${domain}'), 0, '${domain}', 1 FROM seq_1_to_1000;`,
    panel,
  );
  expect(await lookMeasured(panel)).toMatchObject({ state: 'ok', last_change: expect.any(String) });
});

async function lookMeasured(panel: 'postfixadmin' | 'mailcow'): Promise<SyncState> {
  const entry = { source: panel, url: mariadb.dsn(panel), every: 1000, remove: true };
  const context = {
    database: trial.database,
    config: () => trial.config,
    logger: silent().logger,
    now: Date.now,
  };
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const started = performance.now();
  delay.enable();
  const state = await look(entry, notLookedYet(entry), context);
  delay.disable();
  const longest = delay.max / 1e6;
  process.stdout.write(
    `a look at ${panel}: ${((performance.now() - started) / 1000).toFixed(1)} s, and nothing else waited longer than ${longest.toFixed(0)} ms\n`,
  );
  expect(state.because).toBeNull();
  expect.soft(longest).toBeLessThan(LONGEST_BLOCK);
  return state;
}
