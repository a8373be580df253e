// One connection of any of the protocols: requests are answered one after the other in the order in which they came, and
// nothing is read from a client that does not read its answers.
import type { Socket } from 'node:net';
import type { Logger } from '../src/observe/log.ts';
import type { Decoded, Decoder } from './wire.ts';

export interface RequestProtocol<R> {
  readonly decoder: () => Decoder<R>;
  /** The bytes of the reply; null: close without one. Must not reject. */
  readonly answer: (request: R) => Buffer | null | Promise<Buffer | null>;
  /** Counts a request that could not be read. */
  readonly malformed: (reason: string) => void;
}

/** Input that is kept for later before the client has to wait. */
const HIGH_WATER = 64 * 1024;
/** Requests of one client that are answered in one turn: the others get theirs before it gets more. Some milliseconds' work. */
export const AT_ONCE = 128;
/** Output of one turn that is gathered into one write. */
const FLUSH_AT = 32 * 1024;
/** How long a client may leave its answers unread: Postfix's own read timeout. */
const STUCK_MS = 100_000;
/** How long a connection that we end may linger when the client does not end it. */
const LINGER_MS = 2000;

interface Connection<R> {
  readonly socket: Socket;
  readonly protocol: RequestProtocol<R>;
  readonly logger: Logger;
  readonly decoder: Decoder<R>;
  /** Milliseconds. */
  readonly stuckAfter: number;
  /** Requests that were answered since others had their turn, at the most. */
  answered: number;
  /** An answer is being waited for, or the client has to read first. */
  busy: boolean;
  /** The client has ended its side. */
  ended: boolean;
  /** We have ended ours, or the socket is closed. */
  finished: boolean;
  stuck: NodeJS.Timeout | undefined;
  /** Goes on once the client has read, or is gone. */
  drained: (() => void) | undefined;
}

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
  const connection: Connection<R> = {
    socket,
    protocol,
    logger,
    decoder: protocol.decoder(),
    stuckAfter,
    answered: 0,
    busy: false,
    ended: false,
    finished: false,
    stuck: undefined,
    drained: undefined,
  };
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    connection.finished = true;
    clearTimeout(connection.stuck);
    connection.drained?.();
  });
  socket.on('data', (chunk: Buffer) => take(connection, chunk));
  socket.on('end', () => {
    connection.ended = true;
    if (!connection.busy) finish(connection);
  });
}

function take<R>(connection: Connection<R>, chunk: Buffer): void {
  if (connection.finished) return;
  connection.decoder.push(chunk);
  if (!connection.busy) run(connection);
  else if (connection.decoder.buffered() > HIGH_WATER) connection.socket.pause();
}

/** Answers what can be answered at once; the first answer that has to be waited for goes on in `resume`. */
function run<R>(connection: Connection<R>): void {
  connection.busy = true;
  let output: Buffer[] = [];
  let size = 0;
  while (!connection.finished) {
    if (connection.answered === AT_ONCE) {
      connection.answered = 0;
      if (flush(connection, output)) setImmediate(runOn, connection);
      else whenDrained(connection);
      return;
    }
    const decoded = connection.decoder.next();
    if (decoded === null) break;
    connection.answered += 1;
    const reply = replyTo(connection, decoded);
    if (reply instanceof Promise) {
      flush(connection, output);
      void reply.then((bytes) => resume(connection, bytes));
      return;
    }
    if (reply !== null) {
      output.push(reply);
      size += reply.length;
    }
    if (decoded.kind === 'request' ? reply === null : decoded.close) {
      flush(connection, output);
      finish(connection);
      return;
    }
    if (size < FLUSH_AT) continue;
    const drained = flush(connection, output);
    output = [];
    size = 0;
    if (!drained) {
      whenDrained(connection);
      return;
    }
  }
  if (!flush(connection, output)) {
    whenDrained(connection);
    return;
  }
  connection.busy = false;
  if (connection.ended) finish(connection);
  else if (connection.socket.isPaused()) connection.socket.resume();
}

/** Goes on in a later turn. */
function runOn<R>(connection: Connection<R>): void {
  if (!connection.finished) run(connection);
}

function replyTo<R>(
  { protocol, logger }: Connection<R>,
  decoded: Decoded<R>,
): Buffer | null | Promise<Buffer | null> {
  if (decoded.kind === 'request') return protocol.answer(decoded.request);
  logger.warn({ event: 'lookup_malformed', reason: decoded.reason }, 'a request could not be read');
  protocol.malformed(decoded.reason);
  return decoded.reply;
}

function resume<R>(connection: Connection<R>, bytes: Buffer | null): void {
  if (connection.finished) return;
  if (bytes === null) finish(connection);
  else if (connection.socket.write(bytes)) run(connection);
  else whenDrained(connection);
}

/** @returns false when the client has to read first */
function flush<R>({ socket, finished }: Connection<R>, output: readonly Buffer[]): boolean {
  const [only] = output;
  if (only === undefined || finished) return true;
  return socket.write(output.length === 1 ? only : Buffer.concat(output));
}

/** Goes on with `run` once the client has read its answers. */
function whenDrained<R>(connection: Connection<R>): void {
  const { socket, logger, stuckAfter } = connection;
  socket.pause();
  const go = (): void => {
    clearTimeout(connection.stuck);
    socket.off('drain', go);
    connection.drained = undefined;
    if (!connection.finished) run(connection);
  };
  connection.drained = go;
  socket.once('drain', go);
  connection.stuck = setTimeout(() => {
    logger.warn({ event: 'lookup_client_stuck' }, 'a client does not read its answers; closed');
    socket.destroy();
  }, stuckAfter);
}

/** Ends our side; what the client still sends is not read as requests. */
function finish<R>(connection: Connection<R>): void {
  const { socket, ended, stuckAfter } = connection;
  connection.finished = true;
  socket.end();
  socket.resume();
  clearTimeout(connection.stuck);
  // A client that has ended its side may still read its answers, for as long as others have.
  connection.stuck = setTimeout(() => socket.destroy(), ended ? stuckAfter : LINGER_MS).unref();
}
