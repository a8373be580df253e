// Several messages in one answer (application/vnd.sealpost.batch): for each one a line of JSON, {"id","size","received"}, then
// exactly `size` bytes; at the end the line {"end":true}. Without that line the answer was cut off.
import { type Waiting, waitingSchema } from './shapes.ts';

const LF = 0x0a;

/** A line of JSON is short; what is longer is no batch. */
const MAX_LINE = 1024;

export const BATCH_END = Buffer.from('{"end":true}\n', 'latin1');

/** The line before a message's bytes. */
export function frameHead({ id, size, received }: Waiting): Buffer {
  return Buffer.from(`${JSON.stringify({ id, size, received })}\n`, 'utf8');
}

/** One message of a batch. What is not read of its bytes before the next one is asked for is passed over. */
export interface Frame {
  readonly message: Waiting;
  readonly bytes: AsyncIterable<Buffer>;
}

/** What arrived is no batch, or was cut off. */
export class BrokenBatch extends Error {
  override readonly name = 'BrokenBatch';
}

/**
 * Reads a batch from the pieces in which it arrives; holds one piece at a time.
 * @throws BrokenBatch where it ends too early or is something else
 */
export async function* readFrames(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Frame> {
  const source = pieces[Symbol.asyncIterator]();
  let held: Buffer = Buffer.alloc(0);

  async function more(): Promise<Buffer> {
    const next = await source.next();
    if (next.done) throw new BrokenBatch('the batch ended before its end was told');
    return Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
  }

  async function line(): Promise<string> {
    let end = held.indexOf(LF);
    while (end < 0) {
      if (held.length > MAX_LINE) break;
      held = Buffer.concat([held, await more()]);
      end = held.indexOf(LF);
    }
    if (end < 0 || end > MAX_LINE) throw new BrokenBatch('a line of a batch is too long');
    const text = held.toString('utf8', 0, end);
    held = held.subarray(end + 1);
    return text;
  }

  try {
    for (;;) {
      const message = parseHead(await line());
      if (message === null) return;
      let left = message.size;
      const bytes = async function* (): AsyncGenerator<Buffer> {
        while (left > 0) {
          if (held.length === 0) held = await more();
          const piece = held.subarray(0, left);
          held = held.subarray(piece.length);
          left -= piece.length;
          yield piece;
        }
      };
      yield { message, bytes: bytes() };
      while (left > 0) {
        if (held.length === 0) held = await more();
        const passed = Math.min(left, held.length);
        held = held.subarray(passed);
        left -= passed;
      }
    }
  } finally {
    await source.return?.();
  }
}

/** The message that a line announces; null for the end. */
function parseHead(line: string): Waiting | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new BrokenBatch('a line of a batch is no JSON');
  }
  if (typeof value === 'object' && value !== null && 'end' in value) return null;
  const message = waitingSchema.safeParse(value);
  if (!message.success) throw new BrokenBatch('a line of a batch does not name a message');
  return message.data;
}
