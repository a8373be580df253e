// The bytes of a connection as smtp-server's SMTPStream hands them out, with our own reading: raw command lines of
// bounded length, and DATA by DataReader. Commands behind a final dot wait until the message has been answered.
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js';
import type { DataReader } from './data-stream.ts';

/** RFC 5321, section 4.5.3.1.4, asks for 512 octets and more for each extension. */
const MAX_LINE = 8192;
/** Pipelined commands before other connections get their turn. */
const COMMANDS_PER_TURN = 100;

type Next = (error?: Error | null) => void;

export interface CommandHandlers {
  /** A command line without its line end; `next` when the following one may come. */
  readonly command: (line: Buffer, next: () => void) => void;
  /** A line beyond the limit was swallowed. */
  readonly overlong: (next: () => void) => void;
}

export class CommandStream extends SMTPStream {
  readonly #handlers: CommandHandlers;
  #partial: Buffer[] = [];
  #partialBytes = 0;
  #overlong = false;
  #reader: DataReader | null = null;
  #whenRead: ((next: () => void) => void) | null = null;

  constructor(handlers: CommandHandlers) {
    super();
    this.#handlers = handlers;
  }

  /** From the next byte on this is message content; `whenRead` is called behind the final dot. */
  readData(reader: DataReader, whenRead: (next: () => void) => void): void {
    this.#reader = reader;
    this.#whenRead = whenRead;
  }

  /** Whether everything that has arrived is dealt with: no unfinished line, no content, nothing waiting. */
  get atRest(): boolean {
    return this.#reader === null && this.#partialBytes === 0 && !this.#overlong && this.writableLength === 0;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding | 'buffer', done: Next): void {
    let position = 0;
    let commands = 0;
    let busy = false;
    let again = false;
    // Handlers may call `next` at once or later: a loop for the first, a fresh start for the second.
    const next = (): void => {
      if (busy) {
        again = true;
        return;
      }
      busy = true;
      again = true;
      while (again) {
        again = false;
        if (this.isClosed || position >= chunk.length) {
          done();
          return;
        }
        if (commands === COMMANDS_PER_TURN) {
          commands = 0;
          busy = false;
          setImmediate(next);
          return;
        }
        commands += 1;
        const used = this.#take(position === 0 ? chunk : chunk.subarray(position), next);
        if (used === -1) {
          done();
          return;
        }
        position += used;
      }
      busy = false;
    };
    next();
  }

  /** A line that the client did not finish is no command. */
  override _flushData(): void {
    this.#partial = [];
    this.#partialBytes = 0;
  }

  /** Deals with one line or one message. @returns bytes used, or -1 when all are used and more are needed */
  #take(bytes: Buffer, next: () => void): number {
    if (this.#reader !== null) {
      const used = this.#reader.push(bytes);
      if (used === -1) return -1;
      const whenRead = this.#whenRead;
      this.#reader = null;
      this.#whenRead = null;
      if (whenRead === null) next();
      else whenRead(next);
      return used;
    }
    const end = bytes.indexOf(10);
    if (this.#partialBytes + (end === -1 ? bytes.length : end) > MAX_LINE) this.#overlong = true;
    if (end === -1) {
      if (this.#overlong) this._flushData();
      else {
        this.#partial.push(bytes);
        this.#partialBytes += bytes.length;
      }
      return -1;
    }
    const piece = bytes.subarray(0, end > 0 && bytes[end - 1] === 13 ? end - 1 : end);
    const line =
      this.#partialBytes === 0 ? piece : withoutCr(Buffer.concat([...this.#partial, bytes.subarray(0, end)]));
    const overlong = this.#overlong;
    this._flushData();
    this.#overlong = false;
    if (overlong) this.#handlers.overlong(next);
    else this.#handlers.command(line, next);
    return end + 1;
  }
}

function withoutCr(line: Buffer): Buffer {
  return line.at(-1) === 13 ? line.subarray(0, -1) : line;
}
