// Permanent refusals behind a real Postfix: who is told, how often, and that nobody else's copy suffers. And the pipe in
// its two other ways of working: standalone, and re-injecting by sendmail.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { runProgram } from '../support/child.ts';
import { openpgpDecrypt } from '../support/keys.ts';
import {
  ALICE,
  BOB,
  type MailSystem,
  SENDER,
  startMailSystem,
  ULLA,
  type Wiring,
} from '../support/mail-system.ts';
import { repository } from '../support/places.ts';
import type { Delivery } from '../support/sink.ts';
import { sendRaw } from '../support/submit.ts';
import { looksSealed, unsealAndCompare } from '../support/unseal.ts';

const PATIENCE = 60_000;
const NO_SUCH_USER = '550 5.1.1 no such user here';

function letter(subject: string): Buffer {
  return Buffer.from(
    `From: <${SENDER}>\r\nTo: undisclosed-recipients:;\r\nSubject: ${subject}\r\nMessage-ID: <${subject}@outside.test>\r\n\r\nThe body that nobody else may see.\r\n`,
  );
}

async function send(
  system: MailSystem,
  subject: string,
  recipients: readonly string[],
  sender = SENDER,
): Promise<Buffer> {
  const message = letter(subject);
  await sendRaw({ to: { port: system.postfix.submitPort }, sender, recipients, message });
  await system.postfix.waitForEmptyQueue(PATIENCE);
  return message;
}

function recipientsOf(deliveries: readonly Delivery[]): readonly string[] {
  return deliveries.map((delivery) => delivery.recipient).sort();
}

const WIRINGS: readonly Wiring[] = [
  { example: 'after-queue-lmtp', deliversItself: false },
  { example: 'after-queue-smtp', deliversItself: false },
  { example: 'pipe', deliversItself: false },
];

describe.each(WIRINGS)('a next hop that refuses for good, behind postfix-examples/$example', (wiring) => {
  let system: MailSystem;
  beforeAll(async () => {
    system = await startMailSystem(wiring, { sinkAsNextHop: true });
  });
  afterAll(() => system?.close());
  afterEach(async () => {
    await system.postfix.discardQueue();
    system.nextHop?.clear();
    system.mailboxes.clear();
  });

  /** What reached anybody: by the filter's next hop, and Postfix's own bounces, which go past the filter's sink. */
  function arrived(): readonly Delivery[] {
    return [...(system.nextHop?.deliveries() ?? []), ...system.mailboxes.deliveries()];
  }

  it('one recipient of three refused: the others get theirs once, and the sender one bounce without the body', async () => {
    system.nextHop?.behave({ recipient: (path) => (path === BOB ? NO_SUCH_USER : undefined) });
    await send(system, 'one-refused', [ALICE, BOB, ULLA]);
    expect(recipientsOf(arrived())).toEqual([ALICE, SENDER, ULLA].sort());
    const bounce = arrived().find((delivery) => delivery.recipient === SENDER);
    expect(bounce?.sender).toBe('');
    const text = bounce?.message.toString('latin1') ?? '';
    expect(text).toContain('multipart/report');
    expect(text).toContain('5.1.1');
    expect(text).toContain(BOB);
    expect(text).not.toContain(ALICE);
    // Behind LMTP it is Postfix that bounces, with what its bounce_size_limit says; ours never has the body.
    if (wiring.example !== 'after-queue-lmtp')
      expect(text).not.toContain('The body that nobody else may see');
  });

  it('everybody refused: one bounce, no copy', async () => {
    system.nextHop?.behave({ recipient: (path) => (path === SENDER ? undefined : NO_SUCH_USER) });
    await send(system, 'all-refused', [ALICE, ULLA]);
    const all = arrived();
    expect([...new Set(recipientsOf(all))]).toEqual([SENDER]);
    expect(all.length).toBeLessThanOrEqual(2);
    expect(all.length).toBeGreaterThan(0);
  });

  it('the null sender gets no bounce, and the queue is empty at the end', async () => {
    system.nextHop?.behave({ recipient: (path) => (path === BOB ? NO_SUCH_USER : undefined) });
    await send(system, 'null-sender', [ALICE, BOB], '');
    expect(recipientsOf(arrived())).toEqual([ALICE]);
  });
});

