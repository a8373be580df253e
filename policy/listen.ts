// Opens the listening sockets of the lookup daemons, on TCP and unix sockets.
import { chmod } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { type Endpoint, formatEndpoint } from '../src/config/units.ts';
import { explainListenError } from '../src/host/listen-error.ts';
import { addressOf, addressOfPassed } from '../src/host/passed-socket.ts';
import { clearStaleSocket, setAccess } from '../src/host/unix-socket.ts';
import type { Logger } from '../src/observe/log.ts';

export interface LookupListener {
  /** The map of a tcp_table, `socketmap`, or `policy`. systemd knows sockets by it (no colons). */
  readonly name: string;
  /** As a person writes it; the port that was really opened. */
  readonly address: string;
  readonly connections: number;
  /** Stops accepting, and ends the connections that are open. */
  close(): Promise<void>;
}

export interface ListenOptions {
  readonly name: string;
  readonly endpoint: Endpoint;
  /** Of a unix socket; by default every local user may ask, as on a TCP port. */
  readonly mode?: string | undefined;
  readonly group?: string | undefined;
  /** A socket passed by systemd, used instead of opening `endpoint`. */
  readonly fd?: number | undefined;
  readonly serve: (socket: Socket) => void;
  /** Told whenever the number of open connections changes. */
  readonly counted: (connections: number) => void;
  /** Hears of connections that could not be accepted. */
  readonly logger: Logger;
}

/** More than Node's 511: a burst of Postfix processes must not see a full queue. */
const BACKLOG = 1024;
const DEFAULT_MODE = '0666';

/** @throws Error with one sentence that names the listener, its address and the reason */
export async function listenForLookups(options: ListenOptions): Promise<LookupListener> {
  const { name, endpoint, serve, counted, logger } = options;
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, (socket) => {
    open.add(socket);
    counted(open.size);
    socket.on('close', () => {
      open.delete(socket);
      counted(open.size);
    });
    serve(socket);
  });
  try {
    await openSocket(server, options);
  } catch (error) {
    server.close();
    throw new Error(
      `the listener ${name} on ${formatEndpoint(endpoint)} cannot be opened: ${explainListenError(error)}`,
      { cause: error },
    );
  }
  server.on('error', (error) => logger.error({ err: error.message }, 'listener error'));
  const { fd } = options;
  const address =
    fd === undefined
      ? addressOf(server, endpoint)
      : addressOfPassed(server, fd, endpoint, (sentence) => logger.warn({ listener: name }, sentence));
  let closing: Promise<void> | undefined;
  return {
    name,
    address,
    get connections() {
      return open.size;
    },
    close() {
      closing ??= new Promise<void>((resolve) => {
        server.close(() => resolve());
        // Postfix connects again, and asks again what was not answered.
        for (const socket of open) socket.destroy();
      });
      return closing;
    },
  };
}

async function openSocket(server: Server, options: ListenOptions): Promise<void> {
  const { endpoint, fd, mode, group } = options;
  if (fd === undefined && endpoint.kind === 'unix') {
    const obstacle = await clearStaleSocket(endpoint.path);
    if (obstacle !== null) throw new Error(obstacle);
  }
  const where =
    fd !== undefined
      ? { fd }
      : endpoint.kind === 'unix'
        ? { path: endpoint.path, backlog: BACKLOG }
        : { host: endpoint.host, port: endpoint.port, backlog: BACKLOG };
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      server.off('error', reject);
      resolve();
    });
  });
  if (fd === undefined && endpoint.kind === 'unix') {
    if (mode === undefined && group === undefined)
      await chmod(endpoint.path, Number.parseInt(DEFAULT_MODE, 8));
    else await setAccess(endpoint.path, mode ?? '0660', group);
  }
}
