// Where a transport of Postfix leads, as sealpost names next hops. Pure.
import { resolve } from 'node:path';
import { type NextHop, parseNextHop } from '../config/units.ts';

/**
 * Reads `lmtp:unix:private/dovecot-lmtp`, `lmtp:inet:host:24`, `smtp:[host]:25` and their kind (transport(5), lmtp(8)).
 * @param queueDirectory where the path of a socket begins
 * @returns null for anything that is no LMTP or SMTP with a socket or a port: `virtual`, `dovecot:`, `smtp:[host]`
 */
export function nextHopOf(transport: string, queueDirectory: string): NextHop | null {
  const socket = /^lmtp:unix:(\S+)$/.exec(transport)?.[1];
  const text =
    socket === undefined
      ? transport.replace(/^(lmtp|smtp):inet:/, '$1:')
      : `lmtp:unix:${resolve(queueDirectory, socket)}`;
  const parsed = parseNextHop(text);
  return parsed.ok ? parsed.value : null;
}

/** The name of the service that a transport starts with: `lmtp` in `lmtp:unix:...`. */
export function serviceOf(transport: string): string {
  return transport.split(':', 1)[0] ?? '';
}
