// The end-to-end tests that every wiring has to pass: one table of tests, four files that name their wiring.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { waitUntil } from './child.ts';
import { withFile } from './key-letters.ts';
import { makeKey, openpgpDecrypt } from './keys.ts';
import { checkRun, expectedArrivals, type Group, mixedRun, sendRun } from './mail-run.ts';
import { ALICE, DOMAIN, type MailSystem, SENDER, startMailSystem, ULLA, type Wiring } from './mail-system.ts';
import type { SinkBehaviour } from './sink.ts';
import { sendRaw } from './submit.ts';
import { armoredPart, unsealAndCompare } from './unseal.ts';

/** How many messages the tests of a wiring send at once. */
export interface BurstSizes {
  /** Through a healthy system, and through one whose sealpost stops or is killed on the way. */
  readonly burst: number;
  /** Before a next hop in trouble. */
  readonly fault: number;
}

/** What `npm test` sends; `npm run test:long -- wirings` sends more. */
const SMALL: BurstSizes = { burst: 50, fault: 10 };
/** Where the links of our own letters lead. */
const PORTAL = 'https://keys.seal.test';
/** Milliseconds for a burst to leave Postfix's queue. */
const PATIENCE = 150_000;
/** Postfix's own limit, small, so that a message just below it is quickly sealed. */
const SIZE_LIMIT = 1_000_000;

/**
 * Postfix tries again when the test says so. With waits of a second, all its processes tried again and again while sealpost was
 * down, and a sealpost that started beside them took a minute.
 */
const ON_DEMAND = { queue_run_delay: '300s', minimal_backoff_time: '300s', maximal_backoff_time: '300s' };

/** Registers the tests of one wiring. @param more registers further ones over the first system of it */
export function describeWiring(
  wiring: Wiring,
  { burst, fault }: BurstSizes = SMALL,
  more: (system: () => MailSystem) => void = () => undefined,
): void {
  describe(`mail through Postfix wired as postfix-examples/${wiring.example}`, () => {
    let system: MailSystem;
    beforeAll(async () => {
      system = await startMailSystem(wiring, {
        config: { portal: { url: PORTAL } },
        mainCf: { ...ON_DEMAND, message_size_limit: String(SIZE_LIMIT) },
      });
    });
    afterAll(() => system?.close());
    afterEach(() => cleanAfterTest(system));

    it(`${burst} messages to keyed, unkeyed, aliased and unknown users arrive exactly once, sealed where they must be`, async () => {
      const groups = mixedRun('whole', burst);
      await sendRun(groups, system.postfix.submitPort);
      await system.postfix.empty(PATIENCE);
      await checkRun(groups, system.mailboxes.deliveries(), system);
    });

    more(() => system);

    it("a message just below Postfix's message_size_limit arrives, though sealing makes it larger than that", async () => {
      const line = `${'0123456789abcdef'.repeat(4)}\r\n`;
      await arrivesSealed(system, Buffer.from(line.repeat(Math.floor((SIZE_LIMIT - 5000) / line.length))));
    });

    it('lines of 3,000 bytes, NUL, Latin-1 and lines of dots come out of the sealed message as they went in', async () => {
      const body = `${'L'.repeat(3000)}\r\nNUL \0 here\r\nGr\u00fc\u00dfe\r\n.\r\n..\r\n...\r\n\r\n\r\n`;
      await arrivesSealed(system, Buffer.from(body, 'latin1'));
    });

    it('a letter to the key address goes to nobody, and whose key it brings gets a letter that this key alone opens', async () => {
      const key = await makeKey(system.gpg, ULLA);
      const message = withFile(ULLA, key.publicKey);
      const to = { port: system.postfix.submitPort };
      await sendRaw({ to, sender: ULLA, recipients: [`keys@${DOMAIN}`], message });
      await system.postfix.empty(PATIENCE);
      await system.mailboxes.waitForDeliveries(1, PATIENCE);
      const [answer, ...more] = system.mailboxes.deliveries();
      expect(more, 'further deliveries').toHaveLength(0);
      expect(answer).toMatchObject({ recipient: ULLA, sender: '' });
      const sealed = answer?.message ?? Buffer.alloc(0);
      expect(sealed.includes(PORTAL)).toBe(false);
      expect((await openpgpDecrypt(key)(armoredPart(sealed))).includes(`${PORTAL}/`)).toBe(true);
    });

    it('sealpost stopped in the middle of a burst and started again: nothing lost, nothing twice', async () => {
      const groups = await interrupted('sigterm', burst, system, async () => {
        expect(await system.sealpost.stop(), 'exit code after SIGTERM').toBe(0);
      });
      await checkRun(groups, system.mailboxes.deliveries(), system);
    });

    it('sealpost killed in the middle of a burst and started again: nothing lost, nothing twice that was remembered', async () => {
      let killedAt = 0;
      const groups = await interrupted('sigkill', burst, system, async () => {
        killedAt = Date.now();
        await system.sealpost.kill9();
      });
      await checkRun(groups, system.mailboxes.deliveries(), system, { killedAt });
    });
  });

  describe(`next hop in trouble behind postfix-examples/${wiring.example}`, () => {
    let system: MailSystem;
    beforeAll(async () => {
      system = await startMailSystem(wiring, { sinkAsNextHop: true, mainCf: ON_DEMAND });
    });
    afterAll(() => system?.close());
    afterEach(() => cleanAfterTest(system));

    it('down for a while: nothing lost, nothing twice', async () => {
      const groups = mixedRun('down', fault);
      await nextHopOf(system).down();
      await sendRun(groups, system.postfix.submitPort);
      await everyMessageDeferred(system, fault);
      await queueHolds(system, fault);
      await nextHopOf(system).up();
      await system.postfix.empty(PATIENCE);
      await checkRun(groups, nextHopOf(system).deliveries(), system);
    });

    for (const [trouble, behaviour] of TROUBLES) {
      it(`${trouble}: nothing lost, nothing twice`, async () => {
        const groups = mixedRun(trouble.replace(/\W+/g, '-'), fault);
        nextHopOf(system).behave(behaviour, Math.min(fault, 15));
        await sendRun(groups, system.postfix.submitPort);
        await system.postfix.empty(PATIENCE);
        await checkRun(groups, nextHopOf(system).deliveries(), system);
      });
    }
  });
}

