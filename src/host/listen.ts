// Opens what others connect to: a TCP port, a unix socket with its mode and group, or a socket that systemd passed.
import { existsSync } from 'node:fs';
import type { Server } from 'node:net';
import { dirname } from 'node:path';
import { type Endpoint, formatEndpoint } from '../config/units.ts';
import type { Logger } from '../observe/log.ts';
import { explainListenError } from './listen-error.ts';
import { boundTo, disagreement, whereabouts } from './passed-socket.ts';
import { clearStaleSocket, setAccess } from './unix-socket.ts';

/** An address that is not open yet, as net.Server and fastify take it. */
export type Opening = { readonly backlog: number } & (
  | { readonly host: string; readonly port: number }
  | { readonly path: string }
);

export interface ListenOptions {
  /** How the sentence of a failure begins, such as `listener "lmtp"`. */
  readonly title: string;
  readonly endpoint: Endpoint;
  /** Of a unix socket, octal; default: what the umask leaves. */
  readonly mode?: string | undefined;
  /** Of a unix socket, a name or a number; default: the group of the process. */
  readonly group?: string | undefined;
  /** A socket passed by systemd, served in place of opening `endpoint`: its name decides, also where it is elsewhere. */
  readonly fd?: number | undefined;
  /** Hears of connections that could not be accepted, and of a passed socket that is elsewhere than `endpoint`. */
  readonly logger: Logger;
  /** Opens an address for a server that has to know of it (fastify); default: the server's own listen. */
  readonly open?: ((opening: Opening) => Promise<unknown>) | undefined;
}

/** More than Node's 511: a burst of Postfix processes must not see a full queue. */
const BACKLOG = 1024;

/**
 * Lets a server listen. A socket file that a killed process left behind is replaced.
 * @returns where it listens; the port that was really opened
 * @throws Error with one sentence that names the listener, its address and the reason; the server is closed then
 */
export async function openListener(server: Server, options: ListenOptions): Promise<Endpoint> {
  const { title, endpoint, mode, group, fd, logger, open } = options;
  if (fd === undefined && endpoint.kind === 'unix') {
    const obstacle = await clearStaleSocket(endpoint.path);
    if (obstacle !== null) {
      server.close();
      throw new Error(`${title}: ${obstacle}`);
    }
  }
  try {
    if (fd !== undefined) await listen(server, { fd });
    else if (open !== undefined) await open(openingOf(endpoint));
    else await listen(server, openingOf(endpoint));
    if (fd === undefined && endpoint.kind === 'unix') await setAccess(endpoint.path, mode, group);
  } catch (error) {
    server.close();
    throw new Error(
      `${title} on ${formatEndpoint(endpoint)} cannot be opened: ${reasonOf(error, endpoint)}`,
      { cause: error },
    );
  }
  // Without a listener for it, a connection that cannot be accepted (no descriptors left) would end the process.
  server.on('error', (error) =>
    logger.error({ event: 'listener_failed', err: error.message }, 'listener error'),
  );
  if (fd === undefined) return boundTo(server) ?? endpoint;
  const sentence = disagreement(server, fd, endpoint);
  if (sentence !== null) logger.warn({ event: 'socket_differs' }, sentence);
  return sentence === null ? (boundTo(server) ?? endpoint) : whereabouts(server, fd);
}

/** libuv calls a folder that is missing a lack of permission, as Windows does. */
function reasonOf(error: unknown, endpoint: Endpoint): string {
  if (endpoint.kind === 'unix' && !existsSync(dirname(endpoint.path)))
    return explainListenError(Object.assign(new Error(), { code: 'ENOENT' }));
  return explainListenError(error);
}

function openingOf(endpoint: Endpoint): Opening {
  return endpoint.kind === 'unix'
    ? { path: endpoint.path, backlog: BACKLOG }
    : { host: endpoint.host, port: endpoint.port, backlog: BACKLOG };
}

function listen(server: Server, where: Opening | { readonly fd: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
