// A database that answers and takes no rows: the filter defers all mail, /readyz is red and /status says why; green again when
// rows are taken, though nothing of what was refused waits to be written any more.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { registerDomain } from '../../src/cli/domain.ts';
import { loadConfig } from '../../src/config/load.ts';
import { type Engine, openEngine } from '../../src/delivery/engine.ts';
import { createFateCounts } from '../../src/observe/fates.ts';
import { createRates } from '../../src/observe/rates.ts';
import { filterPart } from '../../src/serve/parts/filter.ts';
import type { FollowingPart } from '../../src/serve/parts/part.ts';
import { describeRunning, readiness } from '../../src/serve/running.ts';
import { waitUntil } from '../support/child.ts';
import { freePorts } from '../support/places.ts';
import { listedHop, mail, openTrial, silent, type Trial } from '../support/trial.ts';

let trial: Trial;
let engine: Engine;
let filter: FollowingPart;
const hop = listedHop();
const { logger, metrics } = silent();

beforeAll(async () => {
  const [port] = await freePorts(1);
  trial = await openTrial(
    [registerDomain],
    `[[filter.listen]]\nname = "lmtp"\nprotocol = "lmtp"\naddress = "127.0.0.1:${port}"\n`,
  );
  const { config } = loadConfig({ path: `${trial.folder}/sealpost.toml` });
  engine = await openEngine({ config, logger, metrics, workers: 0, nextHop: hop });
  filter = await filterPart.start({
    config,
    engine,
    logger,
    metrics,
    passed: new Map(),
    current: () => config,
    observed: {
      metrics,
      health: async () => ({ ready: true, reasons: [] }),
      status: async () => ({}),
    },
  });
});

afterAll(async () => {
  await filter?.close(0);
  await engine?.close();
  await trial?.close();
});

const parts = () => ({ wanted: [filterPart], open: new Map([[filterPart, filter]]) }) as never;
const health = () => readiness({ engine, parts: parts() });
const complaints = async (): Promise<unknown> => {
  const running = { engine, rates: createRates(metrics), fates: createFateCounts(metrics), parts: parts() };
  const status = await describeRunning(running, {
    config: trial.config,
    path: null,
    started: 0,
    absent: [],
  });
  return status.complaints;
};
const REASON = /^mail is deferred: the database takes no acceptances: .*No space left/;

async function codeOf(recipient: string): Promise<number | undefined> {
  const { outcomes } = await engine.deliverer.deliver(mail('Subject: x\r\n\r\nHello\r\n', recipient));
  return outcomes[0]?.reply.code;
}

it('is a complaint of the filter for as long as it takes no rows', async () => {
  const { pool } = trial.database;
  expect(await health()).toEqual({ ready: true, reasons: [] });
  expect(await complaints()).toBeUndefined();
  await pool.query(`CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$`);
  await pool.query(
    'CREATE TRIGGER no_room BEFORE INSERT ON deliveries FOR EACH ROW EXECUTE FUNCTION no_room()',
  );
  await engine.memory.remember('aa'.repeat(32), 'bb'.repeat(32), 'Ok').catch(() => undefined);
  expect(await health()).toEqual({ ready: false, reasons: [expect.stringMatching(REASON)] });
  expect(await complaints()).toEqual([expect.stringMatching(REASON)]);
  const sent = hop.sent.length;
  expect(await codeOf('carol@outside.example')).toBe(451);
  expect(hop.sent).toHaveLength(sent);

  // What was refused is asked for no more: nothing of it will be written.
  engine.memory.forget('aa'.repeat(32), ['bb'.repeat(32)]);
  await new Promise((resolve) => setTimeout(resolve, 2500));
  expect((await health()).ready).toBe(false);
  await pool.query('DROP TRIGGER no_room ON deliveries');
  await waitUntil('the filter to be well', 10_000, async () => (await health()).ready);
  expect(await complaints()).toBeUndefined();
  expect(await codeOf('carol@outside.example')).toBe(250);
  await waitUntil('no row to be left', 5000, async () => {
    const { rows } = await pool.query("SELECT count(*)::int AS left FROM deliveries WHERE reply = ''");
    return rows[0].left === 0;
  });
});
