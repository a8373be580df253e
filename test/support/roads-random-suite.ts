// Random addresses through a real Postfix: what it accepts is sealed for the owner of the mailbox, or waits. The operators are as
// Postfix has them by default, not as the wirings set them: those are refused too early to show anything.
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { randomAddresses } from './roads-random.ts';
import { GATEWAYS } from './roads-road.ts';
import { FORWARDING_USERS, UNSEEN_USERS } from './roads-site.ts';
import { openRoadSession } from './roads-smtp.ts';
import { type RoadsStand, type RoadsWiring, startRoadsStand } from './roads-stand.ts';
import { collectCopies, type Judged, judge } from './roads-trace.ts';

const OPERATORS = { allow_percent_hack: 'yes', swap_bangpath: 'yes', resolve_dequoted_address: 'yes' };
/** Recipients of one message. */
const TOGETHER = 50;
const PATIENCE = 180_000;
/** Another one finds other faults; the one of a failed run finds the same. */
const SEED = Number(process.env.SEALPOST_ROADS_SEED ?? 14);

/** Registers the test of one wiring. @param count addresses */
export function describeRandomRoads(wiring: RoadsWiring, count: number): void {
  describe(`random addresses through Postfix wired as ${wiring.name}`, () => {
    it(`find nothing to read in ${count} tries, seed ${SEED}`, async () => {
      const stand = await startRoadsStand({ ...wiring, mainCf: OPERATORS });
      try {
        await tryAddresses(stand, randomAddresses(SEED, count, unseenIn(wiring)));
      } finally {
        await stand.close();
      }
    });
  });
}

/** Those whose mail nobody can seal for its last reader there: a gateway seals before local(8) reads a .forward file. */
function unseenIn({ examples }: RoadsWiring): readonly string[] {
  const gateway = GATEWAYS.some((name) => examples.includes(name));
  return gateway ? [...UNSEEN_USERS, ...FORWARDING_USERS] : UNSEEN_USERS;
}

async function tryAddresses(stand: RoadsStand, addresses: readonly string[]): Promise<void> {
  const run = randomBytes(4).toString('hex');
  const accepted = await sendAll(stand, addresses, run);
  await stand.postfix.waitUntilTried(PATIENCE);
  const found = await collectCopies(stand);
  const copies = await Promise.all(found.map((copy) => judge(copy, stand.decrypts)));
  const open = copies.filter(({ state }) => state === 'open' || state === 'wrong');
  expect(examplesOf(open)).toEqual([]);
  // Had Postfix refused nearly everything, nothing would have been shown.
  expect(accepted.size).toBeGreaterThan(addresses.length / TOGETHER / 2);
  expect(copies.filter(({ state }) => state === 'sealed').length).toBeGreaterThan(addresses.length / 5);
  const seen = new Set(copies.flatMap(({ text }) => secretOf(run, text) ?? []));
  const waiting = (await stand.postfix.queue()).map(({ sender }) => Number(/-(\d+)@/.exec(sender)?.[1]));
  expect([...accepted].filter((number) => !seen.has(number) && !waiting.includes(number))).toEqual([]);
}

/** A few for each mailbox: one fault makes hundreds. */
function examplesOf(copies: readonly Judged[]): string[] {
  const places = new Map<string, Set<string>>();
  for (const { place, by, state } of copies)
    places.set(place, (places.get(place) ?? new Set()).add(`${state}: ${by}`));
  return [...places].flatMap(([place, found]) => {
    const lines = [...found].sort();
    return [`${place}: ${lines.length} in all`, ...lines.slice(0, 8)];
  });
}

function secretOf(run: string, text: string): number | undefined {
  const number = new RegExp(`secret-${run}-(\\d+)-`).exec(text)?.[1];
  return number === undefined ? undefined : Number(number);
}

/** One session; {@link TOGETHER} addresses to a message. @returns the numbers of the messages that were accepted */
async function sendAll(stand: RoadsStand, addresses: readonly string[], run: string): Promise<Set<number>> {
  const accepted = new Set<number>();
  const session = await openRoadSession(stand.doors.outsider);
  for (let at = 0; at < addresses.length; at += TOGETHER) {
    const number = at / TOGETHER;
    const { end } = await session.send({
      sender: `road-${run}-${number}@outside.test`,
      recipients: addresses.slice(at, at + TOGETHER),
      // Half of them without it: Postfix folds those as well.
      mail: number % 2 === 0 ? 'SMTPUTF8' : '',
      message: `Subject: ${number}\r\n\r\nsecret-${run}-${number}-\r\n`,
    });
    if (end.startsWith('250')) accepted.add(number);
  }
  session.close();
  return accepted;
}
