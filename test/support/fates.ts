// Letters of every fate, and what `sealpost trace` and the log must tell of each: its story by Postfix's queue ID, by its
// Message-ID and by its recipients' addresses.
import { expect } from 'vitest';
import { EVENTS } from '../../src/observe/events.ts';
import { waitUntil } from './child.ts';
import { CUT_FIELD } from './reply-cutter.ts';
import type { SealpostProcess } from './sealpost-process.ts';
import { sendRaw } from './submit.ts';

/** What a letter must come to. */
export interface Fate {
  readonly to: readonly string[];
  /**
   * For each recipient, and for the sender who gets a notification: its events in their order, separated by blanks.
   * `deferred+` stands for one and more of them.
   */
  readonly story: Readonly<Record<string, string>>;
  /** The final replies to it are lost once. */
  readonly cut?: boolean;
}

export interface Letter extends Fate {
  readonly name: string;
  /** Postfix's, of the letter as it was handed in. */
  readonly queueId: string;
  /** Without brackets. */
  readonly messageId: string;
}

/** One event as `trace --json` prints it. */
export interface Told {
  readonly event: string;
  readonly queue_id: string;
  readonly recipient: string;
  readonly because: string;
  readonly reason: string;
  readonly keys: readonly string[];
  readonly size: number;
  readonly reply: string;
}

export const FATES_SENDER = 'sender@outside.test';

/** Many of one fate. */
export const times = (count: number, fate: Fate): Fate[] => Array.from({ length: count }, () => fate);

let made = 0;

/** Hands letters to Postfix. */
export async function sendLetters(fates: readonly Fate[], port: number): Promise<Letter[]> {
  const letters: Letter[] = [];
  for (const fate of fates) {
    made += 1;
    const name = `fate-${process.pid}-${made}`;
    const messageId = `${name}@outside.test`;
    const cut = fate.cut === true ? `${CUT_FIELD}: ${name}\r\n` : '';
    const [reply = ''] = await sendRaw({
      to: { port },
      sender: FATES_SENDER,
      recipients: fate.to,
      message: Buffer.from(
        `From: <${FATES_SENDER}>\r\nTo: <${fate.to.join('>, <')}>\r\nSubject: ${name}\r\nMessage-ID: <${messageId}>\r\n${cut}\r\nThe plan of ${name}.\r\n`,
      ),
    });
    const queueId = /queued as (\S+)/.exec(reply)?.[1];
    if (queueId === undefined) throw new Error(`Postfix did not take ${name}: ${reply}`);
    letters.push({ ...fate, name, queueId, messageId });
  }
  return letters;
}

/** The lines of the log that tell of messages. */
export function eventLines(sealpost: Pick<SealpostProcess, 'log'>): readonly Told[] {
  return sealpost
    .log()
    .split('\n')
    .filter((line) => line.includes('"because":'))
    .map((line) => JSON.parse(line) as Told)
    .filter(({ event }) => Object.hasOwn(EVENTS, event));
}

/** Waits until the log tells of each letter that it has come to its end. */
export async function waitForStories(
  letters: readonly Letter[],
  sealpost: Pick<SealpostProcess, 'log'>,
  ms: number,
): Promise<void> {
  const open = (): readonly string[] => {
    const lines = eventLines(sealpost);
    return letters.flatMap((letter) => {
      const events = lines.filter(({ queue_id }) => queue_id === letter.queueId).map(({ event }) => event);
      const told = events.join(', ');
      const wanted = Object.values(letter.story).map((story) => story.split(' ').at(-1)?.replace('+', ''));
      const missing = wanted.filter((event) => {
        const at = events.indexOf(event ?? '');
        if (at === -1) return true;
        events.splice(at, 1);
        return false;
      });
      return missing.length === 0
        ? []
        : [`${letter.name} (${letter.queueId}): no ${missing.join(', ')}, only ${told}`];
    });
  };
  await waitUntil(
    'the log to tell of every letter',
    ms,
    () => open().length === 0,
    () => `${open().slice(0, 10).join('\n')}\n${sealpost.log().slice(-2000)}`,
  );
}

export interface StoryContext {
  readonly sealpost: Pick<SealpostProcess, 'cli' | 'log'>;
  /** What Postfix has logged so far. */
  readonly mailLog: () => Promise<string>;
  /** Fingerprints of each recipient's keys, by address; none: nothing is sealed for it. */
  readonly keys: Readonly<Record<string, readonly string[]>>;
  /** As which address sealpost hears of a recipient; by default the very address. */
  readonly heardAs?: Readonly<Record<string, string>>;
  /** The next hop is a Postfix, whose own log goes on with the mail. */
  readonly nextHopIsPostfix: boolean;
}

/** What `trace` tells; nothing: no event of it. */
async function trace(what: string, { sealpost }: StoryContext): Promise<readonly Told[]> {
  const done = await sealpost.cli(['trace', what, '--json', '--limit', '100000']);
  if (done.code === 1) return [];
  if (done.code !== 0) throw new Error(`trace ${what}: exit ${done.code}: ${done.stderr}`);
  return done.json as readonly Told[];
}

const ACCEPTED = new Set(['sealed', 'passed', 'returned']);

