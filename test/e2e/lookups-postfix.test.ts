// A real Postfix asks a running `sealpost serve` through the files of postfix-examples/lookups: who is refused at RCPT time
// through each of the protocols, and in which mailbox the rest arrives.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MAPS } from '../../policy/facts.ts';
import { mustRun, waitUntil } from '../support/child.ts';
import { askTcp } from '../support/lookups-directory.ts';
import { parseMainCf } from '../support/master-cf.ts';
import {
  allocatePlaces,
  exampleFile,
  exampleSubstitutions,
  freePorts,
  type Places,
} from '../support/places.ts';
import { type PrivatePostfix, startPostfix } from '../support/private-postfix.ts';
import { createSealpost, type SealpostProcess } from '../support/sealpost-process.ts';
import { type Sink, startSink } from '../support/sink.ts';
import { sendRaw } from '../support/submit.ts';

const SENDER = 'sender@outside.test';
let places: Places;
let sealpost: SealpostProcess;
let postfix: PrivatePostfix;
let mailboxes: Sink;
const closing: (() => Promise<unknown>)[] = [];
/** One listener of Postfix for each protocol that refuses recipients. */
const listeners: Record<'tcp' | 'socketmap' | 'policy', number> = { tcp: 0, socketmap: 0, policy: 0 };
/** One that refuses only what virtual_alias and virtual_mailbox do not know. */
let unchecked = 0;
let virtualAlias = 0;

async function run(...args: readonly string[]): Promise<string> {
  return (await sealpost.must(args)).stdout.toString('utf8');
}

beforeAll(async () => {
  places = await allocatePlaces();
  closing.push(() => places.remove());
  const [check = 0, alias = 0, certificate = 0, mail = 0, ...smtp] = await freePorts(8);
  [listeners.tcp = 0, listeners.socketmap = 0, listeners.policy = 0, unchecked = 0] = smtp;
  virtualAlias = alias;
  const substitutions = exampleSubstitutions(places, {
    2244: String(check),
    4242: String(alias),
    2424: String(certificate),
  });
  mailboxes = await startSink({ protocol: 'lmtp', listen: { port: mail } });
  closing.push(() => mailboxes.stop());
  sealpost = await createSealpost({
    places,
    example: 'lookups',
    substitutions,
    config: {
      filter: {
        listen: [{ name: 'lmtp', protocol: 'lmtp', address: `127.0.0.1:${places.lmtpPort}` }],
      },
    },
  });
  closing.push(() => sealpost.close());
  await sealpost.start();
  await run('domain', 'add', 'seal.test');
  for (const name of ['alice', 'bob', 'full', 'nearly'])
    await run('user', 'add', `${name}@seal.test`, '--quota', name === 'alice' ? 'none' : '10000');
  await run('user', 'set', 'bob@seal.test', '--status', 'disabled');
  await run('user', 'set', 'full@seal.test', '--quota', '0');
  await run('user', 'set', 'nearly@seal.test', '--quota', '1000');
  await run('user', 'set', 'alice@seal.test', 'forward=alice@forward.test');
  await run('alias', 'add', 'team@seal.test', 'alice@seal.test', 'nearly@seal.test', 'Carol@outside.test');
  const option = '-o smtpd_recipient_restrictions';
  const entry = (port: number, restriction: string) =>
    `127.0.0.1:${port} inet n - n - - smtpd\n  ${option}=${restriction}\n  -o smtpd_end_of_data_restrictions=\n`;
  postfix = await startPostfix({
    places,
    example: null,
    substitutions,
    mainCf: Object.fromEntries(parseMainCf(await exampleFile('lookups', 'main.cf', substitutions))),
    mailboxes: `lmtp:inet:127.0.0.1:${mail}`,
    masterCf: [
      entry(listeners.tcp, `check_recipient_access,tcp:127.0.0.1:${check}`),
      entry(listeners.socketmap, 'check_recipient_access,socketmap:unix:sealpost/socketmap:check_recipient'),
      entry(listeners.policy, 'check_policy_service,unix:sealpost/policy'),
      entry(unchecked, 'permit'),
    ].join(''),
  });
  closing.push(() => postfix.stop());
});

