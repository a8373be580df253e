// Whether the time of an answer tells if somebody has an address here: signing in by letter, with an address of ours, one that nobody
// has, and one of another domain, in turn, over real sockets. Prints the medians, and how far apart those are
// who asked side by side.
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { requestSignIn } from '../../../src/enrolment/sign-in.ts';
import { newKey, upload } from '../../support/enrolment-stand.ts';
import { differenceOf, inWords, tellsNothing } from '../../support/paired-times.ts';
import { plainBrowser } from '../../support/portal-browser.ts';
import { openPortalStand, PORTAL_HOST, type PortalStand } from '../../support/portal-stand.ts';
import { socketBrowser } from '../../support/socket-browser.ts';
import { progressOf } from '../progress.ts';

const EACH = 500;
/** A median of more tells something, unless this machine does as much by chance. Milliseconds. */
const MOST_MS = 1;
/** So many users, that no limit for an address is met: the clock is moved when all had their turn. */
const USERS = 10;
const HOUR = 3_600_000;
/** So many people ask at the same time, each of them in turn. */
const LANES = 5;
const KINDS = ['known', 'known with a key', 'unknown', 'another domain'] as const;
type Kind = (typeof KINDS)[number];

let stand: PortalStand;
let port: number;

beforeAll(async () => {
  stand = await openPortalStand();
  await stand.server.listen({ host: '127.0.0.1', port: 0 });
  ({ port } = stand.server.server.address() as AddressInfo);
  const { trial, user } = stand.enrolment;
  const file = trial.file('key.asc', upload(await newKey('keyed')));
  for (let index = 0; index < USERS; index += 1) {
    await user(`known${index}`);
    await user(`keyed${index}`);
    await trial.json('key', 'import', file, '--for', `keyed${index}@example.org`, '--yes');
  }
  await stand.enrolment.round();
});
afterAll(async () => {
  await stand?.close();
});

function addressOf(kind: Kind, index: number): string {
  switch (kind) {
    case 'known':
      return `known${index}@example.org`;
    case 'known with a key':
      return `keyed${index}@example.org`;
    case 'unknown':
      return `nobdy${index}@example.org`;
    case 'another domain':
      return `known${index}@example.net`;
  }
}

/** Asks in turn, and gives the times in milliseconds. */
async function measure(
  what: string,
  ask: (address: string, client: string) => Promise<unknown>,
): Promise<ReadonlyMap<Kind, readonly number[]>> {
  const times = new Map<Kind, number[]>(KINDS.map((kind) => [kind, []]));
  const progress = progressOf(what, EACH, 'of each kind');
  const oneTurn = async (turn: number): Promise<void> => {
    // Each kind is the first one as often as the others are.
    const order = [...KINDS.slice(turn % KINDS.length), ...KINDS.slice(0, turn % KINDS.length)];
    for (const kind of order) {
      const address = addressOf(kind, turn % USERS);
      const began = performance.now();
      await ask(address, clientOf(turn));
      const took = times.get(kind);
      // At its turn's place: lanes overtake each other.
      if (took !== undefined) took[turn] = performance.now() - began;
    }
  };
  for (let turn = 0; turn < EACH; turn += LANES) {
    await Promise.all(Array.from({ length: LANES }, (_, lane) => oneTurn(turn + lane)));
    if (turn % (USERS * LANES) === 0) {
      stand.enrolment.pass(HOUR);
      await stand.enrolment.round();
      stand.enrolment.hop.sent.length = 0;
    }
    progress(turn);
  }
  return times;
}

function clientOf(turn: number): string {
  return `10.0.${turn >> 8}.${turn & 255}`;
}

function medianOf(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN;
}

/** Prints the medians, and gives the kinds whose answers take another time than those for who is unknown. */
function report(what: string, times: ReadonlyMap<Kind, readonly number[]>): readonly string[] {
  const words = [...times].map(([kind, each]) => `${kind} ${medianOf(each).toFixed(2)} ms`);
  process.stdout.write(`${what}: medians of ${EACH}: ${words.join(', ')}\n`);
  const unknown = times.get('unknown') ?? [];
  return [...times].flatMap(([kind, each]) => {
    if (kind === 'unknown') return [];
    const difference = differenceOf(each, unknown);
    const said = `${kind}: ${inWords(difference)} longer than unknown`;
    process.stdout.write(`${what}: ${said}\n`);
    return tellsNothing(difference, MOST_MS) ? [] : [said];
  });
}

it('the page answers all of them after the same time', async () => {
  const browsers = new Map<string, ReturnType<typeof plainBrowser>>();
  const ask = async (address: string, client: string): Promise<void> => {
    const browser = browsers.get(client);
    if (browser === undefined) throw new Error('the page of the form was not got');
    const { statusCode } = await browser.post('/sign-in/letter', { address });
    expect(statusCode).toBe(200);
  };
  // The page with the form is no part of what is measured.
  for (let turn = 0; turn < EACH; turn += 1) {
    const client = clientOf(turn);
    const browser = plainBrowser(socketBrowser(port, client), PORTAL_HOST);
    await browser.get('/');
    browsers.set(client, browser);
  }
  expect(report('signing in by letter', await measure('the page', ask))).toEqual([]);
});

it('and what is behind the page shows what its least time hides', async () => {
  const ask = (address: string, client: string) =>
    requestSignIn(stand.enrolment.context, { address, client, language: 'en', clear: false });
  const times = await measure('behind the page', ask);
  // What differs here is printed: it is no promise. But nothing was left out.
  report('without the least time', times);
  expect([...times.values()].map((each) => each.filter((took) => took > 0).length)).toEqual(
    KINDS.map(() => EACH),
  );
});
