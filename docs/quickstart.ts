// `npm run quickstart`: the whole thing on a fresh machine, in front of your eyes. A private Postfix (where there is one),
// wired by postfix-examples/delivery-lmtp, hands real mail to a real `sealpost serve` with an embedded database; the
// mail is shown before, sealed, and after decryption with a demo key. Everything lives in one temporary folder.
import { connect } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { generateKey } from 'openpgp';
import { runProgram } from '../test/support/child.ts';
import { decryptWith } from '../test/support/make-keys.ts';
import type { SealpostProcess } from '../test/support/sealpost-process.ts';
import { sendRaw } from '../test/support/submit.ts';
import { armoredPart } from '../test/support/unseal.ts';
import {
  ALICE,
  BOB,
  configureDemo,
  type Demo,
  describeDemo,
  prepareDemo,
  startDemoPostfix,
  stopDemo,
  swaksLine,
} from './demo.ts';
import { enrol } from './enrol.ts';

const BODY = 'Meet me at the old oak at noon.\r\n\r\nBring the map, and tell nobody: gr\xfc\xdfe, C.\r\n';

const { values } = parseArgs({
  options: { keep: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
});
if (values.help) {
  process.stdout.write(
    'npm run quickstart [-- --keep]\n\nShows real mail being sealed. --keep leaves everything running.\n\nExample:\n  $ npm run quickstart -- --keep\n',
  );
  process.exit(0);
}

let step = 0;
function say(text: string): void {
  step += 1;
  process.stdout.write(`\n[${step}] ${text}\n`);
}

function show(bytes: Buffer, most = 40): void {
  const lines = bytes.toString('latin1').replace(/\r\n/g, '\n').replace(/\n$/, '').split('\n');
  const shown =
    lines.length <= most
      ? lines
      : [...lines.slice(0, most - 6), `... ${lines.length - most + 3} more lines ...`, ...lines.slice(-3)];
  for (const line of shown) process.stdout.write(`    | ${line.slice(0, 110)}\n`);
}

function must(condition: boolean, expected: string): asserts condition {
  if (!condition) throw new Error(`expected ${expected}`);
}

/** A message like those that people send; every line end is CRLF, the body Latin-1. */
function letter(to: string, subject: string): Buffer {
  return Buffer.from(
    [
      'From: Carol <carol@example.net>',
      `To: <${to}>`,
      `Subject: ${subject}`,
      `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`,
      `Message-ID: <${Date.now()}.${to.replace('@', '.')}@example.net>`,
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=iso-8859-1',
      'Content-Transfer-Encoding: 8bit',
      '',
      BODY,
    ].join('\r\n'),
    'latin1',
  );
}

async function start(): Promise<Demo> {
  const prepared = await prepareDemo();
  const { places } = prepared;
  say(`Private folder ${places.dir}, free loopback ports, embedded PostgreSQL.`);
  const sealpost = await configureDemo(prepared, { commands: 'program' });
  await command(sealpost, ['migrate']);
  await sealpost.start();
  const postfix = await startDemoPostfix(places);
  process.stdout.write(`    ${describeDemo({ places, postfix })}\n`);
  return { ...prepared, sealpost, postfix };
}

async function command(sealpost: SealpostProcess, args: readonly string[], stdin?: string): Promise<string> {
  process.stdout.write(`    $ sealpost ${args.join(' ')}${stdin === undefined ? '' : ' < alice.asc'}\n`);
  const ended = await sealpost.cli(args, stdin === undefined ? {} : { stdin });
  must(ended.code === 0, `exit 0 of "sealpost ${args.join(' ')}", found ${ended.code}: ${ended.stderr}`);
  return ended.stdout.toString('utf8').trimEnd();
}

async function send(running: Demo, recipient: string, message: Buffer): Promise<Buffer> {
  const { postfix, places, mailboxes } = running;
  const id = /^Message-ID: (.*)$/m.exec(message.toString('latin1'))?.[1]?.trim() ?? '';
  await sendRaw({
    to: { port: postfix?.submitPort ?? places.lmtpPort },
    protocol: postfix ? 'smtp' : 'lmtp',
    sender: 'carol@example.net',
    recipients: [recipient],
    mailParameters: 'BODY=8BITMIME',
    message,
  });
  // Letters of the portal come in between.
  const arrived = () => mailboxes.deliveries().find((each) => each.message.includes(id));
  const end = Date.now() + 30_000;
  while (arrived() === undefined && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 50));
  const delivered = arrived();
  must(
    delivered !== undefined && delivered.recipient === recipient,
    `mail for ${recipient} within 30 s; the filter's log ends with:\n${running.sealpost.log().slice(-1500)}`,
  );
  return delivered.message;
}

