// One connection of any of the protocols: requests are answered one after the other in the order in which they came, and
// nothing is read from a client that does not read its answers.
import type { Socket } from 'node:net';
import type { Logger } from '../src/observe/log.ts';
import type { Decoder } from './wire.ts';

export interface RequestProtocol<R> {
  readonly decoder: () => Decoder<R>;
  /** The bytes of the reply; null: close without one. Must not reject. */
  readonly answer: (request: R) => Buffer | null | Promise<Buffer | null>;
  /** Counts a request that could not be read. */
  readonly malformed: (reason: string) => void;
}

/** Input that is kept for later before the client has to wait. */
const HIGH_WATER = 64 * 1024;
/** Output of one turn that is gathered into one write. */
const FLUSH_AT = 32 * 1024;
/** How long a client may leave its answers unread: Postfix's own read timeout. */
const STUCK_MS = 100_000;
/** How long a connection that we end may linger when the client does not end it. */
const LINGER_MS = 2000;

/**
 * Serves a connection until the client ends it. An idle one is never closed.
 * @param stuckAfter milliseconds; replaced by tests
 */
export function serveRequests<R>(
  socket: Socket,
  protocol: RequestProtocol<R>,
  logger: Logger,
  stuckAfter = STUCK_MS,
): void {
  const decoder = protocol.decoder();
  let busy = false;
  let ended = false;
  let finished = false;
  let stuck: NodeJS.Timeout | undefined;
  let waiting: (() => void) | undefined;

  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    finished = true;
    clearTimeout(stuck);
    waiting?.();
  });
  socket.on('data', (chunk: Buffer) => {
    if (finished) return;
    decoder.push(chunk);
    if (busy) {
      if (decoder.buffered() > HIGH_WATER) socket.pause();
    } else run();
  });
  socket.on('end', () => {
    ended = true;
    if (!busy) finish();
  });

  /** Answers what can be answered at once; the first answer that has to be waited for goes on in `wait`. */
  function run(): void {
    busy = true;
    let output: Buffer[] = [];
    let size = 0;
    while (!finished) {
      const decoded = decoder.next();
      if (decoded === null) break;
      let reply: Buffer | null | Promise<Buffer | null>;
      let last = false;
      if (decoded.kind === 'request') reply = protocol.answer(decoded.request);
      else {
        logger.warn({ reason: decoded.reason }, 'a request could not be read');
        protocol.malformed(decoded.reason);
        reply = decoded.reply;
        last = decoded.close;
      }
      if (reply instanceof Promise) {
        flush(output);
        void reply.then((bytes) => resume(bytes));
        return;
      }
      if (reply !== null) {
        output.push(reply);
        size += reply.length;
      }
      if (last || (reply === null && decoded.kind === 'request')) {
        flush(output);
        finish();
        return;
      }
      if (size >= FLUSH_AT) {
        const drained = flush(output);
        output = [];
        size = 0;
        if (!drained) {
          whenDrained(run);
          return;
        }
      }
    }
    if (!flush(output)) {
      whenDrained(run);
      return;
    }
    busy = false;
    if (ended) finish();
    else if (socket.isPaused()) socket.resume();
  }

  function resume(bytes: Buffer | null): void {
    if (finished) return;
    if (bytes === null) finish();
    else if (socket.write(bytes)) run();
    else whenDrained(run);
  }

  /** @returns false when the client has to read first */
  function flush(output: readonly Buffer[]): boolean {
    const [only] = output;
    if (only === undefined || finished) return true;
    return socket.write(output.length === 1 ? only : Buffer.concat(output));
  }

  function whenDrained(next: () => void): void {
    socket.pause();
    const go = (): void => {
      clearTimeout(stuck);
      socket.off('drain', go);
      waiting = undefined;
      if (!finished) next();
    };
    waiting = go;
    socket.once('drain', go);
    stuck = setTimeout(() => {
      logger.warn('a client does not read its answers; closed');
      socket.destroy();
    }, stuckAfter);
  }

  /** Ends our side; what the client still sends is not read as requests. */
  function finish(): void {
    finished = true;
    socket.end();
    socket.resume();
    clearTimeout(stuck);
    // A client that has ended its side may still read its answers, for as long as others have.
    stuck = setTimeout(() => socket.destroy(), ended ? stuckAfter : LINGER_MS).unref();
  }
}
