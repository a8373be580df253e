// The bytes of a connection, cut into what the client said: command lines of bounded length, and the content of DATA by
// DataParser. It is asked for one thing after the other, so that what comes behind a final dot waits until the message has
// been answered. It knows no socket.
import type { DataParser } from './data-parser.ts';

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
  /** The data parser has found the final dot. */
  | { readonly kind: 'content' };

const OVERLONG: Said = { kind: 'overlong' };
const CONTENT: Said = { kind: 'content' };

export interface CommandParser {
  /** Takes bytes that arrived. They are kept until {@link next} has come to them. */
  push(bytes: Buffer): void;
  /** The next thing said; null when more bytes are needed. */
  next(): Said | null;
  /** From here on comes the content of a message, up to and with its final dot. */
  expectData(parser: DataParser): void;
  /** Bytes that nobody has asked for yet. */
  readonly waiting: number;
  /** Whether everything that has arrived is dealt with: no unfinished line, no content, nothing waiting. */
  readonly atRest: boolean;
}

/** What has arrived, and how far it has been dealt with. */
interface Input {
  chunk: Buffer;
  position: number;
  /** The chunks behind this one, and their bytes. */
  readonly queue: Buffer[];
  queued: number;
  /** The beginning of a line, from earlier chunks. */
  partial: string;
  /** That line is beyond the limit; its end is still to come. */
  overlong: boolean;
  data: DataParser | null;
}

export function createCommandParser(): CommandParser {
  const input: Input = {
    chunk: NOTHING,
    position: 0,
    queue: [],
    queued: 0,
    partial: '',
    overlong: false,
    data: null,
  };
  return {
    push: (bytes) => push(input, bytes),
    next: () => next(input),
    expectData(parser) {
      input.data = parser;
    },
    get waiting() {
      return input.queued + input.chunk.length - input.position;
    },
    get atRest() {
      const { data, partial, overlong, queued, position, chunk } = input;
      return data === null && partial === '' && !overlong && queued === 0 && position === chunk.length;
    },
  };
}

function push(input: Input, bytes: Buffer): void {
  if (input.position === input.chunk.length && input.queue.length === 0) {
    input.chunk = bytes;
    input.position = 0;
    return;
  }
  input.queue.push(bytes);
  input.queued += bytes.length;
}

function next(input: Input): Said | null {
  for (;;) {
    if (input.position === input.chunk.length) {
      if (!takeChunk(input)) return null;
    } else if (input.data !== null) {
      if (takeContent(input, input.data)) return CONTENT;
    } else {
      const end = input.chunk.indexOf(LF, input.position);
      if (end !== -1) return takeLine(input, end);
      keepPartial(input);
    }
  }
}

/** @returns false when there is none */
function takeChunk(input: Input): boolean {
  const following = input.queue.shift();
  // Nothing may keep the memory of a message that is long dealt with.
  input.chunk = following ?? NOTHING;
  input.position = 0;
  input.queued -= input.chunk.length;
  return following !== undefined;
}

/** @returns whether the content ends in this chunk */
function takeContent(input: Input, data: DataParser): boolean {
  const { chunk, position } = input;
  const used = data.push(position === 0 ? chunk : chunk.subarray(position));
  input.position = used === -1 ? chunk.length : position + used;
  if (used === -1) return false;
  input.data = null;
  return true;
}

function takeLine(input: Input, end: number): Said {
  const { chunk, position, partial } = input;
  const tooLong = input.overlong || partial.length + (end - position) > MAX_LINE;
  input.position = end + 1;
  input.partial = '';
  input.overlong = false;
  if (tooLong) return OVERLONG;
  const line = partial + chunk.toString('latin1', position, end);
  return { kind: 'line', line: line.charCodeAt(line.length - 1) === CR ? line.slice(0, -1) : line };
}

/** Takes the unfinished line at the end of the chunk along. */
function keepPartial(input: Input): void {
  const { chunk, position, partial } = input;
  if (partial.length + chunk.length - position > MAX_LINE) input.overlong = true;
  input.partial = input.overlong ? '' : partial + chunk.toString('latin1', position, chunk.length);
  input.position = chunk.length;
}
