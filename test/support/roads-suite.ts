// Every road, through a real Postfix wired by an example's very files: what was accepted is found in the mailbox, and is sealed
// there; or it was refused, or waits. One table of roads, one file for each wiring.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { metricOf } from './metric-of.ts';
import { ADDRESS_ROADS } from './roads-addresses.ts';
import { CHANGED_ROADS } from './roads-changes.ts';
import { GATEWAYS, type Mark, type Road, type WiringName } from './roads-road.ts';
import { LOCAL_USERS } from './roads-site.ts';
import type { Answers } from './roads-smtp.ts';
import { type RoadsStand, type RoadsWiring, readmesOf, startRoadsStand } from './roads-stand.ts';
import { collectCopies, type Judged, judge } from './roads-trace.ts';

/** Milliseconds for everything to be tried once. */
const PATIENCE = 120_000;

/** What became of one road's message. */
interface Fate {
  readonly answers: readonly Answers[];
  readonly copies: readonly Judged[];
  readonly waiting: boolean;
}

/** Registers the tests of one wiring. @param to which mailboxes it is for */
export function describeRoads(
  wiring: RoadsWiring & { readonly name: WiringName },
  to: readonly Road['to'][] = ['virtual', 'local'],
): void {
  const roads = [...ADDRESS_ROADS, ...CHANGED_ROADS].filter((road) => to.includes(road.to));
  describe(`roads to a mailbox through Postfix wired as ${wiring.name}`, () => {
    let stand: RoadsStand;
    let readme: string;
    let travelled: Travelled;
    beforeAll(async () => {
      stand = await startRoadsStand(wiring);
      readme = await readmesOf(wiring);
      travelled = await travel(stand, roads, to);
    });
    afterAll(() => stand?.close());

    it('are sixty at least where mailboxes of both kinds are served', () => {
      if (to.length === 2) expect(roads.length).toBeGreaterThanOrEqual(60);
      expect(new Set(roads.map(({ name }) => name)).size).toBe(roads.length);
    });

    it.each(roads.map((road) => [road.name, road] as const))('%s', (_name, road) => {
      const fate = travelled.fates.get(road);
      if (fate === undefined) throw new Error('it was not travelled');
      const unseen = road.unseen?.in.includes(wiring.name) ? road.unseen : undefined;
      if (unseen === undefined) {
        expect(openEnds(fate), 'copies that somebody else can read').toEqual([]);
        expect(strayOf(road, fate), 'where it has ended').toBeNull();
        if (road.nowhere?.in.includes(wiring.name)) {
          expect(readme, 'the README of the wiring').toContain(road.nowhere.words);
          expect(fate.copies.filter(({ place }) => place !== 'outside').map(describeCopy)).toEqual([]);
        } else
          for (const reader of road.reaches ?? [])
            expect(fate.copies.map(({ place, state }) => `${place}: ${state}`)).toContain(
              `${reader}: sealed`,
            );
      } else {
        expect(readme, 'the README of the wiring').toContain(unseen.words);
        expect(openEnds(fate), 'README calls this road open').not.toEqual([]);
        if (unseen.told && GATEWAYS.includes(wiring.name))
          expect(openIn(fate).some(isIn(travelled.told)), 'sealpost warns of a copy that is open').toBe(true);
      }
    });

    it('count what sealpost warns of', async () => {
      const counted = await metricOf(stand.places.observePort, 'sealpost_plaintext_unknown_address_total');
      expect(counted).toBe(travelled.told.length);
      if (GATEWAYS.includes(wiring.name) && to.includes('local')) expect(counted).toBeGreaterThan(0);
    });

    it('leave no message in a mailbox that no road explains, and no unsealed one among them', () => {
      expect(travelled.unexplained.map(describeCopy)).toEqual([]);
    });
  });
}

interface Travelled {
  readonly fates: ReadonlyMap<Road, Fate>;
  readonly unexplained: readonly Judged[];
  /** Postfix's queue IDs of the messages that sealpost warned of, one for each copy. */
  readonly told: readonly string[];
}

