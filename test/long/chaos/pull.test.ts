// What test/e2e/pull-killed.test.ts does a few times, a thousand times.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { killPullAgainAndAgain, letter } from '../../support/pull-chaos.ts';
import { createQueueStand, type QueueStand, type QueueUser } from '../../support/queue-stand.ts';
import { progressOf } from '../progress.ts';

const MESSAGES = 40_000;
const KILLS = 1000;

let stand: QueueStand;
let user: QueueUser;

beforeAll(async () => {
  stand = await createQueueStand();
  user = await stand.user('alice@example.org');
});
afterAll(() => stand?.close());

it(`pull killed ${KILLS} times delivers each of ${MESSAGES} messages exactly once`, async () => {
  const keyFile = join(stand.places.dir, 'secret.asc');
  await writeFile(keyFile, user.key.secretKey, { mode: 0o600 });
  const run = await killPullAgainAndAgain(stand, user, {
    messages: MESSAGES,
    kills: KILLS,
    args: ['--key-file', keyFile],
    name: 'by-key-file',
    progress: progressOf('pull', KILLS, 'kills'),
  });
  expect({ code: run.last.code, stderr: run.last.stderr.slice(-500) }).toMatchObject({ code: 0 });
  expect([...run.numbers].sort((a, b) => a - b)).toEqual(
    Array.from({ length: MESSAGES }, (_, number) => number),
  );
  for (const [index, number] of run.numbers.entries()) expect(run.mails[index]).toEqual(letter(number));
  expect(run.left).toEqual([]);
});
