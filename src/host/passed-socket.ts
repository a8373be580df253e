// A listening socket that systemd passed (sd_listen_fds(3)): whether it listens where the configuration says.
import cluster from 'node:cluster';
import { readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { isIP, type Server, SocketAddress } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { type Endpoint, formatEndpoint } from '../config/units.ts';

/**
 * Compares a passed socket with the address that its listener has in the configuration. Else a listener would serve one
 * address, and the log, the status and Postfix's configuration would name another.
 * @param server listens on the socket already
 * @param fd its number in the process that systemd started
 * @returns null when they agree, as far as that can be known; else one sentence
 */
export function disagreement(server: Server, fd: number, endpoint: Endpoint): string | null {
  const actual = whereabouts(server, fd);
  if (agree(actual, endpoint)) return null;
  return (
    `systemd passes a socket of that name that listens on ${formatEndpoint(actual)}; expected ${formatEndpoint(endpoint)}: ` +
    'make address and ListenStream= the same ("systemctl cat sealpost.socket"), or disable the socket unit'
  );
}

/** The address and port that a server has; null for a unix socket. */
export function boundTo(server: Server): Endpoint | null {
  const bound = server.address();
  return bound !== null && typeof bound === 'object'
    ? { kind: 'inet', host: bound.address, port: bound.port }
    : null;
}

/** Where a passed socket listens; an empty path where the system does not tell. */
export function whereabouts(server: Server, fd: number): Endpoint {
  return boundTo(server) ?? { kind: 'unix', path: unixPath(fd) ?? '' };
}

/** By the number of the inode in /proc/net/unix (proc(5)): libuv does not tell the path of a socket that it did not open. */
function unixPath(fd: number): string | null {
  // A worker has the socket from its primary, under another number.
  const pid = cluster.isWorker ? process.ppid : process.pid;
  try {
    const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
    for (const line of readFileSync('/proc/net/unix', 'utf8').split('\n')) {
      const [, , , , , , number, path] = line.split(/\s+/);
      if (number === inode && path !== undefined && path !== '') return path;
    }
  } catch {
    // Another system, or a hidden /proc.
  }
  return null;
}

function agree(actual: Endpoint, wanted: Endpoint): boolean {
  if (actual.kind === 'unix')
    return wanted.kind === 'unix' && (actual.path === '' || real(actual.path) === real(wanted.path));
  if (wanted.kind === 'unix') return false;
  // Port 0 is any port; a name is not resolved here.
  return (
    (wanted.port === 0 || wanted.port === actual.port) &&
    (normalHost(wanted.host) === null || normalHost(wanted.host) === normalHost(actual.host))
  );
}

/** /var/run is a link to /run. */
function real(path: string): string {
  try {
    return join(realpathSync(dirname(path)), basename(path));
  } catch {
    return path;
  }
}

/** An IP address as the system writes it; null for a name. */
function normalHost(host: string): string | null {
  if (host.toLowerCase() === 'localhost') return '127.0.0.1';
  const version = isIP(host);
  if (version === 0) return null;
  return new SocketAddress({ address: host, family: version === 6 ? 'ipv6' : 'ipv4' }).address;
}
