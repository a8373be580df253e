// Letters of every fate that a wiring has, through its real Postfix: `trace` tells each one's whole story, and the line of the
// log alone whether it was sealed.
import { expect } from 'vitest';
import {
  checkStories,
  eventLines,
  FATES_SENDER,
  type Fate,
  type Letter,
  sendLetters,
  times,
  waitForStories,
} from './fates.ts';
import { ALICE, BOB, CREW, DOMAIN, type MailSystem, ULLA } from './mail-system.ts';
import { fieldValues, looksSealed, splitMessage } from './unseal.ts';

/** Refused while there is no key: `on_missing_key=reject`. */
const RITA = `rita@${DOMAIN}`;
/** Waits while there is no key, until somebody changes that. */
const DORA = `dora@${DOMAIN}`;
/** Waits for ever. */
const EVE = `eve@${DOMAIN}`;
const CAROL = 'carol@outside.test';

/** What decides which fates a wiring has. */
export interface FatedWiring {
  readonly example: string;
  /** One answer for all recipients of a letter: where they differ, sealpost itself tells the sender, and repeats are told apart. */
  readonly answersOnce: boolean;
  /** All mail goes through sealpost, that for others too. */
  readonly everything: boolean;
}

/** The letters of a wiring: fifty, or the smallest number with every fate. */
export function fatesOf({ answersOnce, everything }: FatedWiring, fifty: boolean): readonly Fate[] {
  const many = (count: number, fate: Fate) => times(fifty ? count : 1, fate);
  return [
    ...many(15, { to: [ALICE], story: { [ALICE]: 'sealed' } }),
    ...many(10, { to: [ULLA], story: { [ULLA]: 'passed' } }),
    ...many(4, { to: [ALICE, ULLA], story: { [ALICE]: 'sealed', [ULLA]: 'passed' } }),
    ...many(3, { to: [CREW], story: { [CREW]: 'sealed' } }),
    ...many(
      3,
      everything ? { to: [CAROL], story: { [CAROL]: 'passed' } } : { to: [BOB], story: { [BOB]: 'sealed' } },
    ),
    ...many(4, { to: [RITA], story: { [RITA]: 'refused' } }),
    ...many(
      4,
      answersOnce
        ? { to: [ULLA, RITA], story: { [ULLA]: 'passed', [RITA]: 'refused', [FATES_SENDER]: 'returned' } }
        : { to: [ULLA, RITA], story: { [ULLA]: 'passed', [RITA]: 'refused' } },
    ),
    ...many(3, { to: [DORA], story: { [DORA]: 'deferred+ passed' } }),
    ...many(
      3,
      answersOnce
        ? { to: [ALICE, DORA], story: { [ALICE]: 'sealed duplicate+', [DORA]: 'deferred+ passed' } }
        : { to: [ALICE], cut: true, story: { [ALICE]: 'sealed duplicate' } },
    ),
    ...many(1, { to: [EVE], story: { [EVE]: 'deferred+' } }),
  ];
}

/** Milliseconds for the letters to come to their ends. */
const PATIENCE = 120_000;

/** Sends the letters, lets those wait that have to, and checks what is told of them. */
export async function runFates(system: MailSystem, wiring: FatedWiring, fifty: boolean): Promise<number> {
  const { sealpost, postfix, keys } = system;
  const { must } = sealpost;
  for (const [user, policy] of [
    [RITA, 'reject'],
    [DORA, 'defer'],
    [EVE, 'defer'],
  ] as const) {
    await must(['user', 'add', user]);
    await must(['user', 'set', user, `on_missing_key=${policy}`]);
  }
  const letters = await sendLetters(fatesOf(wiring, fifty), postfix.submitPort);
  await waitForStories(untilDeferred(letters), sealpost, PATIENCE);
  await must(['user', 'set', DORA, 'on_missing_key=pass']);
  // Where Postfix tries again only when it is told to.
  const flushing = setInterval(() => void postfix.flush().catch(() => undefined), 2000);
  try {
    await waitForStories(letters, sealpost, PATIENCE);
  } finally {
    clearInterval(flushing);
  }
  await postfix.discardQueue();
  await postfix.waitForEmptyQueue(PATIENCE);
  const fingerprint = (address: string): string[] => [keys.get(address)?.fingerprint ?? ''];
  await checkStories(letters, {
    sealpost,
    mailLog: postfix.log,
    nextHopIsPostfix: wiring.example !== 'delivery-lmtp',
    keys: {
      [ALICE]: fingerprint(ALICE),
      [BOB]: fingerprint(BOB),
      [CREW]: [...fingerprint(ALICE), ...fingerprint(BOB)],
    },
  });
  checkArrivals(letters, system);
  return letters.length;
}

/** The same letters, of those that wait only that they do. */
function untilDeferred(letters: readonly Letter[]): Letter[] {
  return letters.map((letter) => ({
    ...letter,
    story: Object.fromEntries(
      Object.entries(letter.story).map(([address, story]) => [
        address,
        story.startsWith('deferred+') ? 'deferred+' : story.replace(' duplicate+', ''),
      ]),
    ),
  }));
}

/** Each line that says sealed is of a sealed copy in a mailbox, each that says passed of a readable one, and nothing came twice. */
function checkArrivals(letters: readonly Letter[], { mailboxes, sealpost }: MailSystem): void {
  const arrived = mailboxes.deliveries().map(({ recipient, message }) => {
    const [subject = ''] = fieldValues(splitMessage(message).fields, 'Subject');
    return { recipient, subject, event: looksSealed(message) ? 'sealed' : 'passed' };
  });
  const lines = eventLines(sealpost);
  for (const { name, queueId, story } of letters) {
    const said = lines
      .filter(({ queue_id, event }) => queue_id === queueId && /^(?:sealed|passed)$/.test(event))
      .map(({ event }) => event);
    const came = arrived.filter(({ subject }) => subject === name);
    expect(came.map(({ event }) => event).sort(), `${name}: what arrived, and what the log says`).toEqual(
      [...said].sort(),
    );
    for (const { recipient, event } of came)
      expect(story[recipient] ?? '', `${name}, which arrived ${event} at ${recipient}`).toContain(event);
  }
}
