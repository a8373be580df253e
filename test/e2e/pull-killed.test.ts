// "Killed 50 times at random moments, nothing lost, nothing doubled": `sealpost pull`, while a mail program takes the mail out
// of new/ at once.
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { actAsMailProgram, mailsIn, runPull, startPull } from '../support/pull-run.ts';
import { createQueueStand, maildirIn, type QueueStand, type QueueUser } from '../support/queue-stand.ts';

let stand: QueueStand;
let user: QueueUser;

beforeAll(async () => {
  stand = await createQueueStand();
  user = await stand.user('alice@example.org');
});
afterAll(() => stand?.close());

const MARK = /^marker (\d+)$/m;
const letter = (number: number): Buffer =>
  Buffer.from(
    `From: <bob@example.net>\nSubject: ${number}\n\nmarker ${number}\n${'x'.repeat(number % 3000)}\n`,
  );

/** Which files lie in tmp/: name and moment, since a name comes again. */
async function underWay(maildir: string): Promise<ReadonlySet<string>> {
  const tmp = join(maildir, 'tmp');
  const names = await readdir(tmp).catch(() => []);
  const files = names.map(
    async (name) => `${name} ${(await stat(join(tmp, name)).catch(() => null))?.ctimeMs}`,
  );
  return new Set(await Promise.all(files));
}

async function killedAgainAndAgain(messages: number, kills: number, args: readonly string[], name: string) {
  const maildir = maildirIn(stand, name);
  const elsewhere = `${maildir}-elsewhere`;
  await mkdir(elsewhere);
  await stand.file(
    user,
    Array.from({ length: messages }, (_, number) => letter(number)),
  );
  let reading = true;
  const mailProgram = (async () => {
    for (; reading; await sleep(15)) await actAsMailProgram(maildir, elsewhere);
  })();
  let startup = 1000;
  let early = 0;
  for (let kill = 1; kill <= kills; kill += 1) {
    const began = Date.now();
    const before = await underWay(maildir);
    const run = startPull({ stand, user, to: maildir, args });
    if (kill % 3 === 0) {
      // Anywhere, the start included.
      await sleep(Math.random() * startup * 1.3);
    } else {
      // In the middle of the work: something lies in tmp/, or has just left it.
      while (run.child.exitCode === null && Date.now() - began < 60_000) {
        if ([...(await underWay(maildir))].some((file) => !before.has(file))) break;
        await sleep(1);
      }
      startup = Date.now() - began;
      await sleep(Math.random() * 40);
    }
    if (run.child.exitCode !== null) early += 1;
    run.child.kill('SIGKILL');
    await run.ended;
  }
  const last = await runPull({ stand, user, to: maildir, args });
  reading = false;
  await mailProgram;
  const mails = await mailsIn(join(maildir, 'new'), join(maildir, 'cur'), elsewhere);
  const numbers = mails.map((mail) => Number(MARK.exec(mail.toString('latin1'))?.[1] ?? -1));
  return { last, mails, numbers, early, left: await readdir(join(maildir, 'tmp')) };
}

describe('pull that is killed at random moments, beside a mail program that moves new mail away', () => {
  it('delivers each of 2,000 messages exactly once through 50 kills (key file)', async () => {
    const keyFile = join(stand.places.dir, 'secret.asc');
    await writeFile(keyFile, user.key.secretKey, { mode: 0o600 });
    const run = await killedAgainAndAgain(2000, 50, ['--key-file', keyFile], 'by-key-file');
    expect({ code: run.last.code, stderr: run.last.stderr.slice(-500) }).toMatchObject({ code: 0 });
    expect([...run.numbers].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 2000 }, (_, number) => number),
    );
    for (const [index, number] of run.numbers.entries()) expect(run.mails[index]).toEqual(letter(number));
    expect(run.left).toEqual([]);
    expect((await stand.must(['queue', 'stats', user.address, '--json'])).json).toMatchObject({
      messages: 0,
    });
    // A kill that came after the end would prove nothing.
    expect(run.early).toBeLessThan(5);
  }, 900_000);

  it('delivers each of 100 messages exactly once through 6 kills (GnuPG)', async () => {
    const run = await killedAgainAndAgain(100, 6, [], 'by-gpg');
    expect({ code: run.last.code, stderr: run.last.stderr.slice(-500) }).toMatchObject({ code: 0 });
    expect([...run.numbers].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 100 }, (_, number) => number),
    );
  });
});