afterAll(async () => {
  for (const close of closing.reverse()) await close();
});

/** Sends a message. @returns the reply that refused it, or '' */
async function send(
  port: number,
  recipient: string,
  subject: string,
  bytes = 100,
  mailParameters?: string,
): Promise<string> {
  const message = Buffer.from(
    `Subject: ${subject}\r\nMessage-Id: <${Math.random()}@outside.test>\r\n\r\n${'x'.repeat(70)}\r\n`.padEnd(
      bytes,
      'y',
    ),
  );
  try {
    const [reply = ''] = await sendRaw({
      to: { port },
      sender: SENDER,
      recipients: [recipient],
      message,
      ...(mailParameters === undefined ? {} : { mailParameters }),
    });
    return reply.startsWith('250') ? '' : reply;
  } catch (error) {
    return (error as Error).message.replace(/^expected \d+: /, '');
  }
}

/** Waits until the running daemon answers for an address that a command has just made. */
async function aliasKnown(address: string): Promise<void> {
  await waitUntil(
    `the daemon to know ${address}`,
    5000,
    async () => (await askTcp({ port: virtualAlias }, [address]))[0]?.startsWith('id_') === true,
  );
}

/** The mailboxes that a subject arrived in. */
async function arrivals(subject: string, count: number): Promise<string[]> {
  const here = () =>
    mailboxes
      .deliveries()
      .filter(({ message }) => message.includes(`Subject: ${subject}\r\n`))
      .map(({ recipient }) => recipient);
  await waitUntil(
    `${subject} in ${count} mailboxes`,
    15_000,
    () => here().length >= count,
    async () => `${here()}\n${await postfix.log()}`,
  );
  return here().sort();
}

describe.each(['tcp', 'socketmap', 'policy'] as const)('at RCPT time, through %s,', (protocol) => {
  it.each([
    ['nobody@seal.test', /^55\d 5\.1\.1 .*No such recipient here/],
    ['"al\\\\ice"@seal.test', /^55\d 5\.1\.1 .*No such recipient here/],
    ['bob@seal.test', /^55\d 5\.2\.1 .*This mailbox is disabled/],
    ['full@seal.test', /^45\d 4\.2\.2 .*mailbox is full/],
  ])('%s is refused', async (recipient, reply) => {
    expect(await send(listeners[protocol], recipient, 'refused')).toMatch(reply);
  });

  it('a user is accepted, and the mail arrives under the id', async () => {
    const subject = `for nearly by ${protocol}`;
    expect(await send(listeners[protocol], 'Nearly+ext@SEAL.test', subject)).toBe('');
    expect(await arrivals(subject, 1)).toEqual(['id_4@seal.test']);
  });
});

describe('a name with backslashes in it', () => {
  // After the quoted form Postfix asks for the name without its quotes.
  it('is nobody’s, whomever it would name without them', async () => {
    expect(await send(unchecked, '"al\\\\ice"@seal.test', 'not for alice')).toMatch(
      /^55\d 5\.1\.1 .*unknown/,
    );
  });
});