async function demonstrate(running: Demo): Promise<void> {
  const { sealpost } = running;
  say('A domain, two users, and a demo key: Alice hands over her public key, Bob has none.');
  await command(sealpost, ['domain', 'add', 'example.org']);
  await command(sealpost, ['user', 'add', ALICE]);
  await command(sealpost, ['user', 'add', BOB]);
  const pair = await generateKey({ userIDs: [{ name: 'Alice', email: ALICE }], format: 'object' });
  await command(sealpost, ['key', 'import', '-'], pair.publicKey.armor());

  const original = letter(ALICE, 'The treasure');
  say('Mail for Alice, as it is sent:');
  show(original);

  const sealed = await send(running, ALICE, original);
  say('The same mail, as it reaches her mailbox:');
  show(sealed, 44);
  must(!sealed.includes('old oak'), 'no plaintext of the body in the sealed mail');

  const inside = await decryptWith(pair.privateKey, armoredPart(sealed));
  say("What Alice's client decrypts with her secret key:");
  show(inside);
  const body = inside.subarray(inside.indexOf('\r\n\r\n') + 4);
  must(body.equals(Buffer.from(BODY, 'latin1')), 'the body byte for byte after decryption');
  process.stdout.write('    The body is byte for byte the one that was sent.\n');

  const passed = await send(running, BOB, letter(BOB, 'Lunch'));
  must(passed.includes(BODY.slice(0, 20), 0, 'latin1'), "Bob's mail unchanged");
  say(
    'Bob has no key, and on_missing_key is "pass": his mail arrives unchanged. Why, in the words of explain:',
  );
  for (const line of (await command(sealpost, ['explain', BOB])).split('\n'))
    process.stdout.write(`    ${line}\n`);

  await enrolBob(running);

  say('The lookup daemons, asked as Postfix asks them (tcp_table):');
  await lookUp(running, 'virtual_alias', ALICE, `200 id_1@example.org`);
  await lookUp(running, 'check_recipient', ALICE, '200 DUNNO');
  await lookUp(running, 'check_recipient', 'nobody@example.org', '200 REJECT 5.1.1');

  say('What runs:');
  for (const line of (await command(sealpost, ['status'])).split('\n')) process.stdout.write(`    ${line}\n`);
}

/** Bob needs no administrator: he hands his key over on the portal's pages, and his next mail is sealed. */
async function enrolBob(running: Demo): Promise<void> {
  const { portal, mailboxes } = running;
  say(`Bob opens ${portal}, the pages on which users hand over their keys, and enrols himself:`);
  const { privateKey } = await generateKey({ userIDs: [{ name: 'Bob', email: BOB }], format: 'object' });
  const tell = (text: string) => process.stdout.write(`    - ${text}\n`);
  await enrol({ portal, mailboxes, address: BOB, key: privateKey, say: tell });
  const sealed = await send(running, BOB, letter(BOB, 'Dinner'));
  must(!sealed.includes('old oak'), "no plaintext of the body in Bob's mail");
  const inside = await decryptWith(privateKey, armoredPart(sealed));
  must(inside.includes(BODY.slice(0, 20), 0, 'latin1'), "the body after decryption with Bob's key");
  tell('his next mail arrives sealed, and his key opens it');
}

/** By postmap(1) where a private Postfix runs, else over a socket; the answer must begin as expected. */
async function lookUp(
  { lookups, postfix }: Demo,
  map: keyof Demo['lookups'],
  key: string,
  expected: string,
): Promise<void> {
  const table = `tcp:127.0.0.1:${lookups[map]}`;
  // With the private Postfix's main.cf: that of the machine may be missing.
  const answer = postfix
    ? `200 ${(await runProgram('postmap', ['-c', postfix.configDir, '-q', key, table])).stdout.toString('utf8').trim()}`
    : await askTcpTable(lookups[map], key);
  process.stdout.write(
    `    $ ${postfix ? `postmap -q ${key} ${table}` : `get ${key}`}\n    ${answer.replace(/^200 /, '')}\n`,
  );
  must(answer.startsWith(expected), `an answer of ${map} that begins with "${expected}", found "${answer}"`);
}

/** One request of tcp_table(5). */
function askTcpTable(port: number, key: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`get ${key}\n`));
    socket.once('data', (bytes: Buffer) => {
      socket.destroy();
      resolve(bytes.toString('utf8').trim().replaceAll('%20', ' '));
    });
    socket.once('error', reject);
  });
}

process.stdout.write('sealpost quickstart: real mail through a real filter comes out sealed.\n');
const running = await start();
try {
  await demonstrate(running);
} catch (error) {
  process.stderr.write(`sealpost quickstart: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
if (values.keep && process.exitCode !== 1) {
  say(
    `Left running. Configuration: ${join(running.places.dir, 'sealpost.toml')}. Ctrl-C stops and removes everything.`,
  );
  process.stdout.write(`    $ ${swaksLine(running)}\n`);
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
    const idle = setInterval(() => undefined, 1 << 30);
    process.once('exit', () => clearInterval(idle));
  });
}
await stopDemo(running);
if (process.exitCode !== 1) process.stdout.write('\nDone. Next: README.md, "Wire it into your Postfix".\n');
process.exit(process.exitCode ?? 0);
