// What became of each letter: one line of the log for each recipient, and the same story from `sealpost trace`.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EVENTS } from '../../src/observe/events.ts';
import { runProgram, waitUntil } from '../support/child.ts';
import { createGpgHome, type GpgHome, makeKey } from '../support/keys.ts';
import { makeMaildir } from '../support/maildir.ts';
import { allocatePlaces, freePorts, type Places } from '../support/places.ts';
import { spooled } from '../support/receiver-stand.ts';
import { createSealpost, placeSealpostPipe, type SealpostProcess } from '../support/sealpost-process.ts';
import { type Sink, startSink } from '../support/sink.ts';
import { sendRaw } from '../support/submit.ts';

const ALICE = 'alice@sealpost.test';
const ULLA = 'ulla@sealpost.test';
const CAROL = 'carol@outside.test';
const OK = '250 2.0.0 Ok: queued as 5Q1';

let places: Places;
let sink: Sink;
let sealpost: SealpostProcess;
let gpg: GpgHome;
let queuePort = 0;
let sent = 0;

beforeAll(async () => {
  places = await allocatePlaces();
  [queuePort = 0] = await freePorts(1);
  const spool = makeMaildir(join(places.dir, 'spool'));
  sink = await startSink({ protocol: 'smtp', listen: { port: places.reinjectPort } });
  sealpost = await createSealpost({
    places,
    example: null,
    substitutions: {},
    config: {
      filter: {
        max_message_size: '2MB',
        next_hop: `smtp:127.0.0.1:${places.reinjectPort}`,
        listen: [
          { name: 'lmtp', protocol: 'lmtp', address: `127.0.0.1:${places.lmtpPort}` },
          { name: 'smtp', protocol: 'smtp', address: `127.0.0.1:${places.smtpPort}` },
        ],
      },
      receiver: { listen: `127.0.0.1:${queuePort}`, spool },
    },
  });
  gpg = await createGpgHome();
  const key = await makeKey(gpg, ALICE);
  for (const args of [
    ['domain', 'add', 'sealpost.test'],
    ['domain', 'add', 'strict.test'],
    ['domain', 'set', 'strict.test', 'on_missing_key=reject'],
    ['user', 'add', ALICE],
    ['user', 'add', ULLA],
    ['user', 'add', 'sven@strict.test'],
  ])
    expect((await sealpost.cli(args)).code).toBe(0);
  expect((await sealpost.cli(['key', 'import', '-'], { stdin: key.publicKey })).code).toBe(0);
  await sealpost.start();
}, 120_000);
afterAll(async () => {
  await sealpost?.close();
  await sink?.stop();
  await gpg?.close();
  await places?.remove();
});

interface Letter {
  readonly to: readonly string[];
  readonly protocol?: 'smtp' | 'lmtp';
  readonly port?: number;
  readonly messageId?: string;
}

/** Sends a letter. @returns the replies, and its Message-ID */
async function letter({ to, protocol = 'lmtp', port, messageId }: Letter) {
  sent += 1;
  const id = messageId ?? `letter-${sent}@outside.test`;
  const replies = await sendRaw({
    to: { port: port ?? (protocol === 'lmtp' ? places.lmtpPort : places.smtpPort) },
    protocol,
    sender: 'bob@outside.test',
    recipients: to,
    message: Buffer.from(
      `From: <bob@outside.test>\r\nSubject: the secret plan ${sent}\r\nMessage-ID: <${id}>\r\n\r\nat noon\r\n`,
    ),
  });
  return { id, replies };
}

interface Traced {
  readonly event: string;
  readonly recipient: string;
  readonly because: string;
  readonly keys: readonly string[];
  readonly reply: string;
}

/** What trace tells, once it tells so many events. */
async function traced(what: string, count: number): Promise<readonly Traced[]> {
  let told: readonly Traced[] = [];
  await waitUntil(`${count} events of ${what}`, 10_000, async () => {
    const done = await sealpost.cli(['trace', what, '--json']);
    told = done.code === 0 ? (done.json as readonly Traced[]) : [];
    return told.length >= count;
  });
  return told;
}

