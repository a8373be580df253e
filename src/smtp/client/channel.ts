// A connection to the next hop as a queue of replies: bytes out, replies in, and every end of it as a value.
import { connect, type Socket } from 'node:net';
import type { Endpoint } from '../../config/units.ts';
import { createReplyParser, type ReplyParser } from '../replies.ts';
import type { Reply } from '../types.ts';

/** Why no reply came. `lost`: closed or failed; `timeout`: nothing yet; `garbage`: no SMTP. */
export interface ChannelFailure {
  readonly kind: 'lost' | 'timeout' | 'garbage';
  readonly detail: string;
}

export type Answer = { readonly reply: Reply } | { readonly failure: ChannelFailure };

export interface Channel {
  /** Writes text (one byte per character) or bytes. What the operating system does not take at once is kept. */
  write(data: string | Uint8Array): void;
  /** Holds writes back until {@link uncork}, so that they leave together. */
  cork(): void;
  uncork(): void;
  /**
   * Waits until the operating system has taken enough of what was written.
   * @param until Unix milliseconds
   * @returns null, or the failure; an early reply also ends the wait
   */
  drained(until: number): Promise<ChannelFailure | null>;
  /** As {@link drained}, until the operating system has taken all of it. */
  flushed(until: number): Promise<ChannelFailure | null>;
  /**
   * The next reply. A timeout takes nothing away: the same reply may be waited for again.
   * @param until Unix milliseconds
   */
  next(until: number): Promise<Answer>;
  /** Replies that have arrived and were not asked for yet. */
  readonly unread: number;
  /** Bytes written that the operating system has not taken yet: nobody can have answered them. */
  readonly unsent: number;
  /** Whether it can be used: no failure so far. */
  readonly alive: boolean;
  /** Called once when the connection fails, or says something, while nobody waits for a reply. */
  onUnexpected: (() => void) | null;
  /** Says QUIT, and closes as soon as the next hop does, or after a second. */
  quit(): void;
  destroy(): void;
}

/** How long a next hop may take to close after QUIT. */
const QUIT_MS = 1000;
/** More replies than any command group of ours asks for. */
const MAX_UNREAD = 20_000;

/**
 * Opens a connection.
 * @param until Unix milliseconds
 */
export function openChannel(endpoint: Endpoint, until: number): Promise<Channel | ChannelFailure> {
  return new Promise((resolve) => {
    const socket =
      endpoint.kind === 'unix'
        ? connect({ path: endpoint.path })
        : connect({ host: endpoint.host, port: endpoint.port, noDelay: true });
    const timer = setTimeout(
      () => fail({ kind: 'timeout', detail: 'Connection timed out' }),
      Math.max(0, until - Date.now()),
    );
    const onError = (error: NodeJS.ErrnoException): void => fail({ kind: 'lost', detail: inWords(error) });
    function fail(failure: ChannelFailure): void {
      clearTimeout(timer);
      socket.on('error', () => undefined);
      socket.destroy();
      resolve(failure);
    }
    socket.once('error', onError);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', onError);
      resolve(channelOver(socket));
    });
  });
}

/** The state of one connection. */
interface Wire {
  readonly socket: Socket;
  readonly parser: ReplyParser;
  /** Replies that have arrived and were not asked for yet. */
  readonly replies: Reply[];
  /** The first one; nothing works after it. */
  failure: ChannelFailure | null;
  /** Takes the next reply, or the failure. */
  waiting: ((answer: Answer) => void) | null;
  /** Ends the wait for the operating system. */
  draining: (() => void) | null;
  quitting: boolean;
  onUnexpected: (() => void) | null;
}

function channelOver(socket: Socket): Channel {
  const wire: Wire = {
    socket,
    parser: createReplyParser(),
    replies: [],
    failure: null,
    waiting: null,
    draining: null,
    quitting: false,
    onUnexpected: null,
  };
  socket.on('data', (bytes: Buffer) => heard(wire, bytes));
  socket.on('end', () => fail(wire, 'lost', 'it closed the connection'));
  socket.on('error', (error: NodeJS.ErrnoException) => fail(wire, 'lost', inWords(error)));
  socket.on('close', () => fail(wire, 'lost', 'the connection is closed'));
  socket.on('drain', () => wire.draining?.());
  return {
    write(data) {
      if (wire.failure !== null) return;
      if (typeof data === 'string') socket.write(data, 'latin1');
      else socket.write(data);
    },
    cork: () => socket.cork(),
    uncork: () => socket.uncork(),
    drained: (until) => drained(wire, until),
    flushed: (until) => flushed(wire, until),
    next: (until) => nextAnswer(wire, until),
    get unread() {
      return wire.replies.length;
    },
    get unsent() {
      return socket.writableLength;
    },
    get alive() {
      return wire.failure === null && !wire.quitting;
    },
    get onUnexpected() {
      return wire.onUnexpected;
    },
    set onUnexpected(tell) {
      wire.onUnexpected = tell;
    },
    quit: () => quit(wire),
    destroy: () => fail(wire, 'lost', 'the connection was given up'),
  };
}

