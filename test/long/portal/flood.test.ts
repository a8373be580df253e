// Ten thousand requests at the portal's own socket, and how long answers take for names that somebody has and for names that nobody
// has. Prints what it measured.
import { Agent, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeSecret } from '../../../src/enrolment/secrets.ts';
import { requestSignIn } from '../../../src/enrolment/sign-in.ts';
import { forgetEnded } from '../../../src/enrolment/timers.ts';
import { mapLimited } from '../../../src/pacing/map-limited.ts';
import { type Difference, differenceOf, inWords, tellsNothing } from '../../support/paired-times.ts';
import { openPortalStand, PORTAL_HOST, type PortalStand } from '../../support/portal-stand.ts';

let stand: PortalStand;
let port = 0;
const agent = new Agent({ keepAlive: true, maxSockets: 50 });

beforeAll(async () => {
  stand = await openPortalStand();
  await stand.server.listen({ host: '127.0.0.1', port: 0 });
  ({ port } = stand.server.server.address() as AddressInfo);
  await stand.enrolment.user('ulla');
});
afterAll(async () => {
  agent.destroy();
  await stand?.close();
});

/** The heap in MB, after everything that nobody needs has gone. */
function heap(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed / 2 ** 20;
}

/** One request of a client; gives its status. */
function ask(path: string, client: string): Promise<number> {
  const headers = {
    host: PORTAL_HOST,
    'x-forwarded-for': client,
    cookie: `__Host-sealpost-session=${makeSecret().secret}`,
  };
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, headers, agent }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
    });
    asked.once('error', reject);
    asked.end();
  });
}

const PATHS = ['/', '/nothing', '/key', '/confirm/TOKEN', '/sign-in/TOKEN', '/?lang=de'];

async function flood(
  requests: number,
  clientOf: (index: number) => string,
): Promise<ReadonlyMap<number, number>> {
  const codes = new Map<number, number>();
  await mapLimited(
    Array.from({ length: requests }, (_, index) => index),
    50,
    async (index) => {
      const path = (PATHS[index % PATHS.length] ?? '/').replace('TOKEN', makeSecret().secret);
      const code = await ask(path, clientOf(index));
      codes.set(code, (codes.get(code) ?? 0) + 1);
    },
  );
  return codes;
}

async function rows(): Promise<number> {
  const { rows: found } = await stand.enrolment.engine.database.pool.query<{ count: number }>(
    `SELECT ((SELECT count(*) FROM enrolment_tokens) + (SELECT count(*) FROM enrolment_limits)
      + (SELECT count(*) FROM portal_sessions) + (SELECT count(*) FROM enrolment_letters))::int AS count`,
  );
  return found[0]?.count ?? -1;
}

it('of 10,000 requests and their connections leaves limits, memory and tables as they were', async () => {
  const before = await rows();
  const manyClients = (index: number) => `192.0.2.${index % 200}`;
  await flood(2000, manyClients);
  const first = heap();
  // Another one than those: what it has used up is not theirs.
  const began = performance.now();
  const one = await flood(2000, () => '198.51.100.7');
  const seconds = (performance.now() - began) / 1000;
  const many = await flood(6000, manyClients);
  const last = heap();
  console.log('one client:', Object.fromEntries(one), '200 clients:', Object.fromEntries(many));
  console.log(`heap after 2,000 requests ${first.toFixed(1)} MB, after 10,000 ${last.toFixed(1)} MB`);
  expect([...one.keys(), ...many.keys()].filter((code) => code >= 500)).toEqual([]);
  // Its minute may end on the way; what the machine is slow at takes longer than one.
  expect(one.get(429) ?? 0).toBeGreaterThanOrEqual(2000 - 300 * (1 + Math.ceil(seconds / 60)));
  expect(one.get(429) ?? 0).toBeGreaterThan(0);
  expect(many.get(429) ?? 0).toBe(0);
  expect(last - first).toBeLessThan(8);
  await forgetEnded(stand.enrolment.context);
  expect(await rows()).toBe(before);
});

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

it('of names that nobody has and of names that somebody has, answers take as long', async () => {
  const { context, round, pass } = stand.enrolment;
  const times = { known: [] as number[], unknown: [] as number[] };
  const pages = { known: [] as number[], unknown: [] as number[] };
  for (let sample = 0; sample < 200; sample += 1) {
    for (const kind of sample % 2 === 0 ? (['known', 'unknown'] as const) : (['unknown', 'known'] as const)) {
      const address = `${kind === 'known' ? 'ulla' : 'nobody'}@example.org`;
      const client = `198.51.${sample % 250}.${kind === 'known' ? 1 : 2}`;
      const start = performance.now();
      await requestSignIn(context, { address, client, language: 'en', clear: true });
      times[kind].push(performance.now() - start);
      if (sample % 5 !== 0) continue;
      const browser = stand.browser(client);
      await browser.get('/');
      const sent = performance.now();
      expect((await browser.post('/sign-in/letter', { address })).statusCode).toBe(200);
      pages[kind].push(performance.now() - sent);
    }
    if (sample % 10 === 9) {
      await round();
      pass(3_600_001);
    }
  }
  for (const [name, { known, unknown }] of [
    ['the work', times],
    ['the page', pages],
  ] as const)
    console.log(
      `${name}: known ${median(known).toFixed(2)} ms, unknown ${median(unknown).toFixed(2)} ms; apart ${inWords(differenceOf(known, unknown))}`,
    );
  expect(Math.min(...pages.known, ...pages.unknown)).toBeGreaterThanOrEqual(299);
  // A machine that is busy for a while is busy for both: the order changes with each sample.
  expect(differenceOf(pages.known, pages.unknown)).toSatisfy((each: Difference) => tellsNothing(each, 20));
});
