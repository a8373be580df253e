// The receiver: spool files filed into the encrypted queue, beside a Python watcher that calls gpg and psql, on the same
// messages, the same PostgreSQL and in the same run; and how the rate holds while the queue grows.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun, waitUntil } from '../test/support/child.ts';
import { repository } from '../test/support/places.ts';
import {
  ALICE_ID,
  DOMAIN,
  type ReceiverStand,
  spooled,
  startReceiverStand,
} from '../test/support/receiver-stand.ts';
import { treeResidentMegabytes } from './process-tree.ts';
import type { PartOptions, PartResult, Row } from './rows.ts';

const LINE = 'A line of a message that nobody but its owner should ever be able to read again.....\n';
const BODY = LINE.repeat(Math.round(4096 / LINE.length));
const SAMPLE = 20;
const PATIENCE_MS = 300_000;

let serial = 0;

function nextName(): string {
  serial += 1;
  return `${1_764_096_000 + serial}.V801I${serial}.bench.example.org`;
}

const messageTo = (subject: string): string => spooled(`id_${ALICE_ID}@${DOMAIN}`, { subject }, BODY);

async function countQueued(stand: ReceiverStand): Promise<number> {
  const [row] = await stand.query<{ messages: string }>(
    'SELECT messages FROM incoming_counts WHERE user_id = $1',
    [ALICE_ID],
  );
  return Number(row?.messages ?? 0);
}

/**
 * Files per second, from a full spool until the last commit. The receiver runs already, and is held while the spool fills.
 * @throws Error when one is missing, or a sample does not decrypt to what was written
 */
async function fileMany(stand: ReceiverStand, count: number): Promise<number> {
  const before = await countQueued(stand);
  const pid = stand.sealpost.pid() ?? 0;
  process.kill(pid, 'SIGSTOP');
  for (let index = 0; index < count; index += 1) stand.deliver(nextName(), messageTo(`bench ${index}`));
  const started = performance.now();
  process.kill(pid, 'SIGCONT');
  await waitUntil('the queue', PATIENCE_MS, async () => (await countQueued(stand)) >= before + count);
  const seconds = (performance.now() - started) / 1000;
  await stand.waitForEmptySpool();
  if ((await countQueued(stand)) !== before + count) throw new Error('more was filed than there was');
  const sample = await stand.query<{ content: Buffer }>(
    'SELECT content FROM incoming WHERE user_id = $1 ORDER BY number DESC LIMIT $2',
    [ALICE_ID, SAMPLE],
  );
  for (const row of sample) {
    if (!(await stand.open(row)).toString().endsWith(BODY))
      throw new Error('a queued message is not what was written');
  }
  return count / seconds;
}

/** The same for the Python watcher. */
async function watchMany(stand: ReceiverStand, count: number): Promise<number> {
  const spool = join(stand.places.dir, 'peer-spool');
  for (const folder of ['tmp', 'new']) mkdirSync(join(spool, folder), { recursive: true });
  await stand.query('CREATE TABLE IF NOT EXISTS peer_queue (content bytea NOT NULL)');
  for (let index = 0; index < count; index += 1) stand.deliver(nextName(), messageTo(`peer ${index}`), spool);
  const started = performance.now();
  await mustRun(
    '/usr/bin/python3',
    [
      join(repository, 'bench/peers/spool-watcher.py'),
      ...['--spool', spool, '--homedir', stand.gpg.dir, '--recipient', `<alice@${DOMAIN}>`],
      ...['--database', stand.postgres.url, '--count', String(count)],
    ],
    { timeout: PATIENCE_MS },
  );
  const seconds = (performance.now() - started) / 1000;
  const rows = await stand.query<{ content: Buffer }>('SELECT content FROM peer_queue');
  if (rows.length !== count) throw new Error('the Python watcher lost a message');
  const [first] = rows;
  if (first === undefined || !(await stand.open(first)).toString().endsWith(BODY))
    throw new Error('a message of the Python watcher is not what was written');
  return count / seconds;
}

/** Fills the queue up with rows of other ids and the bytes of one that is there. */
async function growTo(stand: ReceiverStand, size: number): Promise<void> {
  for (let have = await countQueued(stand); have < size; have = await countQueued(stand)) {
    await stand.query(
      `INSERT INTO incoming (id, user_id, number, size, content)
       SELECT md5('bench' || (last_number + n)), user_id, last_number + n, 1024, decode(repeat('ab', 1024), 'hex')
         FROM incoming_counts, generate_series(1, $2::int) AS n WHERE user_id = $1`,
      [ALICE_ID, Math.min(10_000, size - have)],
    );
  }
  await stand.query('ANALYZE incoming');
}

/** The part of `npm run bench`. @throws Error when a message was lost, doubled or altered */
export async function receiverPart({ quick, progress }: PartOptions): Promise<PartResult> {
  const count = quick ? 500 : 2000;
  progress('starting PostgreSQL and the receiver ...');
  const stand = await startReceiverStand({}, { observe: { log_level: 'error' } });
  try {
    await fileMany(stand, 200);
    const rows: Row[] = [];
    const ours = await fileMany(stand, count);
    const peak = treeResidentMegabytes(stand.sealpost.pid() ?? 0);
    progress(`${Math.round(ours)} messages/s filed`);
    rows.push({ work: 'sealpost: spool to queue, 4 KB', figures: { 'messages/s': ours, 'peak MB': peak } });
    const theirs = await watchMany(stand, quick ? 50 : 200);
    progress(`${Math.round(theirs)} messages/s by the Python watcher`);
    rows.push({ work: 'Python watcher with gpg and psql, 4 KB', figures: { 'messages/s': theirs } });
    for (const size of quick ? [1000] : [1000, 10_000, 50_000, 200_000]) {
      await growTo(stand, size);
      const rate = await fileMany(stand, quick ? 300 : 1000);
      progress(`${size} queued: ${Math.round(rate)} messages/s`);
      rows.push({
        work: `sealpost: spool to queue, ${size} queued before`,
        figures: { 'messages/s': rate },
        growth: { curve: 'filing', of: size },
      });
    }
    return {
      rows,
      findings: [
        {
          what: 'messages filed per second, beside a Python watcher with gpg and psql',
          measured: ours / theirs,
          target: { is: 'above', value: 10 },
        },
      ],
      notes: [
        'One user, one spool, one receiver. PostgreSQL runs with fsync off for both, so that the programs are compared and not the disk.',
      ],
    };
  } finally {
    await stand.close();
  }
}
