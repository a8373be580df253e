// The way into the queue: what becomes of each kind of spool file and of mail by LMTP, with the real `sealpost serve`.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { resetTreePeak, treePeakMegabytes, treeResidentMegabytes } from '../../bench/process-tree.ts';
import { waitUntil } from '../support/child.ts';
import { makeKey } from '../support/keys.ts';
import {
  ALICE_ID,
  DOMAIN,
  type ReceiverStand,
  spooled,
  startReceiverStand,
  ULLA_ID,
} from '../support/receiver-stand.ts';
import { sendRaw } from '../support/submit.ts';

let stand: ReceiverStand;
let serial = 0;
function nextName(): string {
  serial += 1;
  return `17640960${10 + serial}.V801I1M${serial}.mx.example.org`;
}

beforeAll(async () => {
  // A single connection: nothing may wait for a second one while it holds the first.
  stand = await startReceiverStand({ max_age: '1d' }, { database: { pool_size: 1 } });
}, 120_000);
afterAll(() => stand?.close());
beforeEach(async () => {
  await stand.query('DELETE FROM incoming');
  stand.bounces.clear();
});

/** What left for other domains: a user whose keys change gets letters, too. */
const returned = () =>
  stand.bounces.deliveries().filter(({ recipient }) => !recipient.endsWith(`@${DOMAIN}`));

const ALICE_PATH = `id_1@${DOMAIN}`;
const ULLA_PATH = `id_2@${DOMAIN}`;
const reasonOf = (name: string): string =>
  readFileSync(join(stand.spool, 'failed', `${name}.reason`), 'utf8');

/** Sends a message by LMTP. @returns one reply for each recipient */
const send = (recipients: readonly string[], message: string) =>
  sendRaw({
    to: { port: stand.lmtpPort },
    protocol: 'lmtp',
    sender: 'bob@outside.test',
    recipients,
    message: Buffer.from(message),
  });

/** A file that came two days ago: longer than max_age. */
function deliverOld(name: string, message: string): void {
  const path = join(stand.spool, 'tmp', name);
  writeFileSync(path, message);
  const then = Date.now() / 1000 - 2 * 86_400;
  utimesSync(path, then, then);
  execFileSync('mv', [path, join(stand.spool, 'new', name)]);
}

async function setAsideAs(name: string, reason: RegExp): Promise<void> {
  await waitUntil(
    `${name} in failed/`,
    20_000,
    () => stand.names('failed').includes(name),
    stand.sealpost.log,
  );
  expect(reasonOf(name)).toMatch(reason);
  expect(reasonOf(name).split('\n')).toHaveLength(2);
  await waitUntil(`${name} to leave new/`, 20_000, () => !stand.names('new').includes(name));
}

