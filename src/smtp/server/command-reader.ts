// The bytes of a connection, cut into what the client said: command lines of bounded length, and the content of DATA by
// DataReader. It is asked for one thing after the other, so that what comes behind a final dot waits until the message has
// been answered. It knows no socket.
import type { DataReader } from './data-stream.ts';

/** RFC 5321, section 4.5.3.1.4, asks for 512 octets and more for each extension. */
const MAX_LINE = 8192;
const CR = 13;
const LF = 10;
const NOTHING = Buffer.alloc(0);

/** One thing that a client said. */
export type Said =
  /** A command line, one character per byte, without its line end. */
  | { readonly kind: 'line'; readonly line: string }
  /** A line beyond the limit: its end was found, its content is gone. */
  | { readonly kind: 'overlong' }
  /** The data reader has found the final dot. */
  | { readonly kind: 'content' };

const OVERLONG: Said = { kind: 'overlong' };
const CONTENT: Said = { kind: 'content' };

export interface CommandReader {
  /** Takes bytes that arrived. They are kept until {@link next} has come to them. */
  push(bytes: Buffer): void;
  /** The next thing said; null when more bytes are needed. */
  next(): Said | null;
  /** From here on comes the content of a message, up to and with its final dot. */
  readData(reader: DataReader): void;
  /** Bytes that nobody has asked for yet. */
  readonly waiting: number;
  /** Whether everything that has arrived is dealt with: no unfinished line, no content, nothing waiting. */
  readonly atRest: boolean;
}

export function createCommandReader(): CommandReader {
  let chunk: Buffer = NOTHING;
  let position = 0;
  const queue: Buffer[] = [];
  let queued = 0;
  /** The beginning of a line, from earlier chunks. */
  let partial = '';
  let overlong = false;
  let data: DataReader | null = null;

  /** Takes the unfinished line at the end of the chunk along. */
  function keepPartial(): void {
    const length = chunk.length - position;
    if (partial.length + length > MAX_LINE) overlong = true;
    partial = overlong ? '' : partial + chunk.toString('latin1', position, chunk.length);
    position = chunk.length;
  }

  function takeLine(end: number): Said {
    const tooLong = overlong || partial.length + (end - position) > MAX_LINE;
    const start = position;
    position = end + 1;
    if (tooLong) {
      partial = '';
      overlong = false;
      return OVERLONG;
    }
    const line = partial + chunk.toString('latin1', start, end);
    partial = '';
    return { kind: 'line', line: line.charCodeAt(line.length - 1) === CR ? line.slice(0, -1) : line };
  }

  return {
    push(bytes) {
      if (position === chunk.length && queue.length === 0) {
        chunk = bytes;
        position = 0;
        return;
      }
      queue.push(bytes);
      queued += bytes.length;
    },
    next() {
      for (;;) {
        if (position === chunk.length) {
          const following = queue.shift();
          if (following === undefined) {
            // Nothing may keep the memory of a message that is long dealt with.
            chunk = NOTHING;
            position = 0;
            return null;
          }
          queued -= following.length;
          chunk = following;
          position = 0;
        } else if (data !== null) {
          const used = data.push(position === 0 ? chunk : chunk.subarray(position));
          position = used === -1 ? chunk.length : position + used;
          if (used === -1) continue;
          data = null;
          return CONTENT;
        } else {
          const end = chunk.indexOf(LF, position);
          if (end !== -1) return takeLine(end);
          keepPartial();
        }
      }
    },
    readData(reader) {
      data = reader;
    },
    get waiting() {
      return queued + chunk.length - position;
    },
    get atRest() {
      return data === null && partial === '' && !overlong && queued === 0 && position === chunk.length;
    },
  };
}
