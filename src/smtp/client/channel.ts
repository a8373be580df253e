// A connection to the next hop as a queue of replies: bytes out, replies in, and every end of it as a value.
import { connect, type Socket } from 'node:net';
import type { Endpoint } from '../../config/units.ts';
import { createReplyReader } from '../replies.ts';
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
    const onError = (error: NodeJS.ErrnoException): void => fail({ kind: 'lost', detail: describe(error) });
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

function channelOver(socket: Socket): Channel {
  const reader = createReplyReader();
  const replies: Reply[] = [];
  let failure: ChannelFailure | null = null;
  let waiting: ((answer: Answer) => void) | null = null;
  let draining: (() => void) | null = null;
  let quitting = false;

  function settle(): void {
    draining?.();
    if (waiting === null) {
      if (channel.onUnexpected !== null) {
        const tell = channel.onUnexpected;
        channel.onUnexpected = null;
        tell();
      }
      return;
    }
    const answer = ready();
    if (answer === null) return;
    const wake = waiting;
    waiting = null;
    wake(answer);
  }

  function ready(): Answer | null {
    const reply = replies.shift();
    if (reply !== undefined) return { reply };
    return failure === null ? null : { failure };
  }

  function fail(kind: ChannelFailure['kind'], detail: string): void {
    failure ??= { kind, detail };
    socket.destroy();
    settle();
  }

  socket.on('data', (bytes: Buffer) => {
    if (failure !== null) return;
    const violation = reader.push(bytes, replies);
    if (violation !== null) fail('garbage', `it sent ${violation}`);
    else if (replies.length > MAX_UNREAD) fail('garbage', 'it sent replies that nobody asked for');
    else if (replies.length > 0) settle();
  });
  socket.on('end', () => fail('lost', 'it closed the connection'));
  socket.on('error', (error: NodeJS.ErrnoException) => fail('lost', describe(error)));
  socket.on('close', () => fail('lost', 'the connection is closed'));
  socket.on('drain', () => draining?.());

  const channel: Channel = {
    onUnexpected: null,
    write(data) {
      if (failure !== null) return;
      if (typeof data === 'string') socket.write(data, 'latin1');
      else socket.write(data);
    },
    cork: () => socket.cork(),
    uncork: () => socket.uncork(),
    drained(until) {
      if (failure !== null) return Promise.resolve(failure);
      if (!socket.writableNeedDrain || replies.length > 0) return Promise.resolve(null);
      return new Promise((resolve) => {
        const timer = setTimeout(
          () => {
            draining = null;
            resolve({ kind: 'timeout', detail: 'it does not take the data' });
          },
          Math.max(0, until - Date.now()),
        );
        draining = () => {
          draining = null;
          clearTimeout(timer);
          resolve(failure);
        };
      });
    },
    next(until) {
      const answer = ready();
      if (answer !== null) return Promise.resolve(answer);
      return new Promise((resolve) => {
        const timer = setTimeout(
          () => {
            waiting = null;
            resolve({ failure: { kind: 'timeout', detail: 'no reply in time' } });
          },
          Math.max(0, until - Date.now()),
        );
        waiting = (found) => {
          clearTimeout(timer);
          resolve(found);
        };
      });
    },
    get unread() {
      return replies.length;
    },
    get unsent() {
      return socket.writableLength;
    },
    get alive() {
      return failure === null && !quitting;
    },
    quit() {
      if (failure !== null || quitting) return;
      quitting = true;
      socket.end('QUIT\r\n');
      const timer = setTimeout(() => socket.destroy(), QUIT_MS);
      socket.once('close', () => clearTimeout(timer));
    },
    destroy() {
      fail('lost', 'the connection was given up');
    },
  };
  return channel;
}

/** An error of connect(2) or of a socket in words. */
function describe(error: NodeJS.ErrnoException): string {
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