describe('a message in the spool', () => {
  it('is in the queue once, decrypts to exactly the bytes of the file, and the file is gone', async () => {
    const message = Buffer.from(
      spooled(ALICE_PATH, { subject: 'Gr\u00fc\u00dfe' }, 'From here\r\n.\n\0 caf\xe9\n\n'),
      'latin1',
    );
    stand.deliver(nextName(), message);
    const [row] = await stand.waitForQueue(ALICE_ID, 1);
    await stand.waitForEmptySpool();
    expect(row && (await stand.open(row)).equals(message)).toBe(true);
    expect(row?.id).toMatch(/^[0-9a-f]{32}$/);
    expect(row?.size).toBe(row?.content.length);
    expect(await stand.metric('sealpost_receiver_filed_total{source="spool"}')).toBeGreaterThan(0);
  });

  it('that is encrypted already is sealed all the same, so that its header is not readable', async () => {
    const armored = (
      await stand.gpg.run(['-a', '-e', '--trust-model', 'always', '-r', `alice@${DOMAIN}`], 'x')
    ).stdout;
    const message = spooled(ALICE_PATH, { subject: 'cleartext-subject' }, armored.toString('latin1'));
    stand.deliver(nextName(), message);
    const [row] = await stand.waitForQueue(ALICE_ID, 1);
    expect(row?.content.includes('cleartext-subject')).toBe(false);
    expect(row && (await stand.open(row)).toString('latin1')).toBe(message);
  });

  it('goes to the topmost Delivered-To, whatever the sender wrote below', async () => {
    const forged = spooled(ALICE_PATH, {
      header: `Delivered-To: ${ULLA_PATH}\nX-Original-To: ulla@${DOMAIN}\n`,
    });
    stand.deliver(nextName(), forged);
    await stand.waitForQueue(ALICE_ID, 1);
    await stand.waitForEmptySpool();
    expect(await stand.queue(ULLA_ID)).toEqual([]);
  });

  it('under a name that was used before is another message', async () => {
    const name = nextName();
    stand.deliver(name, spooled(ALICE_PATH, { subject: 'first' }));
    await stand.waitForQueue(ALICE_ID, 1);
    await stand.query('DELETE FROM incoming');
    await stand.waitForEmptySpool();
    stand.deliver(name, spooled(ALICE_PATH, { subject: 'second' }));
    const [row] = await stand.waitForQueue(ALICE_ID, 1);
    expect(row && (await stand.open(row)).toString()).toContain('Subject: second');
  });

  it('that was filed and acknowledged before its file was removed is not filed again', async () => {
    const name = nextName();
    const message = spooled(ALICE_PATH, { subject: 'once' });
    stand.deliver(name, message);
    await stand.waitForQueue(ALICE_ID, 1);
    await stand.waitForEmptySpool();
    await stand.query('DELETE FROM incoming');
    stand.deliver(name, message);
    await stand.waitForEmptySpool();
    expect(await stand.queue(ALICE_ID)).toEqual([]);
  });

  it('of 50 MB is filed in chunks and comes out whole, with one copy of it in memory', async () => {
    const line = `${'0123456789abcdef'.repeat(4)}\n`;
    const large = (megabytes: number): string =>
      spooled(ALICE_PATH, { subject: 'large' }, line.repeat(Math.ceil((megabytes * 2 ** 20) / line.length)));
    const pid = stand.sealpost.pid() ?? 0;
    // The first large message starts the worker threads, which stay.
    stand.deliver(nextName(), large(8));
    await stand.waitForQueue(ALICE_ID, 1, 60_000);
    await stand.query('DELETE FROM incoming');
    resetTreePeak(pid);
    const before = treeResidentMegabytes(pid);
    const message = large(50);
    stand.deliver(nextName(), message);
    const [row] = await stand.waitForQueue(ALICE_ID, 1, 120_000);
    // Ciphertext, and what waits for the garbage collector; measured: 70 to 95. A second copy would make it 150.
    expect(treePeakMegabytes(pid) - before).toBeLessThan(130);
    expect(row?.chunks).toBeGreaterThan(90);
    expect(row && (await stand.open(row)).equals(Buffer.from(message))).toBe(true);
  });
});

