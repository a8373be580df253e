// Where a transport of Postfix leads, as sealpost names endpoints and next hops. Pure.
import { resolve } from 'node:path';
import { type Endpoint, type NextHop, parseEndpoint } from '../config/units.ts';

/** A value of transport(5), content_filter or FILTER: `service:nexthop`. */
export interface Transport {
  /** As master.cf names it: `lmtp` in `lmtp:unix:...`. */
  readonly service: string;
  readonly nextHop: string;
}

export function parseTransport(value: string): Transport {
  const at = value.indexOf(':');
  return at === -1
    ? { service: value.trim(), nextHop: '' }
    : { service: value.slice(0, at).trim(), nextHop: value.slice(at + 1).trim() };
}

/**
 * Where smtp(8) or lmtp(8) connects to for a next hop: `unix:private/dovecot-lmtp`, `inet:host:24`, `[host]:25`.
 * @param queueDirectory where the path of a socket begins
 * @returns null for a name to be looked up, such as `[host]`, or what cannot be read
 */
export function endpointOf(nextHop: string, queueDirectory: string): Endpoint | null {
  const socket = /^unix:(\S+)$/.exec(nextHop)?.[1];
  const parsed = parseEndpoint(socket === undefined ? nextHop : `unix:${resolve(queueDirectory, socket)}`);
  return parsed.ok ? parsed.value : null;
}

/**
 * The next hop that a transport is, where its service is lmtp(8) or smtp(8) by its usual name.
 * @param queueDirectory as in {@link endpointOf}
 * @returns null for anything that is no LMTP or SMTP with a socket or a port: `virtual`, `dovecot:`, `smtp:[host]`
 */
export function nextHopOf(transport: string, queueDirectory: string): NextHop | null {
  const { service, nextHop } = parseTransport(transport);
  if (service !== 'lmtp' && service !== 'smtp') return null;
  const endpoint = endpointOf(nextHop, queueDirectory);
  return endpoint === null ? null : { protocol: service, endpoint };
}
