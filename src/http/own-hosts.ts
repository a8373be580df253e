// Which requests are meant for us, by Host: a page of another site whose name was made to point here (DNS rebinding) may not ask
// through somebody's browser what the browser can reach and the site cannot.

import { isIP } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { ownNames } from '../host/own-names.ts';
import type { Logger } from '../observe/log.ts';
import { seldom } from '../pacing/ration.ts';

export interface OwnHostsOptions {
  /** Our own name, and those that the configuration adds. */
  readonly names: readonly string[];
  /** The key of sealpost.toml that adds names, for whoever is refused. */
  readonly setting: string;
  readonly logger: Logger;
}

/** No host name is longer, with a port and a final dot. */
const LONGEST_FIELD = 300;

/**
 * Whether a Host field names us: one of our names, a loopback name (RFC 6761, section 6.3), or any IP address, since nobody's DNS
 * decides where that leads. Pure.
 * @param field undefined: a client of HTTP/1.0, which is no browser
 * @param names in lower case
 */
export function isOwnHost(field: string | undefined, names: ReadonlySet<string>): boolean {
  if (field === undefined) return true;
  if (field.length > LONGEST_FIELD) return false;
  const [, literal, name] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::\d{0,5})?$/i.exec(field) ?? [];
  if (literal !== undefined) return isIP(literal) === 6;
  if (name === undefined) return false;
  const host = nameOf(name);
  return isIP(host) === 4 || host === 'localhost' || host.endsWith('.localhost') || names.has(host);
}

/** In lower case, without the final dot of a name that is complete (RFC 3986, section 3.2.2). */
function nameOf(host: string): string {
  return host.toLowerCase().replace(/\.$/, '');
}

/** The names of this machine beside those that are given. */
function ownHosts(given: readonly string[]): ReadonlySet<string> {
  const [hostname = ''] = given;
  return new Set([...ownNames(hostname), ...given.map(nameOf)]);
}

/** Answers 421 (RFC 9110, section 15.5.20) to requests for other hosts. A unix socket is out of a browser's reach: any name goes. */
export function refuseForeignHosts(server: FastifyInstance, options: OwnHostsOptions): void {
  const names = ownHosts(options.names);
  const ration = seldom();
  server.addHook('onRequest', async (request, reply) => {
    const { host } = request.headers;
    if (request.socket.remoteAddress === undefined || isOwnHost(host, names)) return;
    const leftOut = ration.next(Date.now());
    if (leftOut !== null) {
      options.logger.warn(
        { event: 'host_refused', host: host?.slice(0, LONGEST_FIELD), not_logged: leftOut },
        `a request for another host was refused; where that is a name of ours, add it to ${options.setting}`,
      );
    }
    return reply
      .code(421)
      .header('connection', 'close')
      .send({ error: `no name of this server; see ${options.setting}` });
  });
}