describe('a large message for an alias', () => {
  const TEAM = `team@${DOMAIN}`;
  let readers: readonly number[];
  const body = `${'0123456789abcdef'.repeat(4)}\n`.repeat(90_000);

  beforeAll(async () => {
    const addresses = ['rita', 'sam'].map((name) => `${name}@${DOMAIN}`);
    for (const address of addresses) {
      await stand.must(['user', 'add', address]);
      await stand.must(['key', 'import', '-'], (await makeKey(stand.gpg, address)).publicKey);
    }
    await stand.must(['alias', 'add', TEAM, `alice@${DOMAIN}`, ...addresses]);
    const rows = await stand.query<{ id: number }>('SELECT id FROM users WHERE id > 2 ORDER BY id');
    readers = [ALICE_ID, ...rows.map(({ id }) => id)];
  });

  async function expectForAll(message: string): Promise<void> {
    for (const reader of readers) {
      const rows = await stand.queue(reader);
      expect(rows).toHaveLength(1);
      expect(rows[0] && (await stand.open(rows[0])).equals(Buffer.from(message))).toBe(true);
    }
  }

  it('comes to all of its readers or, while the queue of one is full, to none', async () => {
    const message = spooled(TEAM, { subject: 'team' }, body);
    const full = readers.at(-1);
    // Room for the plaintext: that the ciphertext is larger is known when the other copies have been inserted.
    await stand.query('UPDATE users SET quota_bytes = $2 WHERE id = $1', [full, message.length + 1]);
    stand.deliver(nextName(), message);
    const waits = async () =>
      (await stand.query('SELECT FROM spool_attempts WHERE because = $1', ['over quota'])).length === 1;
    await waitUntil('the message to wait', 60_000, waits, stand.sealpost.log);
    for (const reader of readers) expect(await stand.queue(reader)).toEqual([]);
    await stand.query('UPDATE users SET quota_bytes = NULL WHERE id = $1', [full]);
    await stand.waitForEmptySpool(60_000);
    await expectForAll(message);
  });

  it('comes to all of its readers by LMTP, too', async () => {
    const message = `Subject: team\r\n\r\n${body.replaceAll('\n', '\r\n')}`;
    const replies = await send([TEAM], message);
    expect(replies.map((reply) => reply.slice(0, 9))).toEqual(['250 2.0.0']);
    await expectForAll(message);
  });
});

describe('a file that is no message', () => {
  it('is not looked at while it is in tmp/ or its name begins with a dot', async () => {
    writeFileSync(join(stand.spool, 'tmp', 'half'), spooled(ALICE_PATH).slice(0, 50));
    writeFileSync(join(stand.spool, 'new', '.hidden'), spooled(ALICE_PATH));
    stand.deliver(nextName(), spooled(ALICE_PATH));
    await stand.waitForQueue(ALICE_ID, 1);
    await waitUntil('the spool to be worked off', 20_000, () => stand.names('new').join() === '.hidden');
    expect(await stand.queue(ALICE_ID)).toHaveLength(1);
    execFileSync('rm', [join(stand.spool, 'new', '.hidden'), join(stand.spool, 'tmp', 'half')]);
  });

  it('is set aside in failed/ with its reason when it is empty, names nobody, or is no regular file', async () => {
    const [empty, nobody, link, folder, pipe] = [1, 2, 3, 4, 5].map(nextName) as [
      string,
      string,
      string,
      string,
      string,
    ];
    const secret = join(stand.places.dir, 'secret');
    writeFileSync(secret, spooled(ALICE_PATH));
    stand.deliver(empty, '');
    stand.deliver(nobody, 'From: bob@outside.test\nSubject: x\n\nbody\n');
    symlinkSync(secret, join(stand.spool, 'new', link));
    mkdirSync(join(stand.spool, 'new', folder));
    execFileSync('mkfifo', [join(stand.spool, 'new', pipe)]);
    await setAsideAs(empty, /empty/);
    await setAsideAs(nobody, /no Delivered-To/);
    await setAsideAs(link, /symbolic link/);
    await setAsideAs(folder, /directory/);
    await setAsideAs(pipe, /not a regular file/);
    expect(await stand.queue(ALICE_ID)).toEqual([]);
    expect(readFileSync(secret, 'utf8')).toBe(spooled(ALICE_PATH));
  });

  it('does not replace another one of the same name in failed/', async () => {
    const name = nextName();
    stand.deliver(name, '');
    await setAsideAs(name, /empty/);
    stand.deliver(name, 'no header');
    await waitUntil('the second one', 20_000, () => stand.names('failed').includes(`${name}.2`));
    expect(reasonOf(`${name}.2`)).toMatch(/no Delivered-To/);
    expect(reasonOf(name)).toMatch(/empty/);
  });
});

