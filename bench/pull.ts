// `sealpost pull`: from a full queue into an empty Maildir, decrypted with a key file or by GnuPG, as a whole process.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mailsIn, runPull } from '../test/support/pull-run.ts';
import { createQueueStand, maildirIn, type QueueStand, type QueueUser } from '../test/support/queue-stand.ts';
import type { PartOptions, PartResult, Row } from './rows.ts';

const LINE = 'A line of a message that nobody but its owner should ever be able to read again.....\n';
const BODY = LINE.repeat(Math.round(4096 / LINE.length));

function letter(number: number): Buffer {
  return Buffer.from(`From: <bob@example.net>\nSubject: ${number}\n\n${number}\n${BODY}`);
}

/**
 * Messages per second from the start of the process to its end, when the queue is empty and the last file is on the disk.
 * @throws Error when a message is missing, doubled, or not what was filed
 */
async function pullAll(
  stand: QueueStand,
  user: QueueUser,
  count: number,
  name: string,
  args: readonly string[],
): Promise<number> {
  const letters = Array.from({ length: count }, (_, number) => letter(number));
  await stand.file(user, letters);
  const to = maildirIn(stand, name);
  const started = performance.now();
  const run = await runPull({ stand, user, to, args });
  const seconds = (performance.now() - started) / 1000;
  if (run.code !== 0) throw new Error(`pull ended with ${run.code}: ${run.stderr}`);
  const pulled = (await mailsIn(join(to, 'new'), join(to, 'cur')))
    .map((mail) => mail.toString('latin1'))
    .sort();
  const expected = letters.map((one) => one.toString('latin1')).sort();
  if (pulled.length !== count || pulled.some((mail, index) => mail !== expected[index]))
    throw new Error(
      `${count} messages were filed, and ${pulled.length} lie in the Maildir, or one of them differs`,
    );
  return count / seconds;
}

/** The part of `npm run bench`. @throws Error when a message was lost, doubled or altered */
export async function pullPart({ quick, progress }: PartOptions): Promise<PartResult> {
  progress('starting PostgreSQL and the HTTP interface ...');
  const stand = await createQueueStand();
  try {
    const user = await stand.user('alice@example.org');
    const keyFile = join(stand.places.dir, 'bench-secret.asc');
    await writeFile(keyFile, user.key.secretKey, { mode: 0o600 });
    const rows: Row[] = [];
    const pulls = [
      { with: 'a key file', count: quick ? 300 : 2000, args: ['--key-file', keyFile] },
      { with: 'GnuPG', count: quick ? 50 : 300, args: [] },
    ];
    for (const [index, pull] of pulls.entries()) {
      const rate = await pullAll(stand, user, pull.count, `bench-${index}`, pull.args);
      progress(`pull with ${pull.with}: ${Math.round(rate)} messages/s`);
      rows.push({ work: `sealpost pull with ${pull.with}, 4 KB`, figures: { 'messages/s': rate } });
    }
    return {
      rows,
      notes: ['Over HTTP on loopback, each message on the disk (fsync) before it is acknowledged.'],
    };
  } finally {
    await stand.close();
  }
}