describe('the pipe filter that works in its own process', () => {
  const wiring = { example: 'pipe', deliversItself: false };
  let system: MailSystem | undefined;
  afterEach(async () => {
    await system?.close();
    system = undefined;
  });

  /** The built program, as pipe(8) would call it; the bundle alone has no database and no OpenPGP in it. */
  function pipe(
    running: MailSystem,
    subject: string,
    body = '',
    queueId: readonly string[] = ['--queue-id', 'TEST1'],
  ): ReturnType<typeof runProgram> {
    const program = join(repository, 'dist', 'sealpost-pipe.js');
    if (!existsSync(program)) throw new Error(`found no ${program}; run "npm run build" first`);
    const args = ['--config', running.places.sealpostConfig, ...queueId, '-f', SENDER, '--', ALICE, ULLA];
    const text = letter(subject).toString('latin1').replaceAll('\r\n', '\n');
    const stdin = Buffer.from(`${text}${body}`, 'latin1');
    return runProgram(program, args, { stdin, env: { MAIL_CONFIG: running.postfix.configDir } });
  }

  it('standalone: seals, passes what has no key, and a retry repeats nobody, all without a running serve', async () => {
    system = await startMailSystem(wiring, { config: { pipe: { standalone: true } }, sinkAsNextHop: true });
    await system.sealpost.stop();
    for (const attempt of [1, 2]) {
      const done = await pipe(system, 'standalone');
      expect(done.code, `attempt ${attempt}: ${done.stdout.toString('utf8')}`).toBe(0);
    }
    const deliveries = system.nextHop?.deliveries() ?? [];
    expect(recipientsOf(deliveries)).toEqual([ALICE, ULLA]);
    await check(system, letter('standalone'), deliveries);

    system.nextHop?.clear();
    expect((await pipe(system, 'bare CR', 'a\r.\rb\n')).code).toBe(0);
    const passed = system.nextHop?.deliveries().find(({ recipient }) => recipient === ULLA);
    expect(passed?.message.toString('latin1')).toMatch(/\r\na\r\n\.\r\nb\r\n$/);

    await system.sealpost.cli(['user', 'set', ALICE, 'on_unusable_key=pass']);
    for (const { fingerprint } of (await system.sealpost.cli(['key', 'list', ALICE, '--json'])).json as {
      fingerprint: string;
    }[])
      await system.sealpost.cli(['key', 'disable', fingerprint]);
    expect((await pipe(system, 'by choice')).code).toBe(0);
    const log = readFileSync(join(system.places.dir, 'state', 'pipe.log'), 'utf8');
    expect(log).toContain('passed in plaintext by choice');
  });

  it('standalone with a next hop that is away: exit 75 and one sentence, and nothing is lost', async () => {
    system = await startMailSystem(wiring, { config: { pipe: { standalone: true } }, sinkAsNextHop: true });
    await system.nextHop?.down();
    const done = await pipe(system, 'away');
    expect(done.code).toBe(75);
    expect(done.stdout.toString('utf8')).toMatch(/^4\.\d+\.\d+ [^\n]+\n?$/);
    await system.nextHop?.up();
    expect((await pipe(system, 'away')).code).toBe(0);
    expect(recipientsOf(system.nextHop?.deliveries() ?? [])).toEqual([ALICE, ULLA]);
  });

  it.each([true, false])(
    'two equal letters without a queue ID are two letters: standalone = %j',
    async (standalone) => {
      system = await startMailSystem(wiring, { config: { pipe: { standalone } }, sinkAsNextHop: true });
      if (standalone) await system.sealpost.stop();
      for (const attempt of [1, 2]) {
        const done = await pipe(system, 'twice', '', []);
        expect(done.code, `attempt ${attempt}: ${done.stdout.toString('utf8')}`).toBe(0);
      }
      expect(recipientsOf(system.nextHop?.deliveries() ?? [])).toEqual([ALICE, ALICE, ULLA, ULLA]);
    },
  );

  it('reinject = "sendmail": the same, by sendmail(1) and the pickup service', async () => {
    // As FILTER_README says of this way: what sendmail submits must not meet the filter again.
    system = await startMailSystem(wiring, {
      config: { pipe: { reinject: 'sendmail' } },
      mainCf: { content_filter: '' },
    });
    for (const attempt of [1, 2]) {
      const done = await pipe(system, 'sendmail');
      expect(done.code, `attempt ${attempt}: ${done.stdout.toString('utf8')}`).toBe(0);
    }
    await system.postfix.waitForEmptyQueue(PATIENCE);
    const deliveries = system.mailboxes.deliveries();
    expect(recipientsOf(deliveries)).toEqual([ALICE, ULLA]);
    await check(system, letter('sendmail'), deliveries);
  });
});

async function check(system: MailSystem, message: Buffer, deliveries: readonly Delivery[]): Promise<void> {
  const key = system.keys.get(ALICE);
  const sealed = deliveries.find((delivery) => delivery.recipient === ALICE);
  const passed = deliveries.find((delivery) => delivery.recipient === ULLA);
  if (key === undefined || sealed === undefined || passed === undefined) throw new Error('a copy is missing');
  await unsealAndCompare(message, sealed.message, openpgpDecrypt(key));
  expect(looksSealed(passed.message)).toBe(false);
  expect(passed.message.toString('latin1')).toContain('The body that nobody else may see.\r\n');
}