describe('mail', () => {
  it('for a user with a forward reaches the mailbox and the outside address', async () => {
    expect(await send(postfix.submitPort, 'alice@seal.test', 'forwarded')).toBe('');
    expect(await arrivals('forwarded', 2)).toEqual(['alice@forward.test', 'id_1@seal.test']);
  });

  it('for an alias reaches everybody once, the outside address as it was written', async () => {
    expect(await send(postfix.submitPort, 'team@seal.test', 'team')).toBe('');
    expect(await arrivals('team', 4)).toEqual([
      'Carol@outside.test',
      'alice@forward.test',
      'id_1@seal.test',
      'id_4@seal.test',
    ]);
  });

  it('for a renamed user goes to the same mailbox', async () => {
    await run('user', 'rename', 'nearly@seal.test', 'renamed@seal.test');
    await aliasKnown('renamed@seal.test');
    expect(await send(postfix.submitPort, 'renamed@seal.test', 'renamed')).toBe('');
    expect(await arrivals('renamed', 1)).toEqual(['id_4@seal.test']);
    // And to the old name of the same.
    expect(await send(postfix.submitPort, 'nearly@seal.test', 'old name')).toBe('');
    expect(await arrivals('old name', 1)).toEqual(['id_4@seal.test']);
    await run('user', 'rename', 'renamed@seal.test', 'nearly@seal.test', '--drop-old');
    await aliasKnown('nearly@seal.test');
  });

  it('that says its size is refused at RCPT when it does not fit', async () => {
    expect(await send(postfix.submitPort, 'nearly@seal.test', 'too large', 100, 'SIZE=5000')).toMatch(
      /^45\d 4\.2\.2/,
    );
  });

  it('that does not say its size is refused at its end', async () => {
    expect(await send(postfix.submitPort, 'nearly@seal.test', 'too large', 5000)).toMatch(/^45\d 4\.2\.2/);
  });
});

describe('`sealpost lookup`', () => {
  it('says what Postfix is told, with exit codes', async () => {
    const found = await sealpost.cli(['lookup', 'virtual_alias', 'team@seal.test']);
    const { stdout } = await mustRun('postmap', [
      '-c',
      postfix.configDir,
      '-q',
      'team@seal.test',
      `tcp:127.0.0.1:${virtualAlias}`,
    ]);
    expect([found.code, found.stdout.toString()]).toEqual([0, stdout.toString()]);
    const missing = await sealpost.cli(['lookup', 'virtual_alias', 'nobody@seal.test']);
    expect([missing.code, missing.stdout.toString()]).toEqual([1, '']);
    const json = await sealpost.cli([
      'lookup',
      'check_recipient',
      'nearly@seal.test',
      '--size',
      '2kB',
      '--json',
    ]);
    expect(json.json).toMatchObject({
      result: 'found',
      value: expect.stringMatching(/^DEFER_IF_PERMIT 4\.2\.2 /),
    });
    const wrong = await sealpost.cli(['lookup', 'aliases', 'x@seal.test']);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining(MAPS.join(', '))]);
  });

  it('ends with 75 for a loop', async () => {
    await run('alias', 'add', 'loop@seal.test', 'loop@seal.test');
    expect((await sealpost.cli(['lookup', 'virtual_alias', 'loop@seal.test'])).code).toBe(75);
  });
});

describe('`sealpost fingerprint`', () => {
  const print = Array.from({ length: 32 }, () => 'C4').join(':');
  it('adds, lists and removes, and the daemon follows', async () => {
    await run('fingerprint', 'add', print.replaceAll(':', '').toLowerCase(), '--expires', '2999-12-31');
    expect(await run('fingerprint', 'list')).toContain(`${print}  2999-12-31`);
    expect(await run('lookup', 'client_fingerprint', print)).toBe(`${print} 2999-12-31\n`);
    expect((await sealpost.cli(['fingerprint', 'add', 'xyz', '--expires', '2999-12-31'])).code).toBe(1);
    expect((await sealpost.cli(['fingerprint', 'add', print, '--expires', 'tomorrow'])).code).toBe(1);
    await run('fingerprint', 'remove', print, '--yes');
    expect((await sealpost.cli(['lookup', 'client_fingerprint', print])).code).toBe(1);
  });
});

describe('`sealpost user show`', () => {
  it('tells quota and usage', async () => {
    await run('user', 'set', 'nearly@seal.test', '--quota-messages', '7');
    const { json } = await sealpost.cli(['user', 'show', 'nearly@seal.test', '--json']);
    expect(json).toMatchObject({ quota: 1000, quota_messages: 7, used: { bytes: 0, messages: 0 } });
    expect(await run('user', 'show', 'nearly@seal.test')).toContain('1000 bytes, 7 messages');
  });
});
