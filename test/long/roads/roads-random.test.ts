// Ten thousand random addresses through a real Postfix: what it accepts is sealed for the owner of the mailbox, or waits. The
// operators are as Postfix has them by default, not as the wirings set them: those are refused too early to show anything.
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { randomAddresses } from '../../support/roads-random.ts';
import { openRoadSession } from '../../support/roads-smtp.ts';
import { type RoadsStand, type RoadsWiring, startRoadsStand } from '../../support/roads-stand.ts';
import { collectCopies, type Judged, judge } from '../../support/roads-trace.ts';

const OPERATORS = { allow_percent_hack: 'yes', swap_bangpath: 'yes', resolve_dequoted_address: 'yes' };
const WIRINGS: readonly RoadsWiring[] = [
  {
    name: 'delivery-virtual and delivery-local',
    examples: ['delivery-virtual', 'delivery-local'],
    mainCf: OPERATORS,
  },
  { name: 'delivery-lmtp', examples: ['delivery-lmtp'], mainCf: OPERATORS },
  { name: 'after-queue-lmtp', examples: ['after-queue-lmtp'], mainCf: OPERATORS },
];
const EACH = 3400;
/** Recipients of one message. */
const TOGETHER = 50;
const PATIENCE = 180_000;
/** Another one finds other faults; the one of a failed run finds the same. */
const SEED = Number(process.env.SEALPOST_ROADS_SEED ?? 14);

describe.each(WIRINGS)('random addresses through Postfix wired as $name', (wiring) => {
  it(`find nothing to read in ${EACH} tries, seed ${SEED}`, async () => {
    const stand = await startRoadsStand(wiring);
    try {
      const addresses = randomAddresses(SEED, EACH);
      const run = randomBytes(4).toString('hex');
      const accepted = await sendAll(stand, addresses, run);
      await stand.postfix.waitUntilTried(PATIENCE);
      const copies = await Promise.all(
        (await collectCopies(stand)).map((copy) => judge(copy, stand.decrypts)),
      );
      const open = copies.filter(({ state }) => state === 'open' || state === 'wrong');
      expect(examplesOf(open)).toEqual([]);
      // Had Postfix refused nearly everything, nothing would have been shown.
      expect(accepted.size).toBeGreaterThan(EACH / TOGETHER / 2);
      expect(copies.filter(({ state }) => state === 'sealed').length).toBeGreaterThan(EACH / 5);
      const seen = new Set(copies.flatMap(({ text }) => secretOf(run, text) ?? []));
      const waiting = (await stand.postfix.queue()).map(({ sender }) => Number(/-(\d+)@/.exec(sender)?.[1]));
      expect([...accepted].filter((number) => !seen.has(number) && !waiting.includes(number))).toEqual([]);
    } finally {
      await stand.close();
    }
  });
});

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
