// The whole way to a reader: Postfix -> sealpost -> Dovecot, wired as postfix-examples/delivery-lmtp, and from Dovecot by IMAP
// to a mail program. What Dovecot stores and serves is what sealpost sent, byte for byte, and gpg opens it.
import { join } from 'node:path';
import { ImapFlow } from 'imapflow';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitUntil } from '../support/child.ts';
import { createGpgHome, type GpgHome, gpgDecrypt, makeKey } from '../support/keys.ts';
import { type LmtpTap, startLmtpTap } from '../support/lmtp-tap.ts';
import { allocatePlaces, exampleSubstitutions, type Places } from '../support/places.ts';
import { type PrivateDovecot, startDovecot } from '../support/private-dovecot.ts';
import { type PrivatePostfix, startPostfix } from '../support/private-postfix.ts';
import { createSealpost, type SealpostProcess } from '../support/sealpost-process.ts';
import { sendRaw } from '../support/submit.ts';
import { firstDifference, unsealAndCompare } from '../support/unseal.ts';

const DOMAIN = 'seal.test';
const ALICE = `alice@${DOMAIN}`;
const ULLA = `ulla@${DOMAIN}`;
const SENDER = 'carol@outside.test';
const EXAMPLE = 'delivery-lmtp';

let places: Places;
let dovecot: PrivateDovecot;
let tap: LmtpTap;
let gpg: GpgHome;
let sealpost: SealpostProcess;
let postfix: PrivatePostfix;

beforeAll(async () => {
  places = await allocatePlaces();
  dovecot = await startDovecot({ dir: join(places.dir, 'dovecot') });
  tap = await startLmtpTap(places.dovecotSocket, dovecot.lmtpSocket);
  const substitutions = exampleSubstitutions(places);
  sealpost = await createSealpost({ places, example: EXAMPLE, substitutions });
  gpg = await createGpgHome();
  await sealpost.start();
  const key = await makeKey(gpg, ALICE);
  const commands: readonly (readonly [args: readonly string[], stdin: string])[] = [
    [['domain', 'add', DOMAIN], ''],
    [['user', 'add', ALICE], ''],
    [['user', 'add', ULLA], ''],
    [['key', 'import', '-'], key.publicKey],
  ];
  for (const [args, stdin] of commands) {
    await sealpost.must(args, stdin);
  }
  postfix = await startPostfix({
    places,
    example: EXAMPLE,
    substitutions,
    mailboxes: `lmtp:unix:${places.dovecotSocket}`,
    domains: [DOMAIN],
  });
});

afterAll(async () => {
  await postfix?.stop();
  await sealpost?.close();
  await gpg?.close();
  await tap?.close();
  await dovecot?.stop();
  await places?.remove();
});

/** Sends one message by SMTP and waits until Postfix has got rid of it. */
async function send(recipient: string, body: string): Promise<Buffer> {
  const message = Buffer.from(
    `From: <${SENDER}>\r\nTo: <${recipient}>\r\nSubject: for the reader\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n${body}`,
    'latin1',
  );
  await sendRaw({
    to: { port: postfix.submitPort },
    sender: SENDER,
    recipients: [recipient],
    mailParameters: 'BODY=8BITMIME',
    message,
  });
  await postfix.waitForEmptyQueue(60_000);
  return message;
}

/** Every message of an inbox, as an IMAP client gets it. */
async function fetchAll(address: string): Promise<Buffer[]> {
  const client = new ImapFlow({
    host: '127.0.0.1',
    port: dovecot.imapPort,
    secure: false,
    auth: { user: address, pass: dovecot.password },
    logger: false,
  });
  await client.connect();
  try {
    const { exists } = await client.mailboxOpen('INBOX', { readOnly: true });
    const messages: Buffer[] = [];
    if (exists === 0) return messages;
    for await (const { source } of client.fetch('1:*', { source: true }))
      messages.push(source ?? Buffer.alloc(0));
    return messages;
  } finally {
    await client.logout();
  }
}

function inCrlf(stored: Buffer): Buffer {
  return Buffer.from(stored.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1');
}

/** What Dovecot put on top (Return-Path, Delivered-To, Received) taken off: the rest must be what was sent, to the last byte. */
function expectUnchanged(found: Buffer, sent: Buffer, where: string): void {
  const rest = found.subarray(found.length - sent.length);
  expect(firstDifference(sent, rest), where).toBeNull();
  const added = found.subarray(0, found.length - sent.length).toString('latin1');
  expect(added, where).toMatch(
    /^(?:(?:Return-Path|Delivered-To|Received):[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)*$/,
  );
}

const BODY = `Gr\xfc\xdfe\r\n.\r\n..\r\n${'L'.repeat(900)}\r\n \t\r\n\r\nlast line\r\n`;

describe('Dovecot behind sealpost', () => {
  it('stores a sealed message unchanged, serves it by IMAP unchanged, and gpg opens it', async () => {
    const original = await send(ALICE, BODY);
    await waitUntil('the message in the mailbox', 10_000, async () => (await fetchAll(ALICE)).length === 1);
    const [sent = Buffer.alloc(0), ...more] = tap.messages();
    expect(more).toHaveLength(0);
    const [served = Buffer.alloc(0)] = await fetchAll(ALICE);
    const [stored = Buffer.alloc(0)] = await dovecot.stored(ALICE);
    expectUnchanged(served, sent, 'served by IMAP');
    expectUnchanged(inCrlf(stored), sent, 'stored');
    const { outer } = await unsealAndCompare(original, served, gpgDecrypt(gpg));
    expect(outer.map(({ name }) => name)).toContain('Sealpost-Status');
    expect(served.includes('last line')).toBe(false);
  });

  it('gets the mail of a user without a key as it came', async () => {
    const original = await send(ULLA, BODY);
    await waitUntil('the message in the mailbox', 10_000, async () => (await fetchAll(ULLA)).length === 1);
    const [served = Buffer.alloc(0)] = await fetchAll(ULLA);
    expect(served.subarray(-BODY.length).equals(Buffer.from(BODY, 'latin1'))).toBe(true);
    expect(served.includes('Sealpost-Status')).toBe(false);
    expect(served.includes(original.subarray(0, 30))).toBe(true);
  });

  it('away for a while, gets the mail when it is back, once', async () => {
    const before = (await fetchAll(ALICE)).length;
    await dovecot.stop();
    await sendRaw({
      to: { port: postfix.submitPort },
      sender: SENDER,
      recipients: [ALICE],
      message: Buffer.from(`From: <${SENDER}>\r\nSubject: later\r\n\r\nlater\r\n`),
    });
    await waitUntil('Postfix to keep the message', 20_000, async () =>
      (await postfix.queue()).some(({ recipients }) =>
        recipients.some((one) => one.delay_reason !== undefined),
      ),
    );
    dovecot = await startDovecot({ dir: join(places.dir, 'dovecot') });
    await postfix.flush();
    await postfix.waitForEmptyQueue(60_000);
    expect(await fetchAll(ALICE)).toHaveLength(before + 1);
  });
});