describe('a message that cannot be filed', () => {
  it('waits for a key with its attempts written down, and is filed as soon as one is imported', async () => {
    const name = nextName();
    stand.deliver(name, spooled(ULLA_PATH));
    const attempts = () =>
      stand.query<{ attempts: number; because: string }>('SELECT attempts, because FROM spool_attempts');
    await waitUntil('two attempts', 20_000, async () => ((await attempts())[0]?.attempts ?? 0) >= 2);
    expect((await attempts())[0]?.because).toBe('no key');
    await stand.sealpost.restart();
    await waitUntil(
      'attempts to go on, not to begin again',
      20_000,
      async () => ((await attempts())[0]?.attempts ?? 0) >= 3,
    );
    expect(stand.names('new')).toEqual([name]);
    expect(stand.bounces.deliveries()).toEqual([]);

    await stand.must(['key', 'import', '--for', `ulla@${DOMAIN}`, '--yes', '-'], stand.alice.publicKey);
    await stand.waitForQueue(ULLA_ID, 1);
    await stand.waitForEmptySpool();
    expect(await attempts()).toEqual([]);
    await stand.query('DELETE FROM keys WHERE user_id = $1', [ULLA_ID]);
    await sleep(300);
  });

  it('is returned after max_age with its header only, from nobody, and without the internal id', async () => {
    const name = nextName();
    deliverOld(
      name,
      spooled(ULLA_PATH, { subject: 'late', original: `ulla@${DOMAIN}` }, 'the secret body\n'),
    );
    await waitUntil('what is returned', 30_000, () => returned().length >= 1);
    await stand.waitForEmptySpool();
    const [bounce] = returned();
    const text = bounce?.message.toString('latin1') ?? '';
    expect([bounce?.sender, bounce?.recipient]).toEqual(['', 'bob@outside.test']);
    expect(text).toContain('Content-Type: multipart/report; report-type=delivery-status');
    expect(text).toContain(`Final-Recipient: rfc822; ulla@${DOMAIN}`);
    expect(text).toContain('Action: failed');
    expect(text).toContain('References: <m1.late@outside.test>');
    expect(text).toContain('Auto-Submitted: auto-replied');
    expect(text).toContain('Subject: late');
    expect(text).not.toContain('id_2');
    expect(text).not.toContain('secret body');
    expect(text.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
    expect(stand.names('failed')).not.toContain(name);
    expect(await stand.metric('sealpost_receiver_bounced_total')).toBeGreaterThan(0);
  });

  it('for an unknown recipient is returned at once, naming the primary address where only the id is known', async () => {
    stand.deliver(nextName(), spooled(`nobody@${DOMAIN}`));
    await waitUntil('what is returned', 30_000, () => returned().length >= 1);
    expect(returned()[0]?.message.toString()).toMatch(/Status: 5\.1\.1/);
    stand.bounces.clear();
    stand.deliver(nextName(), spooled(`id_99@${DOMAIN}`));
    await waitUntil('what is returned', 30_000, () => returned().length >= 1);
    expect(returned()[0]?.message.toString()).not.toContain('id_99');
    await stand.waitForEmptySpool();
  });

  it('from nobody, a list or a machine is never returned, and set aside', async () => {
    const cases: readonly [string, string][] = [
      [spooled(`nobody@${DOMAIN}`, { sender: '' }), 'null sender'],
      [spooled(`nobody@${DOMAIN}`, { header: 'List-Id: <x.outside.test>\n' }), 'list-id'],
      [spooled(`nobody@${DOMAIN}`, { header: 'Precedence: bulk\n' }), 'precedence'],
      [spooled(`nobody@${DOMAIN}`, { header: 'Auto-Submitted: auto-replied\n' }), 'auto-submitted'],
      [`Delivered-To: nobody@${DOMAIN}\nSubject: x\n\nbody\n`, 'no Return-Path'],
    ];
    for (const [message, reason] of cases) {
      const name = nextName();
      stand.deliver(name, message);
      await setAsideAs(name, new RegExp(reason));
    }
    expect(returned()).toEqual([]);
  });

  it('stays until the next hop takes the bounce, and is set aside when it refuses it', async () => {
    stand.bounces.behave({ recipient: () => '450 4.2.0 later' }, 2);
    stand.deliver(nextName(), spooled(`nobody@${DOMAIN}`));
    await waitUntil('what is returned', 30_000, () => returned().length >= 1);
    await stand.waitForEmptySpool();
    expect(returned()).toHaveLength(1);
    stand.bounces.clear();
    stand.bounces.behave({ recipient: () => '550 5.1.1 who?' });
    const name = nextName();
    stand.deliver(name, spooled(`nobody@${DOMAIN}`));
    await setAsideAs(name, /bounce was refused/);
  });

  it('waits while the queue of its user is full, and is filed when there is room', async () => {
    await stand.query('UPDATE users SET quota_messages = 2 WHERE id = $1', [ALICE_ID]);
    for (let count = 0; count < 3; count += 1)
      stand.deliver(nextName(), spooled(ALICE_PATH, { subject: `m${count}` }));
    await stand.waitForQueue(ALICE_ID, 2);
    await waitUntil(
      'the third to wait',
      20_000,
      async () =>
        (await stand.query('SELECT FROM spool_attempts WHERE because = $1', ['over quota'])).length === 1,
    );
    expect(await stand.queue(ALICE_ID)).toHaveLength(2);
    const lookup = await stand.sealpost.cli(['lookup', 'check_recipient', `alice@${DOMAIN}`]);
    expect(lookup.stdout.toString()).toContain('4.2.2');
    await stand.query('DELETE FROM incoming WHERE number = (SELECT min(number) FROM incoming)');
    await stand.waitForEmptySpool();
    expect(await stand.queue(ALICE_ID)).toHaveLength(2);
    await stand.query('UPDATE users SET quota_messages = NULL WHERE id = $1', [ALICE_ID]);
  });

  it('turns health red when it has waited too long', async () => {
    const name = nextName();
    const path = join(stand.spool, 'tmp', name);
    writeFileSync(path, spooled(ULLA_PATH));
    const then = Date.now() / 1000 - 2 * 3600;
    utimesSync(path, then, then);
    execFileSync('mv', [path, join(stand.spool, 'new', name)]);
    const ready = async () => fetch(`http://127.0.0.1:${stand.places.observePort}/readyz`);
    await waitUntil('health to be red', 20_000, async () => (await ready()).status === 503);
    expect(await (await ready()).text()).toContain('oldest spool file');
    await waitUntil(
      'the gauge',
      20_000,
      async () => (await stand.metric('sealpost_receiver_spool_oldest_seconds')) > 7000,
    );
    execFileSync('rm', [join(stand.spool, 'new', name)]);
    await waitUntil('health to be green', 20_000, async () => (await ready()).status === 200);
  });
});

describe('mail by LMTP', () => {
  it('is answered for each recipient, after the commit', async () => {
    const message = 'From: bob@outside.test\r\nSubject: lmtp\r\n\r\n.dot\r\n';
    const replies = await send(
      [`alice@${DOMAIN}`, `ulla@${DOMAIN}`, `nobody@${DOMAIN}`, `alice+x@${DOMAIN}`],
      message,
    );
    expect(replies.map((reply) => reply.slice(0, 9))).toEqual([
      '250 2.0.0',
      '450 4.7.5',
      '550 5.1.1',
      '250 2.0.0',
    ]);
    const rows = await stand.queue(ALICE_ID);
    expect(rows).toHaveLength(2);
    for (const row of rows) expect((await stand.open(row)).toString()).toBe(message);
  });

  it('that is sent again after our reply has reached the client is another message', async () => {
    const message = 'Subject: again\r\n\r\nbody\r\n';
    await send([`alice@${DOMAIN}`], message);
    await sleep(500);
    await send([`alice@${DOMAIN}`], message);
    expect(await stand.queue(ALICE_ID)).toHaveLength(2);
  });

  it('is deferred with 4.2.2 while the queue is full', async () => {
    await stand.query('UPDATE users SET quota_bytes = 10 WHERE id = $1', [ALICE_ID]);
    const [reply] = await send([`alice@${DOMAIN}`], 'Subject: x\r\n\r\nbody\r\n');
    await stand.query('UPDATE users SET quota_bytes = NULL WHERE id = $1', [ALICE_ID]);
    expect(reply).toMatch(/^452 4\.2\.2/);
  });
});
