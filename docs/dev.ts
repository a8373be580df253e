// `npm run dev`: the quickstart's mail system that stays. sealpost runs from the sources, and starts again when one of them
// changes, Postfix when postfix-examples/ does; what arrives in the mail store is told. Ctrl-C ends and removes everything.
import { generateKey } from 'openpgp';
import { repository } from '../test/support/places.ts';
import type { SealpostProcess } from '../test/support/sealpost-process.ts';
import { looksSealed } from '../test/support/unseal.ts';
import { changesIn } from './changes.ts';
import {
  ALICE,
  BOB,
  configureDemo,
  type Demo,
  type DemoParts,
  describeDemo,
  prepareDemo,
  startDemoPostfix,
  stopDemo,
  swaksLine,
} from './demo.ts';

const WATCHED = [
  'src',
  'filters',
  'policy',
  'receiver',
  'portal',
  'web',
  'client',
  'migrations',
  'postfix-examples',
];

/** How often the mail store is asked for what is new. Milliseconds. */
const LOOK = 300;

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Two users, one of them with a key that nobody keeps the secret half of. */
async function fillDirectory(sealpost: SealpostProcess): Promise<void> {
  const { publicKey } = await generateKey({ userIDs: [{ name: 'Alice', email: ALICE }], format: 'armored' });
  await sealpost.must(['domain', 'add', 'example.org']);
  await sealpost.must(['user', 'add', ALICE]);
  await sealpost.must(['user', 'add', BOB]);
  await sealpost.must(['key', 'import', '-'], publicKey);
}

function tellWhatToTry(demo: Demo): void {
  const sealpost = (words: string) =>
    `npx tsx src/cli/main.ts ${words} --config ${demo.places.sealpostConfig}`;
  say(`
${describeDemo(demo)}
${ALICE} has a key, ${BOB} has none. To try:

  ${swaksLine(demo)}
  ${sealpost(`explain ${ALICE}`)}
  ${sealpost('status')}
  curl -s http://127.0.0.1:${demo.places.observePort}/metrics
  tail -f ${demo.places.dir}/serve.log

Change a file below ${WATCHED.join(', ')}: what it belongs to starts again. Ctrl-C ends and removes everything.
`);
}

/** Tells of each mail that arrives, until the signal. */
function tellArrivals({ mailboxes }: Pick<Demo, 'mailboxes'>, signal: AbortSignal): void {
  let told = 0;
  const timer = setInterval(() => {
    const fresh = mailboxes.deliveries().slice(told);
    told += fresh.length;
    for (const { recipient, message } of fresh)
      say(
        `mail for ${recipient}: ${looksSealed(message) ? 'sealed' : 'as it came'}, ${message.length} bytes`,
      );
  }, LOOK);
  signal.addEventListener('abort', () => clearInterval(timer));
}

/**
 * Ends what a change belongs to and starts it again, with its configuration written anew and new migrations applied.
 * @throws Error with what did not start; the next change tries again
 */
async function startAgain(
  demo: Omit<Demo, keyof DemoParts>,
  parts: { -readonly [Key in keyof DemoParts]: DemoParts[Key] },
  changed: readonly string[],
): Promise<void> {
  await parts.sealpost.close();
  const migrate = changed.some((name) => name.startsWith('migrations/'));
  // This process has the commands as they were.
  parts.sealpost = await configureDemo(demo, { commands: 'program', from: 'sources', migrate });
  await parts.sealpost.start();
  if (!changed.some((name) => name.startsWith('postfix-examples/'))) return;
  await parts.postfix?.stop();
  parts.postfix = await startDemoPostfix(demo.places);
}

/** Starts again with every change, until the signal. */
async function followChanges(
  demo: Omit<Demo, keyof DemoParts>,
  parts: { -readonly [Key in keyof DemoParts]: DemoParts[Key] },
  signal: AbortSignal,
): Promise<void> {
  for await (const changed of changesIn(repository, WATCHED, signal)) {
    const began = Date.now();
    const shown = `${changed.slice(0, 3).join(', ')}${changed.length > 3 ? ', ...' : ''}`;
    try {
      await startAgain(demo, parts, changed);
      say(`started again in ${((Date.now() - began) / 1000).toFixed(1)} s: ${shown} changed`);
    } catch (error) {
      say(`${shown} changed, and it does not start; the next change tries again:\n${wordsOf(error)}`);
    }
  }
}

const end = new AbortController();
process.once('SIGINT', () => end.abort());
process.once('SIGTERM', () => end.abort());
say('sealpost dev: starting a private mail system ...');
const prepared = await prepareDemo();
const parts: { -readonly [Key in keyof DemoParts]: DemoParts[Key] } = {
  sealpost: await configureDemo(prepared, { commands: 'in-process', from: 'sources' }),
  postfix: undefined,
};
try {
  await parts.sealpost.start();
  await fillDirectory(parts.sealpost);
  parts.postfix = await startDemoPostfix(prepared.places);
  tellWhatToTry({ ...prepared, ...parts });
  tellArrivals(prepared, end.signal);
  await followChanges(prepared, parts, end.signal);
} catch (error) {
  process.stderr.write(`sealpost dev: ${wordsOf(error)}\n`);
  process.exitCode = 1;
}
await stopDemo({ ...prepared, ...parts });
say('everything has ended and is removed');
process.exit(process.exitCode ?? 0);
