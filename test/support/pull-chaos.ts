// `sealpost pull` under attack: killed at random moments, beside a mail program that takes the mail out of new/ at once.
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { actAsMailProgram, mailsIn, runPull, startPull } from './pull-run.ts';
import { maildirIn, type QueueStand, type QueueUser } from './queue-stand.ts';

const MARK = /^marker (\d+)$/m;
export const letter = (number: number): Buffer =>
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

export interface PullAttack {
  readonly messages: number;
  readonly kills: number;
  /** More arguments of pull. */
  readonly args: readonly string[];
  /** Of the Maildir. */
  readonly name: string;
  /** Called after each kill. */
  progress?(kills: number): void;
}

/** Kills pull again and again while it fetches, and runs it once more to its end. @returns what is in the Maildir then */
export async function killPullAgainAndAgain(
  stand: QueueStand,
  user: QueueUser,
  { messages, kills, args, name, progress }: PullAttack,
) {
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
    progress?.(kill);
  }
  const last = await runPull({ stand, user, to: maildir, args });
  reading = false;
  await mailProgram;
  const mails = await mailsIn(join(maildir, 'new'), join(maildir, 'cur'), elsewhere);
  const numbers = mails.map((mail) => Number(MARK.exec(mail.toString('latin1'))?.[1] ?? -1));
  return { last, mails, numbers, early, left: await readdir(join(maildir, 'tmp')) };
}
