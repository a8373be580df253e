// Sizes, durations and endpoints as people write them in sealpost.toml, and the typed values they become.
import { ipVersion } from './ip-version.ts';

/** A listening or destination address: TCP on a host and port, or a unix-domain socket. */
export type Endpoint =
  | { readonly kind: 'inet'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** The next hop: which protocol is spoken, and where. */
export interface NextHop {
  readonly protocol: 'smtp' | 'lmtp';
  readonly endpoint: Endpoint;
}

/** A parsed value, or one sentence that says what was expected. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly expected: string };

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
};

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/**
 * Reads a size such as `50MB`, `256 MiB` or `10240`. KB, MB, GB and TB are powers of 1000; KiB, MiB, GiB and TiB
 * powers of 1024; no unit means bytes.
 * @returns whole bytes, or what was expected
 */
export function parseSize(text: string): Parsed<number> {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text);
  const factor = match ? SIZE_UNITS[(match[2] ?? '').toUpperCase()] : undefined;
  if (!match || factor === undefined)
    return { ok: false, expected: 'a size such as "50MB", "256MiB" or "10240"' };
  const bytes = Math.round(Number(match[1]) * factor);
  if (!Number.isSafeInteger(bytes)) return { ok: false, expected: 'a size below 8 PiB' };
  return { ok: true, value: bytes };
}

/**
 * Reads a duration such as `900s`, `5d` or `250ms`.
 * @returns milliseconds, or what was expected
 */
export function parseDuration(text: string): Parsed<number> {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*$/.exec(text);
  const factor = match ? DURATION_UNITS[match[2] ?? ''] : undefined;
  if (!match || factor === undefined)
    return { ok: false, expected: 'a duration such as "900s", "5m", "1h" or "6d"' };
  return { ok: true, value: Math.round(Number(match[1]) * factor) };
}

const HOST_NAME = /^[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?\.?$/i;

/**
 * Reads `host:port`, `[v6]:port`, `inet:host:port` or `unix:/path`. Brackets may stand around any host, as in Postfix.
 * @returns the endpoint, or what was expected
 */
export function parseEndpoint(text: string): Parsed<Endpoint> {
  const expected = 'an address such as "127.0.0.1:10024", "[::1]:10024" or "unix:/run/sealpost/lmtp.sock"';
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length);
    if (!path.startsWith('/')) return { ok: false, expected: 'an absolute path after "unix:"' };
    if (path.includes('\0')) return { ok: false, expected: 'a path without NUL after "unix:"' };
    // sockaddr_un holds 108 bytes, the terminating NUL included (unix(7)).
    if (Buffer.byteLength(path) > 107) return { ok: false, expected: 'a socket path of at most 107 bytes' };
    return { ok: true, value: { kind: 'unix', path } };
  }
  const match = /^(?:inet:)?(?:\[([^[\]]+)\]|([^:[\]]+)):(\d{1,5})$/i.exec(text);
  const host = match?.[1] ?? match?.[2] ?? '';
  if (!match || !(HOST_NAME.test(host) || (match[1] !== undefined && ipVersion(host) === 6)))
    return { ok: false, expected };
  const port = Number(match[3]);
  if (port < 1 || port > 65_535) return { ok: false, expected: 'a port from 1 to 65535' };
  return { ok: true, value: { kind: 'inet', host, port } };
}

/**
 * Reads a next hop: `smtp:127.0.0.1:10026`, `lmtp:[::1]:24` or `lmtp:unix:/path`.
 * @returns protocol and endpoint, or what was expected
 */
export function parseNextHop(text: string): Parsed<NextHop> {
  const match = /^(smtp|lmtp):(.+)$/.exec(text);
  const expected = 'a next hop such as "smtp:127.0.0.1:10026" or "lmtp:unix:/run/dovecot/lmtp"';
  if (!match) return { ok: false, expected };
  const endpoint = parseEndpoint(match[2] ?? '');
  if (!endpoint.ok) return endpoint;
  return { ok: true, value: { protocol: match[1] === 'lmtp' ? 'lmtp' : 'smtp', endpoint: endpoint.value } };
}

/** The endpoint as a person writes it; the inverse of {@link parseEndpoint}. */
export function formatEndpoint(endpoint: Endpoint): string {
  if (endpoint.kind === 'unix') return `unix:${endpoint.path}`;
  return endpoint.host.includes(':')
    ? `[${endpoint.host}]:${endpoint.port}`
    : `${endpoint.host}:${endpoint.port}`;
}

/** Where to connect to reach who listens at an endpoint: a listener on every address is reached on the loopback one. */
export function reachable(endpoint: Endpoint): Endpoint {
  if (endpoint.kind === 'unix') return endpoint;
  if (endpoint.host === '0.0.0.0' || endpoint.host === '*') return { ...endpoint, host: '127.0.0.1' };
  return endpoint.host === '::' ? { ...endpoint, host: '::1' } : endpoint;
}

/** The next hop as a person writes it; the inverse of {@link parseNextHop}. */
export function formatNextHop(nextHop: NextHop): string {
  return `${nextHop.protocol}:${formatEndpoint(nextHop.endpoint)}`;
}
