// What test/e2e/enrolment-time.test.ts does a few times, ten thousand times: enrolments in a row leave nothing behind.
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { leaveNothingBehind } from '../../support/enrol-suite.ts';
import { openPortalStand, type PortalStand } from '../../support/portal-stand.ts';

const COUNT = 10_000;
const OVER_HTTP = 300;

const before = process.env.TMPDIR;
/** Of this process alone: what it leaves for temporary files shows. */
const folder = mkdtempSync(join(tmpdir(), 'sp-many-'));
let stand: PortalStand;

beforeAll(async () => {
  const own = join(folder, 'tmp');
  mkdirSync(own);
  // The database's account must get through.
  for (const each of [folder, own]) chmodSync(each, 0o755);
  process.env.TMPDIR = own;
  stand = await openPortalStand();
});
afterAll(async () => {
  await stand?.close();
  if (before === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = before;
  rmSync(folder, { recursive: true, force: true });
});

it(`${COUNT} enrolments leave no row, file, descriptor or listener behind`, async () => {
  await leaveNothingBehind(stand, {
    warmUp: 200,
    count: COUNT,
    overHttp: OVER_HTTP,
    together: 200,
    lookEvery: 500,
  });
  expect(readdirSync(join(folder, 'tmp'))).toEqual([basename(stand.enrolment.trial.folder)]);
});
