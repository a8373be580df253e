// The servers that a URL names, and which of them is tried next: in their order, but one that failed a moment ago comes after all
// others, so that a dead one costs its patience once in a while and not with each connection. The role is judged by what a
// server says of itself while it greets (PostgreSQL 14 and newer), or by what it is asked.
import { readFileSync } from 'node:fs';
import type pg from 'pg';
import type { DatabaseAddress, DatabaseHost, SessionAttributes, TlsWishes } from '../config/database-url.ts';

/** What a server is needed for. `write` and `any` are the common ones. */
export type NeededRole = 'write' | 'any' | 'primary' | 'standby' | 'read-only';

/** What a server says of itself; undefined: nothing (an old one, or a pooler before it). */
export interface RoleFacts {
  readonly standby?: boolean;
  /** default_transaction_read_only, or what it makes of a transaction. */
  readonly readOnly?: boolean;
}

/** A server, and what it is needed for. */
export interface Candidate {
  /** For people, such as `db1.example.org:5432`. */
  readonly name: string;
  readonly needed: NeededRole;
  /** What the URL says, as for `pg`. @throws Error where a file of a certificate cannot be read */
  settings(): pg.ClientConfig;
}

export interface Hosts {
  /** How many attempts are worth it. */
  readonly count: number;
  /** Milliseconds for one attempt. */
  readonly patience: number;
  next(): Candidate;
  failed(candidate: Candidate): void;
  succeeded(candidate: Candidate): void;
}

/** How long one that failed comes after the others. Milliseconds. */
const REST_MS = 10_000;

/** @returns why it is of no use; null: nothing speaks against it. Pure */
export function whyNot(needed: NeededRole, { standby, readOnly }: RoleFacts): string | null {
  switch (needed) {
    case 'any':
      return null;
    case 'write':
      return standby === true || readOnly === true ? READ_ONLY : null;
    case 'primary':
      return standby === true ? READ_ONLY : null;
    case 'standby':
      return standby === false ? 'it is no standby' : null;
    case 'read-only':
      return standby === false && readOnly === false ? 'it is not read-only' : null;
  }
}

export const READ_ONLY =
  'it is read-only: a standby, or a server with default_transaction_read_only; database.url must name the primary';

/** Which roles are asked for, one after the other. */
export function neededRoles(
  role: SessionAttributes | undefined,
  use: 'write' | 'read' | 'look',
): readonly NeededRole[] {
  if (use === 'write') return ['write'];
  // Whoever only looks is shown the server that takes writes, else any.
  if (use === 'look') return ['write', 'any'];
  switch (role) {
    case 'read-write':
      return ['write'];
    case 'prefer-standby':
      return ['standby', 'any'];
    case undefined:
    case 'any':
      return ['any'];
    default:
      return [role];
  }
}

/**
 * The next one to try. Pure.
 * @param failedAt when each failed last, by its index; 0: never, or it succeeded since
 */
export function nextIndex(failedAt: readonly number[], now: number): number {
  const rested = failedAt.findIndex((at) => at === 0 || now - at >= REST_MS);
  return rested === -1 ? failedAt.indexOf(Math.min(...failedAt)) : rested;
}

export interface HostsOptions {
  readonly needed: readonly NeededRole[];
  /** For all attempts together. Milliseconds. */
  readonly patience: number;
  readonly balanced?: boolean;
  readonly now?: () => number;
  readonly random?: () => number;
}

/** @param servers in their order; each is tried for the first role before any is for the second */
export function createHosts(
  servers: readonly Omit<Candidate, 'needed'>[],
  { needed, patience, balanced = false, now = Date.now, random = Math.random }: HostsOptions,
): Hosts {
  const all = needed.flatMap((role) => servers.map((server): Candidate => ({ ...server, needed: role })));
  const failures = new Map<Candidate, number>();
  return {
    count: all.length,
    patience: Math.max(1, Math.floor(patience / all.length)),
    next() {
      const order = balanced
        ? needed.flatMap((role) =>
            shuffled(
              all.filter((each) => each.needed === role),
              random,
            ),
          )
        : all;
      const failedAt = order.map((each) => failures.get(each) ?? 0);
      return order[nextIndex(failedAt, now())] as Candidate;
    },
    failed: (candidate) => failures.set(candidate, Math.max(now(), ...failures.values()) + 1),
    succeeded: (candidate) => failures.delete(candidate),
  };
}

function shuffled<T>(list: readonly T[], random: () => number): readonly T[] {
  return list
    .map((value) => ({ value, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value);
}

/** The servers of a URL. */
export function serversOf(address: DatabaseAddress): readonly Omit<Candidate, 'needed'>[] {
  const { user, password, database, session, tls } = address;
  return address.hosts.map((host) => ({
    name: nameOf(host),
    settings: () => ({
      ...session,
      ...withoutUndefined({ user, password, database, host: host.address ?? host.host, port: host.port }),
      ...tlsSettings(tls, host),
    }),
  }));
}

export function nameOf({ host, address, port }: DatabaseHost): string {
  const shown = host ?? address ?? 'localhost';
  return `${shown.includes(':') ? `[${shown}]` : shown}${port === undefined ? '' : `:${port}`}`;
}

function withoutUndefined(settings: Record<string, string | number | undefined>): pg.ClientConfig {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

/** As `pg` reads sslmode: `require` and `prefer` look at the certificate too, unless libpq's way is asked for. */
function tlsSettings(
  { mode, cert, key, authorities, direct, asLibpq, minVersion }: TlsWishes,
  { host, address }: DatabaseHost,
): Pick<pg.ClientConfig, 'ssl' | 'sslnegotiation'> {
  if (mode === 'disable' || mode === 'false' || mode === '0') return { ssl: false };
  const files = cert !== undefined || key !== undefined || authorities !== undefined;
  if (mode === undefined && !files && !direct) return {};
  const own = authorities !== undefined && authorities !== 'system';
  const weak = mode === 'no-verify' || (asLibpq && (mode === 'prefer' || (mode === 'require' && !own)));
  const anyName = asLibpq && own && (mode === 'verify-ca' || mode === 'require');
  return {
    ssl: {
      ...(cert === undefined ? {} : { cert: readFileSync(cert, 'utf8') }),
      ...(key === undefined ? {} : { key: readFileSync(key, 'utf8') }),
      ...(own ? { ca: readFileSync(authorities, 'utf8') } : {}),
      ...(weak ? { rejectUnauthorized: false } : {}),
      ...(anyName ? { checkServerIdentity: () => undefined } : {}),
      ...(minVersion === undefined ? {} : { minVersion: minVersion as 'TLSv1.2' }),
      // The certificate is for the name, whatever address it has.
      ...(address === undefined || host === undefined ? {} : { servername: host }),
    },
    ...(direct ? { sslnegotiation: 'direct' as const } : {}),
  };
}