const lines = (): readonly Record<string, unknown>[] =>
  sealpost
    .log()
    .split('\n')
    .filter((line) => line.includes('"event":'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('the story of a letter', () => {
  it('tells sealed from passed, for each recipient, in the log and by trace', async () => {
    sink.behave({ final: () => OK });
    const { id } = await letter({ to: [ALICE, ULLA, CAROL] });
    const told = await traced(`<${id}>`, 3);
    const by = new Map(told.map((each) => [each.recipient, each]));
    expect(by.get(ALICE)).toMatchObject({
      event: 'sealed',
      because: 'usable key',
      keys: [expect.any(String)],
    });
    expect(by.get(ULLA)).toMatchObject({ event: 'passed', because: 'no key', keys: [] });
    const carol = told.find(({ recipient }) => !recipient.includes('@'));
    expect(carol).toMatchObject({ event: 'passed', recipient: expect.stringMatching(/^[0-9a-f]{16}$/) });
    expect(told.every(({ reply }) => reply.includes('5Q1'))).toBe(true);
    expect(lines().map(({ event, recipient }) => `${event} ${recipient}`)).toEqual(
      expect.arrayContaining([`sealed ${ALICE}`, `passed ${ULLA}`]),
    );
    sink.clear();
  });

  it('tells whoever knows the address, and nobody else, of a foreign recipient', async () => {
    await letter({ to: [CAROL] });
    expect((await traced(CAROL, 1)).length).toBeGreaterThan(0);
    expect(sealpost.log()).not.toContain(CAROL);
    expect(sealpost.log()).not.toMatch(/secret plan|bob@outside|letter-\d+@/);
  });

  it('tells why a letter waits, and why one is refused: by the plan, and by the next hop', async () => {
    const refused = await letter({ to: ['sven@strict.test'] });
    expect(await traced(refused.id, 1)).toMatchObject([
      { event: 'refused', recipient: 'sven@strict.test', because: 'no key' },
    ]);
    sink.behave({ final: () => '452 4.2.2 the mailbox is full' }, 1);
    const waits = await letter({ to: [ALICE] });
    expect(await traced(waits.id, 1)).toMatchObject([
      { event: 'deferred', because: 'next hop', reply: expect.stringContaining('4.2.2') },
    ]);
    sink.behave({ final: () => '550 5.7.1 not here' }, 1);
    const never = await letter({ to: [ULLA] });
    expect(await traced(never.id, 1)).toMatchObject([{ event: 'refused', because: 'next hop' }]);
  });

  it('tells of a bounce that went out for one of two recipients', async () => {
    const { id, replies } = await letter({ to: [ULLA, 'sven@strict.test'], protocol: 'smtp' });
    expect(replies[0]).toMatch(/^250/);
    const told = await traced(id, 3);
    expect(told.map(({ event }) => event).sort()).toEqual(['passed', 'refused', 'returned']);
    await waitUntil('the line of the bounce', 10_000, () =>
      lines().some(({ event }) => event === 'returned'),
    );
  });

  it('tells of a repetition that was not sent again', async () => {
    sink.behave({ final: (path) => (path === ULLA ? '452 4.2.2 full' : OK) });
    const messageId = 'twice@outside.test';
    const first = await letter({ to: [ALICE, ULLA], messageId });
    expect(first.replies.map((reply) => reply.slice(0, 3)).sort()).toEqual(['250', '452']);
    sink.clear();
    const again = await sendSame(messageId);
    expect(again.map((reply) => reply.slice(0, 3))).toEqual(['250', '250']);
    const told = await traced(messageId, 4);
    expect(told.map(({ event }) => event).sort()).toEqual(['deferred', 'duplicate', 'passed', 'sealed']);
    // Nobody decided on the repetition; whose it is, is known all the same.
    expect(told.find(({ event }) => event === 'duplicate')).toMatchObject({ recipient: ALICE });
  });

  it('goes on from the log: the digits of a foreign address find its letters', async () => {
    const { id } = await letter({ to: ['Dora@OUTSIDE.test'] });
    const [{ recipient } = { recipient: '' }] = await traced(`<${id}>`, 1);
    expect(lines().map((line) => line.recipient)).toContain(recipient);
    expect(await traced(recipient, 1)).toMatchObject([{ event: 'passed', recipient }]);
    expect(await traced('dora@outside.test', 1)).toMatchObject([{ recipient }]);
  });

  it('is told of letters by sealpost-pipe', async () => {
    const program = join(places.dir, 'sealpost-pipe.mjs');
    await placeSealpostPipe(program);
    const message = 'From: <bob@outside.test>\nSubject: the secret plan\n\nat noon\n';
    const call = (queueId: string, to: string) =>
      runProgram(
        process.execPath,
        [program, '--config', sealpost.configPath, '--queue-id', queueId, '-f', 'bob@outside.test', '--', to],
        { stdin: message },
      );
    sink.behave({ final: () => OK });
    expect((await call('4bPIPE1zzz', ALICE)).code).toBe(0);
    expect((await call('4bPIPE2zzz', ULLA)).code).toBe(0);
    expect((await call('4bPIPE3zzz', 'sven@strict.test')).code).not.toBe(0);
    expect(await traced('4bPIPE1zzz', 1)).toMatchObject([{ event: 'sealed', recipient: ALICE }]);
    expect(await traced('4bPIPE2zzz', 1)).toMatchObject([{ event: 'passed', recipient: ULLA }]);
    expect(await traced('4bPIPE3zzz', 1)).toMatchObject([{ event: 'refused', because: 'no key' }]);
  });

  it('is told of letters by the spool: filed, waiting, and refused with what went back', async () => {
    const put = (subject: string, to: string, queueId: string): string => {
      const text = spooled(to, { subject }).replace('id 4ABC', `id ${queueId}`);
      writeFileSync(join(places.dir, 'spool', 'new', `1700000000.V1I${subject}.mx`), text);
      return `<m1.${subject}@outside.test>`;
    };
    const filed = put('filed', ALICE, '4bSPOOL1zzz');
    const waits = put('waits', ULLA, '4bSPOOL2zzz');
    const never = put('never', 'sven@strict.test', '4bSPOOL3zzz');
    expect(await traced(filed, 1)).toMatchObject([
      { event: 'filed', recipient: ALICE, because: 'filed', keys: [expect.any(String)] },
    ]);
    expect(await traced('4bSPOOL2zzz', 1)).toMatchObject([{ event: 'deferred', recipient: ULLA, keys: [] }]);
    expect(await traced(waits, 1)).toMatchObject([{ because: 'no key' }]);
    const returned = await traced('4bSPOOL3zzz', 2);
    expect(returned.map(({ event }) => event)).toEqual(['refused', 'returned']);
    expect((await traced(never, 2)).map(({ event }) => event)).toEqual(['refused', 'returned']);
  });

  it('tells what was filed for the queue, and what was not', async () => {
    const { id } = await letter({ to: [ALICE, ULLA], port: queuePort });
    const told = await traced(id, 2);
    expect(told.map(({ event }) => event).sort()).toEqual(['deferred', 'filed']);
  });

  it('tells of a letter that was too large to be taken', async () => {
    const replies = await sendRaw({
      to: { port: places.lmtpPort },
      protocol: 'lmtp',
      sender: 'bob@outside.test',
      recipients: [ULLA],
      message: Buffer.from(`Subject: large\r\n\r\n${`${'x'.repeat(998)}\r\n`.repeat(2100)}`),
    });
    expect(replies).toEqual([expect.stringMatching(/^552 5\.3\.4 /)]);
    await waitUntil('its line', 10_000, () => lines().some(({ because }) => because === 'too large'));
    let told: readonly Traced[] = [];
    await waitUntil('its event', 10_000, async () => {
      told = (await traced(ULLA, 1)).filter(({ because }) => because === 'too large');
      return told.length > 0;
    });
    expect(told).toMatchObject([{ event: 'refused', keys: [], reply: expect.stringContaining('5.3.4') }]);
  });

  it("finds by a user's address what came for the id address", async () => {
    const { id } = await letter({ to: ['id_1@sealpost.test'] });
    expect(await traced(id, 1)).toMatchObject([{ event: 'sealed', recipient: 'id_1@sealpost.test' }]);
    expect((await traced(ALICE, 1)).map(({ recipient }) => recipient)).toContain('id_1@sealpost.test');
  });

  it('says that nothing is known, for how long events are kept, and where else to look', async () => {
    const done = await sealpost.cli(['trace', '4bNOTHING', '--since', '1h']);
    expect(done.code).toBe(1);
    expect(done.stderr).toMatch(
      /no event of "4bNOTHING" in the last 1h; events are kept for 14 days.*mail log of Postfix/s,
    );
  });

  it('keeps no sender, no subject and no Message-ID in the table', async () => {
    const done = await sealpost.cli(['trace', ALICE, '--json']);
    expect(JSON.stringify(done.json)).not.toMatch(/secret plan|bob@|letter-/);
  });
});

describe('the metrics, after all of that', () => {
  interface Sample {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
  }

  it('name nobody and no message in a label, in snake_case, and are few', async () => {
    const text = await (await fetch(`http://127.0.0.1:${places.observePort}/metrics`)).text();
    const samples: Sample[] = text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => {
        const [, name = '', labels = ''] = /^([^{ ]+)(?:\{(.*)\})? /.exec(line) ?? [];
        const pairs = [...labels.matchAll(/([^=,]+)="((?:[^"\\\\]|\\\\.)*)"/g)];
        return {
          name,
          labels: Object.fromEntries(pairs.map(([, label = '', value = '']) => [label, value])),
        };
      });
    const ours = samples.filter(({ name }) => name.startsWith('sealpost_'));
    expect(new Set(ours.map(({ name }) => name)).size).toBeGreaterThan(20);
    const snake = /^[a-z][a-z0-9]*(?:_[a-z0-9]+)*$/;
    const names = samples.flatMap(({ name, labels }) => [name, ...Object.keys(labels)]);
    expect(names.filter((name) => !snake.test(name))).toEqual([]);
    // What the letters brought along: addresses, pseudonyms, queue IDs, Message-IDs, fingerprints.
    const values = ours.flatMap(({ labels }) => Object.entries(labels)).filter(([label]) => label !== 'le');
    const told = /@|4b[A-Z]+|letter-|[0-9a-f]{12}|\d{4}/i;
    expect(values.filter(([, value]) => value.length > 40 || told.test(value))).toEqual([]);
    const plain = ours.filter(({ labels }) => labels.le === undefined).map(({ name }) => name);
    const many = new Set(plain.filter((name) => plain.filter((each) => each === name).length > 40));
    expect([...many]).toEqual([]);
    const events = ours
      .filter(({ name }) => name === 'sealpost_events_total')
      .map(({ labels }) => labels.event);
    expect(events.filter((event) => !Object.hasOwn(EVENTS, event ?? ''))).toEqual([]);
    // key-letters.test.ts sends a letter to the key address.
    const others = Object.keys(EVENTS).filter((event) => event !== 'key_letter');
    expect(events.toSorted()).toEqual(others.sort());
  });
});

/** The very letter of before: what makes it the same is the Message-ID, the sender and the content. */
async function sendSame(messageId: string): Promise<string[]> {
  return sendRaw({
    to: { port: places.lmtpPort },
    protocol: 'lmtp',
    sender: 'bob@outside.test',
    recipients: [ALICE, ULLA],
    message: Buffer.from(
      `From: <bob@outside.test>\r\nSubject: the secret plan ${sent}\r\nMessage-ID: <${messageId}>\r\n\r\nat noon\r\n`,
    ),
  });
}
