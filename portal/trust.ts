// Whose X-Forwarded-For the portal believes. Pure.
import type { FastifyServerOptions } from 'fastify';
import type { Endpoint } from '../src/config/units.ts';
import { trustedClients } from '../src/host/trusted-clients.ts';

export interface TrustedProxies {
  readonly listen: Endpoint;
  /** Addresses and networks. */
  readonly listed: readonly string[];
}

/** As fastify takes it: the listed proxies, and on a unix socket, which has no address, whoever may open it. */
export function trustProxy({
  listen,
  listed,
}: TrustedProxies): NonNullable<FastifyServerOptions['trustProxy']> {
  if (listen.kind !== 'unix') return listed.length === 0 ? false : [...listed];
  const isListed = trustedClients(listed);
  return (address, hop) => hop === 0 || isListed(address);
}