/** What the next hop does for a while; the mail must arrive all the same. */
const TROUBLES: readonly (readonly [string, SinkBehaviour])[] = [
  ['greeting with 421', { greeting: '421 4.3.2 come back later' }],
  ['refusing MAIL for now', { mail: '452 4.3.1 no space' }],
  ['refusing recipients for now', { recipient: () => '450 4.2.0 mailbox busy' }],
  ['refusing DATA for now', { data: '451 4.3.0 not now' }],
  ['refusing the message for now', { final: () => '451 4.3.0 not now' }],
  ['slow', { delay: 700 }],
  ['dying in DATA', { dieInData: 1000 }],
  ['dying before its final reply', { die: 'before-reply' }],
  ['dying right after its final reply', { die: 'after-reply' }],
];

/** Waits until at least so many messages are queued; one that just moves between two queues may be missed. */
async function queueHolds(system: MailSystem, count: number): Promise<void> {
  const enough = async () => (await system.postfix.queued()) >= count;
  await waitUntil(`${count} messages in Postfix's queue`, 10_000, enough);
}

/** Waits until Postfix has tried so many messages in vain, by their queue IDs in its log. */
async function everyMessageDeferred(system: MailSystem, count: number): Promise<void> {
  await waitUntil(`${count} messages to be deferred`, PATIENCE, async () => {
    const log = await system.postfix.log();
    const deferred = log.matchAll(/postfix\/[\w/-]+\[\d+\]: (\w+): .*status=deferred/g);
    return new Set([...deferred].map(([, id]) => id)).size >= count;
  });
}

async function cleanAfterTest(system: MailSystem): Promise<void> {
  await system.nextHop?.up();
  if (system.sealpost.pid() === undefined) await system.sealpost.start();
  await system.postfix.discardQueue();
  system.nextHop?.clear();
  system.mailboxes.clear();
}

function nextHopOf(system: MailSystem) {
  if (!system.nextHop) throw new Error('this mail system has no sink as next hop');
  return system.nextHop;
}

/** Sends one message with this body to alice, and opens what arrived. */
async function arrivesSealed(system: MailSystem, body: Buffer): Promise<void> {
  const head = Buffer.from(`From: ${SENDER}\r\nTo: ${ALICE}\r\nSubject: one message\r\n\r\n`);
  const message = Buffer.concat([head, body]);
  const to = { port: system.postfix.submitPort };
  await sendRaw({ to, sender: SENDER, recipients: [ALICE], mailParameters: 'BODY=8BITMIME', message });
  await system.postfix.empty(PATIENCE);
  const [delivery, ...more] = system.mailboxes.deliveries();
  expect(more, 'further deliveries').toHaveLength(0);
  expect(delivery?.recipient, 'bounced instead of delivered').toBe(ALICE);
  const key = system.keys.get(ALICE);
  if (!delivery || !key) throw new Error('nothing was delivered to alice');
  await unsealAndCompare(message, delivery.message, openpgpDecrypt(key));
}

/**
 * Sends half of a burst, ends sealpost by `end` when a part of it has arrived, sends the other half to a Postfix without a
 * filter, and starts sealpost again.
 */
async function interrupted(
  name: string,
  burst: number,
  system: MailSystem,
  end: () => Promise<void>,
): Promise<Group[]> {
  const [first, second] = [mixedRun(`${name}-1`, burst / 2), mixedRun(`${name}-2`, burst / 2)];
  const sending = sendRun(first, system.postfix.submitPort);
  await system.mailboxes.waitForDeliveries(Math.floor(expectedArrivals(first) / 10), PATIENCE);
  await end();
  await sending;
  await sendRun(second, system.postfix.submitPort);
  await queueHolds(system, burst / 2);
  await system.sealpost.start();
  await system.postfix.empty(PATIENCE);
  return [...first, ...second];
}
