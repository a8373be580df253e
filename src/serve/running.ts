// What a running serve tells of itself: whether it can work (/readyz), what it does (/status), and who has which socket.
import { describeNextHops } from '../config/next-hops.ts';
import { packageVersion } from '../config/package.ts';
import type { Config } from '../config/schema.ts';
import { OtherServer } from '../database/fence.ts';
import type { Engine } from '../delivery/engine.ts';
import type { FateCounts } from '../observe/fates.ts';
import type { Health } from '../observe/health.ts';
import type { Logger } from '../observe/log.ts';
import type { PassedCounts } from '../observe/passed.ts';
import type { Problems } from '../observe/problems.ts';
import type { Rates } from '../observe/rates.ts';
import type { Census } from './census.ts';
import type { OpeningParts, OpenParts } from './open-parts.ts';
import type { PartListener, PartStatus } from './parts/part.ts';
import type { ReplicaLag } from './replica-lag.ts';
import type { Vigil } from './vigil.ts';
import type { RunningStatus } from './worker-link.ts';

export interface Running {
  readonly engine: Engine;
  readonly rates: Rates;
  readonly fates: FateCounts;
  readonly parts: OpeningParts;
  /** What is looked at by itself, also where no mail comes; null: another process does. */
  vigil?: Vigil | null;
  /** What the page and /status show beside it. */
  readonly seen?: Seen;
}

/** What is counted and noted by itself. */
export interface Seen {
  readonly passed: PassedCounts;
  readonly problems: Pick<Problems, 'recent'>;
  /** null: another process counts. */
  census: Census | null;
  /** null: database.read_url is not set, or another process asks. */
  replica: ReplicaLag | null;
}

/** The parts that mail comes in by. */
const MAIL_PARTS: ReadonlySet<string> = new Set(['filter', 'receiver']);

/** The listeners that are open now. */
export function listenersOf({ open }: OpenParts): readonly PartListener[] {
  return [...open.values()].flatMap((part) => part.listeners());
}

/** As /status shows them. */
export function describeListeners(parts: OpenParts): RunningStatus['listeners'] {
  return listenersOf(parts).map(({ name, address, connections }) => ({ name, address, connections }));
}

/** Why parts cannot work, one sentence each. */
export async function complaintsOf({ wanted, open }: OpenParts): Promise<readonly string[]> {
  const complaints = wanted.map(
    async (part) => open.get(part)?.complaints() ?? [`the ${part.name} listeners are not open yet`],
  );
  return (await Promise.all(complaints)).flat();
}

/** What the parts say of themselves, under names of their own. */
export async function describeParts({ open }: OpenParts): Promise<PartStatus> {
  const told = await Promise.all([...open.values()].map((part) => part.describe()));
  return Object.assign({}, ...told);
}

/** Why this process cannot work, one sentence each. */
async function allComplaints({ parts, vigil }: Pick<Running, 'parts' | 'vigil'>): Promise<readonly string[]> {
  return [...(await complaintsOf(parts)), ...(vigil?.complaints() ?? [])];
}

export async function readiness(running: Pick<Running, 'engine' | 'parts' | 'vigil'>): Promise<Health> {
  const reasons: string[] = [];
  try {
    await running.engine.database.pool.query('SELECT 1');
  } catch (error) {
    const other = error instanceof OtherServer ? `: ${error.message} (sealpost database accept)` : '';
    reasons.push(`the database does not answer${other}`);
  }
  reasons.push(...(await allComplaints(running)));
  return { ready: reasons.length === 0, reasons };
}

export interface StatusOptions {
  readonly config: Config;
  /** Of the configuration file; null: there is none. */
  readonly path: string | null;
  /** Unix milliseconds. */
  readonly started: number;
  /** What parts say that do not run here. */
  readonly absent: readonly PartStatus[];
}

export async function describeRunning(
  running: Running,
  { config, path, started, absent }: StatusOptions,
): Promise<RunningStatus> {
  const { engine, rates, fates, parts } = running;
  const { in_flight, ...told } = await describeParts(parts);
  const complaints = await allComplaints(running);
  return {
    version: packageVersion(),
    pid: process.pid,
    config: path,
    uptime_seconds: Math.round((Date.now() - started) / 1000),
    next_hop: describeNextHops(config.filter),
    listeners: describeListeners(parts),
    in_flight: {
      transactions: in_flight?.transactions ?? 0,
      bytes: in_flight?.bytes ?? 0,
      late: engine.deliverer.lateDeliveries(),
    },
    last_minute: await rates.lastMinute(),
    fates: await fates.now(),
    takes_mail: parts.wanted.some(({ name }) => MAIL_PARTS.has(name)),
    ...(await describeSeen(running.seen)),
    ...(complaints.length === 0 ? {} : { complaints }),
    ...Object.assign({}, ...absent),
    ...told,
  };
}

async function describeSeen(seen: Seen | undefined): Promise<Partial<RunningStatus>> {
  if (seen === undefined) return {};
  const census = seen.census?.known();
  return {
    plaintext: await seen.passed.now(),
    problems: seen.problems.recent(),
    ...(census == null ? {} : { census }),
    ...(seen.replica === null ? {} : { replica: { lag_seconds: seen.replica.known() } }),
  };
}

/** Says so where systemd passed sockets that nobody serves: their clients would wait for an answer for ever. */
export function warnOfUnclaimed(
  passed: ReadonlyMap<string, number>,
  listeners: readonly { readonly name: string }[],
  logger: Logger,
): void {
  const names = [...passed.keys()].filter((name) => !listeners.some((listener) => listener.name === name));
  if (names.length === 0) return;
  logger.warn(
    { event: 'socket_unclaimed', names },
    'systemd passes sockets that no listener is named for (FileDescriptorName=): nobody answers there',
  );
}
