// What the processes of `serve --workers` tell one another: the primary asks, the workers answer; claims go from one worker
// to the others by way of the primary. Everything here is JSON over the channel of node:cluster.
import type { Registry } from 'prom-client';
import type { ClaimId } from '../delivery/claims.ts';
import type { CensusOf, DayOf } from '../http/page/facts.ts';
import { type FatesOf, sumOfFates } from '../observe/fates.ts';
import type { Health } from '../observe/health.ts';
import { type PassedOf, sumOfPassed } from '../observe/passed.ts';
import { type Problem, sumOfProblems } from '../observe/problems.ts';
import { type Counts, sumOf } from '../observe/windows.ts';

/** What prom-client can aggregate. */
export type MetricsAsJson = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/** What the primary may ask of a worker, and what comes back. */
export interface Answers {
  readonly metrics: MetricsAsJson;
  readonly health: Health;
  readonly status: RunningStatus;
  /** null: another process reads it. */
  readonly history: DayOf | null;
  /** The configuration was read again, or was kept because the new one is wrong. */
  readonly reload: null;
}
export type Question = keyof Answers;

/** What /status says of one process. */
export interface RunningStatus {
  /** What its parts say of themselves. */
  readonly [more: string]: unknown;
  readonly pid: number;
  /** Why parts are not well; absent where all are. */
  readonly complaints?: readonly string[];
  readonly listeners: readonly {
    readonly name: string;
    readonly address: string;
    readonly connections: number;
  }[];
  readonly last_minute: Counts;
  readonly fates?: FatesOf;
  /** Whether a filter or a receiver runs. */
  readonly takes_mail?: boolean;
  readonly plaintext?: PassedOf;
  readonly problems?: readonly Problem[];
  /** Of the process that counts. */
  readonly census?: CensusOf;
  /** Of the process that asks database.read_url; null: it cannot be asked. */
  readonly replica?: { readonly lag_seconds: number | null };
  readonly in_flight: { readonly transactions: number; readonly bytes: number; readonly late: number };
}

export type ToWorker =
  | { readonly kind: 'ask'; readonly id: number; readonly question: Question }
  | { readonly kind: 'stop' }
  | ClaimNews;

export type ToPrimary =
  | { readonly kind: 'ready' }
  | { readonly kind: 'answer'; readonly id: number; readonly value: Answers[Question] }
  | { readonly kind: 'failed'; readonly id: number; readonly because: string }
  | ClaimNews;

/** Messages are under way in another process and nobody waits for them, or no longer so. */
export interface ClaimNews {
  readonly kind: 'announce' | 'withdraw';
  readonly ids: readonly ClaimId[];
}

/**
 * The sums of all workers; what else the first one says is said for all.
 * @param ours listeners of the primary
 * @param problems what the primary noted by itself
 */
export function combinedStatus(
  statuses: readonly RunningStatus[],
  ours: RunningStatus['listeners'] = [],
  problems: readonly Problem[] = [],
): object {
  const listeners = new Map<string, RunningStatus['listeners'][number]>();
  for (const listener of [...statuses.flatMap((status) => status.listeners), ...ours]) {
    const key = `${listener.name} ${listener.address}`;
    const connections = (listeners.get(key)?.connections ?? 0) + listener.connections;
    listeners.set(key, { ...listener, connections });
  }
  const sum = (part: keyof RunningStatus['in_flight']): number =>
    statuses.reduce((total, status) => total + status.in_flight[part], 0);
  const fates = statuses.flatMap((status) => status.fates ?? []);
  const plaintext = statuses.flatMap((status) => status.plaintext ?? []);
  const census = statuses.find((status) => status.census !== undefined)?.census;
  const replica = statuses.find((status) => status.replica !== undefined)?.replica;
  const noted = sumOfProblems([problems, ...statuses.map((status) => status.problems ?? [])]);
  const complaints = new Set(statuses.flatMap((status) => status.complaints ?? []));
  return {
    ...statuses[0],
    ...(complaints.size === 0 ? {} : { complaints: [...complaints] }),
    pid: process.pid,
    workers: statuses.map((status) => ({ pid: status.pid, in_flight: status.in_flight })),
    listeners: [...listeners.values()],
    last_minute: sumOf(statuses.map((status) => status.last_minute)),
    ...(fates.length === 0 ? {} : { fates: sumOfFates(fates) }),
    ...(plaintext.length === 0 ? {} : { plaintext: sumOfPassed(plaintext) }),
    ...(census === undefined ? {} : { census }),
    ...(replica === undefined ? {} : { replica }),
    ...(noted.length === 0 ? {} : { problems: noted }),
    in_flight: { transactions: sum('transactions'), bytes: sum('bytes'), late: sum('late') },
  };
}

/**
 * Ready when every worker is; a reason that several give is said once.
 * @param running how many of the `workers` were there to be asked
 */
export function combinedHealth(healths: readonly Health[], running: number, workers: number): Health {
  const reasons = new Set(healths.flatMap((health) => health.reasons));
  const say = (number: number, what: string): void => {
    if (number > 0) reasons.add(`${number} of ${workers} workers ${what}`);
  };
  say(workers - running, 'are not running');
  say(running - healths.length, 'did not answer in time');
  return {
    ready: healths.length === workers && healths.every((health) => health.ready),
    reasons: [...reasons],
  };
}