/** Checks what `trace` and the log tell of each letter. */
export async function checkStories(letters: readonly Letter[], context: StoryContext): Promise<void> {
  const byAddress = await tracedByAddress(letters, context);
  // Events reach the table within a second.
  const lines = eventLines(context.sealpost);
  const mailLog = await context.mailLog();
  const problems: string[] = [];
  for (const letter of letters) {
    const ofLetter = lines.filter(({ queue_id }) => queue_id === letter.queueId);
    const byQueueId = await trace(letter.queueId, context);
    const byMessageId = await trace(`<${letter.messageId}>`, context);
    const say = (what: string) => problems.push(`${letter.name} (${letter.queueId}): ${what}`);
    const rows = inOrder(byQueueId);
    // The log has addresses as they came.
    if (rows.length !== ofLetter.length) say(`trace tells ${rows}; the log ${inOrder(ofLetter)}`);
    if (inOrder(byMessageId).join() !== rows.join())
      say(`by its Message-ID ${inOrder(byMessageId)}, by its queue ID ${rows}`);
    for (const [address, story] of Object.entries(letter.story)) {
      const own = (byAddress.get(address) ?? []).filter(({ queue_id }) => queue_id === letter.queueId);
      problems.push(...storyProblems(letter, address, story, own, context));
      const shown = own[0]?.recipient ?? '';
      const line = ofLetter.filter(({ recipient }) => recipient?.toLowerCase() === shown);
      if (!matches(story, line)) say(`the log tells ${address}: ${line.map(({ event }) => event)}`);
      if (context.nextHopIsPostfix) problems.push(...goesOn(letter, address, own, mailLog));
    }
    const told = Object.keys(letter.story).flatMap((address) =>
      (byAddress.get(address) ?? []).filter(({ queue_id }) => queue_id === letter.queueId),
    );
    if (told.length !== byQueueId.length)
      say(`${byQueueId.length} events by its queue ID, ${told.length} by addresses`);
  }
  expect(problems.slice(0, 20)).toEqual([]);
}

const inOrder = (told: readonly Told[]): readonly string[] =>
  told.map(({ event, recipient }) => `${event} ${recipient}`).sort();

/** What each address of the letters is told of, once the table has what the log says. */
async function tracedByAddress(
  letters: readonly Letter[],
  context: StoryContext,
): Promise<ReadonlyMap<string, readonly Told[]>> {
  const addresses = [...new Set(letters.flatMap(({ story }) => Object.keys(story)))];
  const wanted = new Set(letters.map(({ queueId }) => queueId));
  const found = new Map<string, readonly Told[]>();
  await waitUntil('the table of events to have what the log says', 10_000, async () => {
    for (const address of addresses) found.set(address, await trace(address, context));
    const told = [...found.values()].flat().filter(({ queue_id }) => wanted.has(queue_id));
    const logged = eventLines(context.sealpost).filter(({ queue_id }) => wanted.has(queue_id));
    return told.length >= logged.length;
  });
  return found;
}

/** Whether events are those of a story. */
function matches(story: string, told: readonly Pick<Told, 'event'>[]): boolean {
  const words = story.split(' ');
  const pattern = words.map((word) => (word.endsWith('+') ? `(?:${word.slice(0, -1)} )+` : `${word} `));
  return new RegExp(`^${pattern.join('')}$`).test(told.map(({ event }) => `${event} `).join(''));
}

function storyProblems(
  letter: Letter,
  address: string,
  story: string,
  own: readonly Told[],
  { keys, heardAs = {} }: StoryContext,
): readonly string[] {
  const problems: string[] = [];
  const say = (what: string) => problems.push(`${letter.name} for ${address}: ${what}`);
  if (!matches(story, own)) say(`expected ${story}, found ${own.map(({ event }) => event).join(' ')}`);
  for (const { event, recipient, because, reason, keys: used, size, reply } of own) {
    const shown = recipient === (heardAs[address] ?? address) || /^[0-9a-f]{16}$/.test(recipient);
    if (!shown) say(`${event} names ${recipient}`);
    if (because === '' || reason === '') say(`${event} without a reason`);
    if (size < 100) say(`${event} of ${size} bytes`);
    if (!/^[245]\d\d /.test(reply)) say(`${event} without a reply: ${reply}`);
    const expected = event === 'sealed' || event === 'filed' ? (keys[address] ?? []) : [];
    // A spool file is sealed once more before it is known that it was filed.
    const again = event === 'duplicate' ? (keys[address] ?? []) : expected;
    if (![expected, again].some((each) => [...each].sort().join() === [...used].sort().join()))
      say(`${event} with the keys ${used}`);
  }
  return problems;
}

/** Postfix's queue ID of the mail that came back leads on in its log. */
function goesOn(letter: Letter, address: string, own: readonly Told[], mailLog: string): readonly string[] {
  return own
    .filter(({ event }) => ACCEPTED.has(event))
    .flatMap(({ event, reply }) => {
      const id = /queued as (\w+)/.exec(reply)?.[1];
      if (id === undefined) return [`${letter.name} for ${address}: ${event} names no queue ID: ${reply}`];
      const line = new RegExp(` ${id}: to=<${address.replace(/[.+]/g, '\\$&')}>.* status=sent `);
      return line.test(mailLog) ? [] : [`${letter.name} for ${address}: ${event} as ${id}, and not sent on`];
    });
}
