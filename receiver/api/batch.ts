// POST /v1/batch: several messages in one answer, as frames (frames.ts). Small ones are read together, large ones in pieces.
import type pg from 'pg';
import { BATCH_END, frameHead } from '../../src/queue-api/frames.ts';
import { readMessage, readWhole } from '../queue/fetch.ts';
import type { QueuedMessage } from '../queue/types.ts';
import { waitingOf } from './waiting.ts';

/** Bytes of small messages that one query brings: the memory of an answer. */
const TOGETHER = 1024 * 1024;

/** Divides messages into runs to be read at once: small neighbours together, each message in chunks alone. Pure. */
export function runsOf(
  messages: readonly QueuedMessage[],
  together = TOGETHER,
): readonly (readonly QueuedMessage[])[] {
  const runs: QueuedMessage[][] = [];
  let bytes = 0;
  for (const message of messages) {
    const run = runs.at(-1);
    if (
      run !== undefined &&
      message.chunks === 0 &&
      run[0]?.chunks === 0 &&
      bytes + message.size <= together
    ) {
      run.push(message);
      bytes += message.size;
    } else {
      runs.push([message]);
      bytes = message.size;
    }
  }
  return runs;
}

/** The bytes of a batch. What was acknowledged before its turn is left out. */
export async function* batchStream(
  database: Pick<pg.Pool, 'query'>,
  messages: readonly QueuedMessage[],
): AsyncGenerator<Buffer> {
  for (const run of runsOf(messages)) {
    const [first] = run;
    if (first !== undefined && first.chunks > 0) {
      yield frameHead(waitingOf(first));
      yield* readMessage(database, first);
      continue;
    }
    const contents = await readWhole(database, run);
    const pieces: Buffer[] = [];
    for (const message of run) {
      const bytes = contents.get(message.id);
      if (bytes !== undefined) pieces.push(frameHead(waitingOf(message)), bytes);
    }
    if (pieces.length > 0) yield Buffer.concat(pieces);
  }
  yield BATCH_END;
}
