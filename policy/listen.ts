// Opens the listening sockets of the lookup daemons, on TCP and unix sockets.
import { createServer, type Socket } from 'node:net';
import { type Endpoint, formatEndpoint } from '../src/config/units.ts';
import { openListener } from '../src/host/listen.ts';
import { modeFor } from '../src/host/unix-socket.ts';
import type { Logger } from '../src/observe/log.ts';
import type { Room } from './room.ts';

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
  /** Of a unix socket; by default every local user may ask, as on a TCP port, or every member of its group. */
  readonly mode?: string | undefined;
  readonly group?: string | undefined;
  /** A socket passed by systemd, used instead of opening `endpoint`. */
  readonly fd?: number | undefined;
  readonly serve: (socket: Socket) => void;
  /** Serves a connection for which there is no room. */
  readonly putOff: (socket: Socket) => void;
  readonly room: Room;
  /** Told whenever the number of open connections changes. */
  readonly counted: (connections: number) => void;
  /** Hears of connections that could not be accepted, and of a passed socket that is elsewhere. */
  readonly logger: Logger;
}

/** @throws Error with one sentence that names the listener, its address and the reason */
export async function listenForLookups(options: ListenOptions): Promise<LookupListener> {
  const { name, endpoint, group, fd, serve, putOff, room, counted, logger } = options;
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, (socket) => {
    const place = room.take(name);
    if (place === 'none') {
      socket.destroy();
      return;
    }
    open.add(socket);
    counted(open.size);
    socket.on('close', () => {
      room.giveBack(place);
      open.delete(socket);
      counted(open.size);
    });
    if (place === 'served') serve(socket);
    else putOff(socket);
  });
  const bound = await openListener(server, {
    title: `the listener ${name}`,
    endpoint,
    mode: modeFor(options.mode, group),
    group,
    fd,
    logger,
  });
  let closing: Promise<void> | undefined;
  return {
    name,
    address: formatEndpoint(bound),
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
