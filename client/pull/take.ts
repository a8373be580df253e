// Fetches and delivers some messages together. Several are decrypted at a time; their files become mail at once.
import type { Frame } from '../../src/queue-api/frames.ts';
import type { Waiting } from '../../src/queue-api/shapes.ts';
import { createCollector, type Opened } from '../decrypt/decryptor.ts';
import { withVerdict } from '../decrypt/verdict.ts';
import { ServerAway } from '../queue/server-errors.ts';
import { acknowledge } from './acknowledge.ts';
import type { Staged } from './maildir.ts';
import type { PullRun } from './run.ts';

/** Larger messages are decrypted as they come, alone. */
const SMALL_BYTES = 1024 * 1024;

/** A plaintext that is so much larger than what was sealed is not what the server accepted as mail. */
const mostPlaintext = (size: number): number => size * 4 + 64 * 1024 * 1024;

/** Messages on their way from the server into the Maildir. */
interface Batch {
  /** Asked for, and not come yet. */
  readonly wanted: Map<string, Waiting>;
  /** Being decrypted. */
  readonly running: Set<Promise<void>>;
  /** Complete files in tmp/. */
  readonly staged: Staged[];
  /** Sealed bytes of what is staged. */
  size: number;
  /** The first error that ends the batch. */
  fatal: unknown;
}

/**
 * Fetches and delivers messages. What was complete when the connection broke is delivered before the error goes on.
 * @throws ServerAway, ServerRefused, KeyNotUsable, the file system's errors
 */
export async function take(run: PullRun, group: readonly Waiting[]): Promise<void> {
  const batch: Batch = {
    wanted: new Map(group.map((message) => [message.id, message])),
    running: new Set(),
    staged: [],
    size: 0,
    fatal: undefined,
  };
  try {
    for await (const frame of run.server.batch([...batch.wanted.keys()], run.stop)) {
      await begin(run, batch, frame);
      while (batch.running.size >= run.parallel) await Promise.race(batch.running);
      if (batch.fatal !== undefined) break;
    }
  } catch (error) {
    batch.fatal ??= error;
  }
  await Promise.all(batch.running);
  await deliver(run, batch);
  if (batch.fatal !== undefined) throw batch.fatal;
}

/** Begins to decrypt a message that has come; a large one is waited for, since its bytes come meanwhile. */
async function begin(run: PullRun, batch: Batch, frame: Frame): Promise<void> {
  // The name of the file comes from what the list said, so that it is the same at every attempt.
  const message = batch.wanted.get(frame.message.id);
  batch.wanted.delete(frame.message.id);
  if (message === undefined || frame.message.size !== message.size)
    throw new ServerAway('the server sent another message than it was asked for');
  if (message.size > SMALL_BYTES) await start(run, batch, message, frame.bytes);
  else void start(run, batch, message, once(await collect(frame)));
}

function start(
  run: PullRun,
  batch: Batch,
  message: Waiting,
  sealed: AsyncIterable<Uint8Array>,
): Promise<void> {
  const task = stageOpened(run, batch, message, sealed)
    .catch((error: unknown) => {
      batch.fatal ??= error;
    })
    .finally(() => batch.running.delete(task));
  batch.running.add(task);
  return task;
}

/** Decrypts a message into a complete file in tmp/; what cannot be decrypted stays on the server. */
async function stageOpened(
  { decryptor, maildir, failures }: PullRun,
  batch: Batch,
  message: Waiting,
  sealed: AsyncIterable<Uint8Array>,
): Promise<void> {
  const opened = await decryptor.open(sealed, message.size, mostPlaintext(message.size), true);
  if (!opened.ok) return failures.add(message.id, SENTENCES[opened.reason]);
  const mail = await withVerdict(opened.plaintext, decryptor);
  const file = await maildir.stage(message);
  try {
    await file.write(mail);
    batch.staged.push(await file.finish());
  } catch (error) {
    await file.discard();
    throw error;
  }
  failures.remove(message.id);
  batch.size += message.size;
}

async function deliver(run: PullRun, { staged, size }: Batch): Promise<void> {
  if (staged.length === 0) return;
  await run.maildir.deliver(staged);
  run.total.delivered += staged.length;
  run.total.bytes += size;
  run.progress.delivered(staged.length, size);
  await acknowledge(
    run,
    staged.map(({ id }) => id),
  );
}

const SENTENCES: Readonly<Record<Extract<Opened, { ok: false }>['reason'], string>> = {
  'no secret key': 'it is sealed to a key whose secret part is not here',
  damaged: 'it is damaged, or was changed after it was sealed',
  'too large': 'it is far larger than its sealed size allows',
};

async function collect({ message, bytes }: Frame): Promise<Buffer> {
  const collector = createCollector(message.size, SMALL_BYTES);
  for await (const piece of bytes) collector.add(piece);
  return collector.bytes();
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