/** Sends everything, waits until Postfix has tried everything, and looks into every mailbox. */
async function travel(
  stand: RoadsStand,
  roads: readonly Road[],
  to: readonly Road['to'][],
): Promise<Travelled> {
  const run = randomBytes(4).toString('hex');
  const answers: (readonly Answers[])[] = [];
  for (const [number, road] of roads.entries()) answers.push(await road.send(stand, markOf(run, number)));
  await stand.postfix.waitUntilTried(PATIENCE);
  // Mailboxes that the wiring is not for: its README says so.
  const served = (await collectCopies(stand)).filter(
    ({ place }) => to.includes('local') || !LOCAL_USERS.includes(place),
  );
  const judged = await Promise.all(served.map((copy) => judge(copy, stand.decrypts)));
  const secret = new RegExp(`secret-${run}-(\\d+)-`);
  const numberOf = (copy: Judged) =>
    Number(secret.exec(copy.text)?.[1] ?? new RegExp(`road-${run}-(\\d+)@`).exec(copy.text)?.[1] ?? -1);
  const waiting = new Set(
    (await stand.postfix.queue()).map(({ sender }) => Number(/^road-\w+-(\d+)@/.exec(sender)?.[1] ?? -1)),
  );
  const fates = new Map(
    roads.map((road, number) => [
      road,
      {
        answers: answers[number] ?? [],
        copies: judged.filter((copy) => numberOf(copy) === number),
        waiting: waiting.has(number),
      },
    ]),
  );
  const unexplained = judged.filter((copy) => numberOf(copy) === -1 && copy.state === 'open');
  return { fates, unexplained, told: warnedOf(stand.sealpost.log()) };
}

function warnedOf(log: string): string[] {
  return log.split('\n').flatMap((line) => {
    if (!line.includes('"passed_unknown"')) return [];
    const { queue_id }: { queue_id?: string } = JSON.parse(line);
    return queue_id ?? 'without a queue ID';
  });
}

/** Whether a copy has been one of these messages: by its Received fields, or those that a report quotes. */
const isIn =
  (queueIds: readonly string[]) =>
  ({ text }: Judged): boolean =>
    queueIds.some((id) => new RegExp(`\\b(?:id|Queue-ID:) ${id}\\b`).test(text));

function markOf(run: string, number: number): Mark {
  const sender = `road-${run}-${number}@outside.test`;
  return {
    sender,
    message: [
      `From: <${sender}>`,
      'To: undisclosed-recipients:;',
      `Subject: road ${number}`,
      `X-Road: ${number}`,
      `Message-ID: <${number}.${run}@outside.test>`,
      '',
      `The secret is secret-${run}-${number}-${randomBytes(6).toString('hex')}.`,
      '',
    ].join('\r\n'),
  };
}

/** Copies in plaintext, or that their owner cannot open, each in a line. */
function openEnds(fate: Fate): string[] {
  return openIn(fate).map(describeCopy);
}

function openIn({ copies }: Fate): readonly Judged[] {
  return copies.filter(({ state }) => state === 'open' || state === 'wrong');
}

function describeCopy({ place, by, state, text }: Judged): string {
  return `${place} (${by}): ${state}${state === 'wrong' ? ` ${text.slice(0, 100)}` : ''}`;
}

/** Why the road's end is not one that may be; null when it is. */
function strayOf(road: Road, { answers, copies, waiting }: Fate): string | null {
  const refused =
    answers.length > 0 &&
    answers.every(({ recipients }) => recipients.every((reply) => !reply.startsWith('25')));
  if (road.ends === 'refused') return refused ? null : 'accepted';
  if (road.ends === 'textless') return copies.length === 0 ? null : `${copies.length} copies with its text`;
  if (refused || waiting || copies.length > 0) return null;
  return `lost: accepted (${answers.map(({ end }) => end).join(' | ')}), and found nowhere`;
}
