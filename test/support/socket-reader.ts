// Reads SMTP from a socket as it is wanted: a command line, or a message up to its final dot (RFC 5321 4.5.2).
import type { Socket } from 'node:net';

const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;

export class SocketReader {
  readonly #socket: Socket;
  #buffer: Buffer = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
      socket.pause();
      this.#wake();
    });
    const end = () => {
      this.#ended = true;
      this.#wake();
    };
    socket.on('end', end);
    socket.on('close', end);
    socket.pause();
  }

  /** Waits for more bytes; false at the end of input. */
  async #more(): Promise<boolean> {
    if (this.#ended) return false;
    const before = this.#buffer.length;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#socket.resume();
    });
    return this.#buffer.length > before || !this.#ended;
  }

  /** One line, one character per byte, without its line ending; null at the end of input. */
  async line(): Promise<string | null> {
    for (;;) {
      const at = this.#buffer.indexOf(LF);
      if (at >= 0) {
        const end = at > 0 && this.#buffer[at - 1] === CR ? at - 1 : at;
        const line = this.#buffer.toString('latin1', 0, end);
        this.#buffer = this.#buffer.subarray(at + 1);
        return line;
      }
      if (!(await this.#more())) return null;
    }
  }

  /**
   * A message up to CRLF.CRLF and nothing else, dot-stuffing undone.
   * @param limit give up (null) once so many bytes have come
   * @returns null when the input ends before the message does
   */
  async data(limit = Number.POSITIVE_INFINITY): Promise<Buffer | null> {
    const chunks: Buffer[] = [Buffer.from('\r\n')];
    let length = 0;
    // The end may lie across two chunks: the last four bytes are looked at again.
    let tail = Buffer.from('\r\n');
    for (;;) {
      const chunk = this.#buffer;
      const window = Buffer.concat([tail, chunk]);
      const at = window.indexOf('\r\n.\r\n');
      if (at >= 0) {
        const used = at + 5 - tail.length;
        chunks.push(chunk.subarray(0, used));
        this.#buffer = chunk.subarray(used);
        return length + used > limit ? null : unstuff(Buffer.concat(chunks));
      }
      chunks.push(chunk);
      length += chunk.length;
      if (length > limit) return null;
      tail = Buffer.from(window.subarray(-4));
      this.#buffer = Buffer.alloc(0);
      if (!(await this.#more())) return null;
    }
  }
}

/** @param framed CRLF, the stuffed message, `.` CRLF: so that every line, the first one too, follows a CRLF. */
function unstuff(framed: Buffer): Buffer {
  const end = framed.length - 3;
  const parts: Buffer[] = [];
  let from = 2;
  for (let at = framed.indexOf('\r\n.'); at >= 0 && at + 2 < end; at = framed.indexOf('\r\n.', at + 2)) {
    if (framed[at + 2] !== DOT) continue;
    parts.push(framed.subarray(from, at + 2));
    from = at + 3;
  }
  parts.push(framed.subarray(from, end));
  return Buffer.concat(parts);
}
