// Exactly once, whatever dies: 2,000 messages while the receiver is killed 50 times and PostgreSQL is restarted 5 times, then
// two receivers on one spool; and nothing of any message is readable in the database or below state_dir.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { decrypt, readMessage, readPrivateKeys } from 'openpgp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitUntil } from '../support/child.ts';
import {
  ALICE_ID,
  DOMAIN,
  type ReceiverStand,
  spooled,
  startReceiverStand,
} from '../support/receiver-stand.ts';
import { sealpostCommand } from '../support/sealpost-process.ts';

const MESSAGES = 2000;
const KILLS = 50;
const RESTARTS = 5;
const MARKER = 'zq-marker';

let stand: ReceiverStand;
const receivers = new Set<ChildProcess>();

beforeAll(async () => {
  stand = await startReceiverStand({ minimal_backoff: '100ms' }, { encryption: { on_missing_key: 'defer' } });
  // The receivers of these tests run by themselves, without the filter.
  await stand.sealpost.stop();
}, 120_000);
afterAll(async () => {
  for (const receiver of receivers) receiver.kill('SIGKILL');
  await stand?.close();
});

function startReceiver(config = stand.sealpost.configPath): ChildProcess {
  const { program, args } = sealpostCommand();
  const child = spawn(program, [...args, 'serve', '--only', 'receiver', '--config', config], {
    stdio: ['ignore', 'ignore', 'inherit'],
    cwd: stand.places.dir,
  });
  receivers.add(child);
  child.once('exit', () => receivers.delete(child));
  return child;
}

function gone(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
  });
}

const nameOf = (group: string, index: number) =>
  `${1_764_096_000 + index}.V801I${index}.${group}.mx.example.org`;

function deliver(group: string, from: number, to: number): void {
  for (let index = from; index < to; index += 1) {
    const subject = `${MARKER}-subject ${group} ${index}`;
    const message = spooled(
      `id_${ALICE_ID}@${DOMAIN}`,
      { subject, sender: `${MARKER}-sender@outside.test` },
      `${MARKER}-body ${index}\n`,
    );
    stand.deliver(nameOf(group, index), message);
  }
}

/** Every message of the queue, by its subject, decrypted. */
async function subjects(): Promise<string[]> {
  const decryptionKeys = await readPrivateKeys({ armoredKeys: stand.alice.secretKey });
  const found: string[] = [];
  for (const { content } of await stand.queue(ALICE_ID)) {
    const message = await readMessage({ binaryMessage: new Uint8Array(content) });
    const { data } = await decrypt({ message, decryptionKeys, format: 'binary' });
    found.push(/^Subject: (.*)$/m.exec(Buffer.from(data as Uint8Array).toString('latin1'))?.[1] ?? 'none');
  }
  return found.sort();
}

function expected(group: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${MARKER}-subject ${group} ${index}`).sort();
}

describe('the receiver', () => {
  it(`killed ${KILLS} times and without PostgreSQL ${RESTARTS} times files each of ${MESSAGES} messages exactly once`, async () => {
    const files = () => stand.names('new').length;
    let delivered = 0;
    for (let kill = 0; kill < KILLS; kill += 1) {
      const share = Math.ceil((MESSAGES * (kill + 1)) / KILLS);
      deliver('kill', delivered, share);
      delivered = share;
      const receiver = startReceiver();
      // Every other one is killed once it works, at a random moment; the others wherever they are in their start.
      if (kill % 2 === 0) {
        const before = files();
        await waitUntil('the receiver to file something', 60_000, () => files() < before);
        await sleep(Math.random() * 30);
      } else await sleep(100 + Math.random() * 900);
      if (kill % 10 === 5) {
        await stand.postgres.stop();
        await sleep(Math.random() * 200);
        await stand.postgres.start();
      }
      receiver.kill('SIGKILL');
      await gone(receiver);
    }
    const last = startReceiver();
    await stand.waitForEmptySpool(120_000);
    last.kill('SIGTERM');
    await gone(last);
    expect(last.exitCode).toBe(0);
    expect(await subjects()).toEqual(expected('kill', MESSAGES));
    expect(stand.names('failed')).toEqual([]);
    const counts = await stand.query(
      `SELECT c.messages = count(*) AS messages, c.bytes = sum(i.size) AS bytes
         FROM incoming_counts c JOIN incoming i USING (user_id) GROUP BY c.user_id, c.messages, c.bytes`,
    );
    expect(counts).toEqual([{ messages: true, bytes: true }]);
  }, 900_000);

  it('shares one spool and one database with another one, without a double', async () => {
    await stand.query('DELETE FROM incoming');
    const other = join(stand.places.dir, 'second.toml');
    const config = readFileSync(stand.sealpost.configPath, 'utf8');
    writeFileSync(other, config.replace(/^listen = .*127\.0\.0\.1:\d+.*$/gm, ''));
    deliver('pair', 0, 400);
    const pair = [startReceiver(other), startReceiver(other)];
    await stand.waitForEmptySpool(150_000);
    deliver('pair', 400, 600);
    await stand.waitForEmptySpool(150_000);
    for (const receiver of pair) {
      receiver.kill('SIGTERM');
      await gone(receiver);
      expect(receiver.exitCode).toBe(0);
    }
    expect(await subjects()).toEqual(expected('pair', 600));
  }, 300_000);

  it('leaves no marker of content, subject or sender in the database or below state_dir', async () => {
    const waiting = spooled(`id_2@${DOMAIN}`, { subject: `${MARKER}-waits` });
    stand.deliver(nameOf('waits', 1), waiting);
    const receiver = startReceiver();
    await waitUntil(
      'an attempt',
      60_000,
      async () => (await stand.query('SELECT FROM spool_attempts')).length > 0,
    );
    receiver.kill('SIGTERM');
    await gone(receiver);
    const tables = await stand.query<{ name: string }>(
      "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'",
    );
    expect(tables.map(({ name }) => name)).toEqual(expect.arrayContaining(['incoming', 'spool_attempts']));
    for (const { name } of tables) {
      const rows = await stand.query<{ row: string }>(
        `SELECT convert_from(convert_to(t::text, 'UTF8'), 'UTF8') AS row FROM "${name}" t`,
      );
      const all = rows.map(({ row }) => row).join('\n');
      for (const marker of [MARKER, Buffer.from(MARKER).toString('hex'), 'mx.example.org', '.V801I'])
        expect(all.includes(marker), `${marker} in ${name}`).toBe(false);
    }
    const state = join(stand.places.dir, 'state');
    for (const file of readdirSync(state, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    ))
      expect(readFileSync(join(file.parentPath, file.name)).includes(MARKER), file.name).toBe(false);
    execFileSync('rm', [join(stand.spool, 'new', nameOf('waits', 1))]);
  }, 120_000);
});