function heard(wire: Wire, bytes: Buffer): void {
  if (wire.failure !== null) return;
  const violation = wire.parser.push(bytes, wire.replies);
  if (violation !== null) fail(wire, 'garbage', `it sent ${violation}`);
  else if (wire.replies.length > MAX_UNREAD) fail(wire, 'garbage', 'it sent replies that nobody asked for');
  else if (wire.replies.length > 0) settle(wire);
}

function fail(wire: Wire, kind: ChannelFailure['kind'], detail: string): void {
  wire.failure ??= { kind, detail };
  wire.socket.destroy();
  settle(wire);
}

/** There is a reply, or a failure: wakes who waits for it, or tells who does not expect it. */
function settle(wire: Wire): void {
  wire.draining?.();
  const { waiting, onUnexpected } = wire;
  if (waiting === null) {
    wire.onUnexpected = null;
    onUnexpected?.();
    return;
  }
  const answer = ready(wire);
  if (answer === null) return;
  wire.waiting = null;
  waiting(answer);
}

function ready({ replies, failure }: Wire): Answer | null {
  const reply = replies.shift();
  if (reply !== undefined) return { reply };
  return failure === null ? null : { failure };
}

function drained(wire: Wire, until: number): Promise<ChannelFailure | null> {
  if (wire.failure !== null) return Promise.resolve(wire.failure);
  if (!wire.socket.writableNeedDrain || wire.replies.length > 0) return Promise.resolve(null);
  return taken(wire, until);
}

function flushed(wire: Wire, until: number): Promise<ChannelFailure | null> {
  if (wire.failure !== null) return Promise.resolve(wire.failure);
  if (wire.socket.writableLength === 0 || wire.replies.length > 0) return Promise.resolve(null);
  const waiting = taken(wire, until);
  // Called back when everything before it is taken; `drain` may not come for less than the high-water mark.
  wire.socket.write('', () => wire.draining?.());
  return waiting;
}

/** Waits until the operating system has taken what was written, or there is a reply or a failure. */
function taken(wire: Wire, until: number): Promise<ChannelFailure | null> {
  return new Promise((resolve) => {
    const timer = setTimeout(
      () => {
        wire.draining = null;
        resolve({ kind: 'timeout', detail: 'it does not take the data' });
      },
      Math.max(0, until - Date.now()),
    );
    wire.draining = () => {
      wire.draining = null;
      clearTimeout(timer);
      resolve(wire.failure);
    };
  });
}

function nextAnswer(wire: Wire, until: number): Promise<Answer> {
  const answer = ready(wire);
  if (answer !== null) return Promise.resolve(answer);
  return new Promise((resolve) => {
    const timer = setTimeout(
      () => {
        wire.waiting = null;
        resolve({ failure: { kind: 'timeout', detail: 'no reply in time' } });
      },
      Math.max(0, until - Date.now()),
    );
    wire.waiting = (found) => {
      clearTimeout(timer);
      resolve(found);
    };
  });
}

function quit(wire: Wire): void {
  const { socket } = wire;
  if (wire.failure !== null || wire.quitting) return;
  wire.quitting = true;
  socket.end('QUIT\r\n');
  const timer = setTimeout(() => socket.destroy(), QUIT_MS);
  socket.once('close', () => clearTimeout(timer));
}

/** An error of connect(2) or of a socket in words. */
function inWords(error: NodeJS.ErrnoException): string {
  const words: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'Connection refused',
    ECONNRESET: 'Connection reset',
    EPIPE: 'Connection closed while writing',
    ENOENT: 'No such socket',
    EACCES: 'Permission denied',
    ETIMEDOUT: 'Connection timed out',
    EHOSTUNREACH: 'No route to host',
    ENETUNREACH: 'Network is unreachable',
    ENOTFOUND: 'Host name not found',
    EAI_AGAIN: 'Host name look-up failed for now',
  };
  return words[error.code ?? ''] ?? error.message;
}
