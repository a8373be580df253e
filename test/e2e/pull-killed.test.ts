// Killed at random moments, nothing lost, nothing doubled: `sealpost-pull`, while a mail program takes the mail out of new/ at
// once. test/long/chaos kills it a thousand times.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { killPullAgainAndAgain, letter } from '../support/pull-chaos.ts';
import { createQueueStand, type QueueStand, type QueueUser } from '../support/queue-stand.ts';

let stand: QueueStand;
let user: QueueUser;

beforeAll(async () => {
  stand = await createQueueStand();
  user = await stand.user('alice@example.org');
});
afterAll(() => stand?.close());

describe('pull that is killed at random moments, beside a mail program that moves new mail away', () => {
  it('delivers each of 300 messages exactly once through 8 kills (key file)', async () => {
    const keyFile = join(stand.places.dir, 'secret.asc');
    await writeFile(keyFile, user.key.secretKey, { mode: 0o600 });
    const run = await killPullAgainAndAgain(stand, user, {
      messages: 300,
      kills: 8,
      args: ['--key-file', keyFile],
      name: 'by-key-file',
    });
    expect({ code: run.last.code, stderr: run.last.stderr.slice(-500) }).toMatchObject({ code: 0 });
    expect([...run.numbers].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 300 }, (_, number) => number),
    );
    for (const [index, number] of run.numbers.entries()) expect(run.mails[index]).toEqual(letter(number));
    expect(run.left).toEqual([]);
    expect((await stand.must(['queue', 'stats', user.address, '--json'])).json).toMatchObject({
      messages: 0,
    });
    // A kill that came after the end would prove nothing.
    expect(run.early).toBeLessThan(3);
  }, 900_000);

  it('delivers each of 100 messages exactly once through 6 kills (GnuPG)', async () => {
    const run = await killPullAgainAndAgain(stand, user, {
      messages: 100,
      kills: 6,
      args: [],
      name: 'by-gpg',
    });
    expect({ code: run.last.code, stderr: run.last.stderr.slice(-500) }).toMatchObject({ code: 0 });
    expect([...run.numbers].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 100 }, (_, number) => number),
    );
  });
});
