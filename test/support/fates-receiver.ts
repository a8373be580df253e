// Letters of every fate through postfix-examples/receiver: into the spool by virtual(8), and into the queue by LMTP. Postfix asks
// for aliases, so that a user's mail comes with the id address, and is traced by the user's own.
import { chmodSync, chownSync, copyFileSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import {
  checkStories,
  FATES_SENDER,
  type Fate,
  type Letter,
  sendLetters,
  times,
  waitForStories,
} from './fates.ts';
import { createGpgHome, makeKey } from './keys.ts';
import { allocatePlaces, exampleSubstitutions, freePorts } from './places.ts';
import { type PrivatePostfix, startPostfix } from './private-postfix.ts';
import { startReplyCutter } from './reply-cutter.ts';
import { createSealpost, type SealpostProcess } from './sealpost-process.ts';
import { startSink } from './sink.ts';

/** The two ways into the queue. */
export type QueueWay = 'spool' | 'lmtp';

const DOMAIN = 'seal.test';
const ALICE = `alice@${DOMAIN}`;
/** Has no key until she gets one: her mail waits. */
const DORA = `dora@${DOMAIN}`;
/** Has no key, and a policy that refuses. */
const RITA = `rita@${DOMAIN}`;
const NOBODY = 65534;
const PATIENCE = 120_000;

const ONCE: readonly Fate[] = [
  ...times(30, { to: [ALICE], story: { [ALICE]: 'filed' } }),
  ...times(10, { to: [DORA], story: { [DORA]: 'deferred+ filed' } }),
];

const TWICE = times(4, { to: [ALICE], cut: true, story: { [ALICE]: 'filed duplicate' } });

/** What cannot be filed: of the spool sealpost itself tells the sender, of LMTP Postfix does. */
const refused = (way: QueueWay): Fate[] =>
  times(6, {
    to: [RITA],
    story: { [RITA]: 'refused', ...(way === 'spool' ? { [FATES_SENDER]: 'returned' } : {}) },
  });

interface QueueStand {
  readonly sealpost: SealpostProcess;
  readonly postfix: PrivatePostfix;
  /** Where virtual(8) puts mail. */
  readonly spool: string;
}

/** Runs them, and checks what is told. @returns how many letters there were */
export async function runQueueFates(way: QueueWay): Promise<number> {
  const cleanups: (() => Promise<unknown>)[] = [];
  try {
    const stand = await startStand(way, cleanups);
    const gpg = await createGpgHome();
    cleanups.push(() => gpg.close());
    const { sealpost, postfix } = stand;
    const { must } = sealpost;
    await must(['domain', 'add', DOMAIN]);
    // The first one is id_1.
    for (const user of [ALICE, DORA, RITA]) await must(['user', 'add', user]);
    await must(['user', 'set', RITA, 'on_missing_key=reject']);
    const keyOf = async (address: string): Promise<string> => {
      const key = await makeKey(gpg, address);
      await must(['key', 'import', '-'], key.publicKey);
      return key.fingerprint;
    };
    const alice = await keyOf(ALICE);
    const twice = way === 'spool' ? await spooledTwice(stand) : await sendLetters(TWICE, postfix.submitPort);
    const letters = [...twice, ...(await sendLetters([...ONCE, ...refused(way)], postfix.submitPort))];
    await waitForStories(letters.map(untilDeferred), sealpost, PATIENCE);
    const dora = await keyOf(DORA);
    await waitForStories(letters, sealpost, PATIENCE);
    await postfix.waitForEmptyQueue(PATIENCE);
    await checkStories(letters, {
      sealpost,
      mailLog: postfix.log,
      nextHopIsPostfix: true,
      keys: { [ALICE]: [alice], [DORA]: [dora] },
      heardAs: { [ALICE]: `id_1@${DOMAIN}` },
    });
    const waiting = (await must(['queue', 'list', '--json'])).json as { readonly messages: number }[];
    const filed = letters.filter(({ story }) => Object.values(story).some((each) => each.includes('filed')));
    expect(waiting.reduce((sum, { messages }) => sum + messages, 0)).toBe(filed.length);
    return letters.length;
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup();
  }
}

function untilDeferred(letter: Letter): Letter {
  const story = Object.entries(letter.story).map(([address, each]) => [
    address,
    each.replace(/^deferred\+ .*/, 'deferred+'),
  ]);
  return { ...letter, story: Object.fromEntries(story) };
}

/** A crash between the commit and the removal of the file: it lies there once more, under its name. */
async function spooledTwice({ sealpost, postfix, spool }: QueueStand): Promise<Letter[]> {
  await sealpost.stop();
  const letters = await sendLetters(TWICE, postfix.submitPort);
  await postfix.waitForEmptyQueue(PATIENCE);
  const names = readdirSync(join(spool, 'new'));
  expect(names).toHaveLength(letters.length);
  for (const name of names) copyFileSync(join(spool, 'new', name), join(spool, 'tmp', name));
  await sealpost.start();
  await waitForStories(
    letters.map((letter) => ({ ...letter, story: { [ALICE]: 'filed' } })),
    sealpost,
    PATIENCE,
  );
  for (const name of names) renameSync(join(spool, 'tmp', name), join(spool, 'new', name));
  return letters;
}

async function startStand(way: QueueWay, cleanups: (() => Promise<unknown>)[]): Promise<QueueStand> {
  const places = await allocatePlaces();
  cleanups.push(() => places.remove());
  const [api = 0, lmtp = 0, cutterPort = 0, sinkPort = 0] = await freePorts(4);
  const sink = await startSink({ protocol: 'lmtp', listen: { port: sinkPort } });
  cleanups.push(() => sink.stop());
  const cutter = await startReplyCutter(cutterPort, lmtp);
  cleanups.push(() => cutter.close());
  const spools = join(places.dir, 'spools');
  mkdirSync(spools);
  chownSync(spools, NOBODY, NOBODY);
  chmodSync(spools, 0o700);
  const spool = join(spools, 'in');
  const substitutions = {
    ...exampleSubstitutions(places),
    '/var/spool/sealpost': spools,
    '/var/spool/sealpost/in': spool,
    '5000': String(NOBODY),
    '10034': String(lmtp),
    '9322': String(api),
    '127.0.0.1:25': `127.0.0.1:${places.submitPort}`,
  };
  const sealpost = await createSealpost({
    places,
    example: 'receiver',
    substitutions,
    config: { filter: { listen: [] }, receiver: { minimal_backoff: '500ms', maximal_backoff: '1s' } },
  });
  cleanups.push(() => sealpost.close());
  await sealpost.start();
  const postfix = await startPostfix({
    places,
    example: 'receiver',
    substitutions,
    mailboxes: `lmtp:inet:127.0.0.1:${sinkPort}`,
    domains: [DOMAIN],
    aliases: { [ALICE]: [`id_1@${DOMAIN}`] },
    mainCf: way === 'lmtp' ? { virtual_transport: `sealpost-queue:inet:127.0.0.1:${cutterPort}` } : {},
  });
  cleanups.push(() => postfix.stop());
  return { sealpost, postfix, spool };
}
