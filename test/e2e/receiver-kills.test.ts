// Exactly once, whatever dies: 300 messages while the receiver is killed 10 times and PostgreSQL is restarted once, then two
// receivers on one spool; and nothing of any message is readable in the database or below state_dir.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitUntil } from '../support/child.ts';
import {
  deliverGroup,
  expectedSubjects,
  gone,
  killAgainAndAgain,
  MARKER,
  nameOf,
  type Receivers,
  receiversOf,
  subjects,
} from '../support/receiver-chaos.ts';
import { DOMAIN, type ReceiverStand, spooled, startReceiverStand } from '../support/receiver-stand.ts';

// test/long/chaos kills it a thousand times.
const MESSAGES = 300;
const KILLS = 10;

let stand: ReceiverStand;
let receivers: Receivers;

beforeAll(async () => {
  stand = await startReceiverStand({ minimal_backoff: '100ms' }, { encryption: { on_missing_key: 'defer' } });
  receivers = receiversOf(stand);
  // The receivers of these tests run by themselves, without the filter.
  await stand.sealpost.stop();
}, 120_000);
afterAll(async () => {
  receivers?.killAll();
  await stand?.close();
});

describe('the receiver', () => {
  it(`killed ${KILLS} times and without PostgreSQL once files each of ${MESSAGES} messages exactly once`, async () => {
    await killAgainAndAgain(stand, receivers, { messages: MESSAGES, kills: KILLS, patience: 120_000 });
  }, 900_000);

  it('shares one spool and one database with another one, without a double', async () => {
    await stand.query('DELETE FROM incoming');
    const other = join(stand.places.dir, 'second.toml');
    const config = readFileSync(stand.sealpost.configPath, 'utf8');
    writeFileSync(other, config.replace(/^listen = .*127\.0\.0\.1:\d+.*$/gm, ''));
    deliverGroup(stand, 'pair', 0, 200);
    const pair = [receivers.start(other), receivers.start(other)];
    await stand.waitForEmptySpool(150_000);
    deliverGroup(stand, 'pair', 200, 300);
    await stand.waitForEmptySpool(150_000);
    for (const receiver of pair) {
      receiver.kill('SIGTERM');
      await gone(receiver);
      expect(receiver.exitCode).toBe(0);
    }
    expect(await subjects(stand)).toEqual(expectedSubjects('pair', 300));
  }, 300_000);

  it('leaves no marker of content, subject or sender in the database or below state_dir', async () => {
    const waiting = spooled(`id_2@${DOMAIN}`, { subject: `${MARKER}-waits` });
    stand.deliver(nameOf('waits', 1), waiting);
    const receiver = receivers.start();
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
