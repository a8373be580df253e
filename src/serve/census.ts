// How things stand, counted every few seconds for the metrics and the page, which show what was counted last also while the
// database is away. What grows with the directory is counted more seldom the longer it takes.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { readHistory } from '../database/event-minutes.ts';
import { inTransaction } from '../database/transaction.ts';
import { KEYED_USERS } from '../directory/keyed-users.ts';
import type { CensusOf, DayOf } from '../http/page/facts.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { EXPIRING_WITHIN } from '../observe/standing-metrics.ts';
import { type Ration, seldom } from '../pacing/ration.ts';

export interface Census {
  /** Null before anything was counted. */
  known(): CensusOf | null;
  /** Of the last day; null before it was read. */
  history(): DayOf | null;
  close(): void;
}

export interface CensusContext {
  /** A pool of its own, of two: a count that takes long must hold no connection that mail, or the last day, waits for. */
  readonly pool: Pool;
  /** Learns the version of the directory. */
  readonly refresh: () => Promise<void>;
  readonly stateDir: string;
  readonly metrics: Pick<
    Metrics,
    'users' | 'keys' | 'keysExpiring' | 'censusAt' | 'directoryVersion' | 'directoryChecked' | 'backupAt'
  >;
  readonly logger: Logger;
}

const EVERY_MS = 15_000;
/** Of a million users and keys a count takes seconds: a hundredth of the time is spent on it. */
const SHARE = 100;
const MOST_REST_MS = 900_000;
const COUNT_LIMIT_MS = 60_000;

interface State extends CensusContext {
  readonly ration: Ration;
  timer: NodeJS.Timeout | undefined;
  closed: boolean;
  history: DayOf | null;
  known: CensusOf | null;
  /** When it is time to count again. Unix milliseconds. */
  due: number;
  /** How often the database did not answer. */
  silences: number;
}

/** Begins at once. @param everyMs between the end of a round and the next one */
export function createCensus(context: CensusContext, everyMs = EVERY_MS): Census {
  const state: State = {
    ...context,
    ration: seldom(),
    timer: undefined,
    closed: false,
    history: null,
    known: null,
    due: 0,
    silences: 0,
  };
  const round = async (): Promise<void> => {
    const [answers] = await Promise.all([lookBack(state), noteBackup(state)]);
    // Not waited for: of a large directory the last day is read many times meanwhile.
    if (answers && Date.now() >= state.due) void count(state, everyMs);
    if (state.closed) return;
    state.timer = setTimeout(() => void round(), everyMs);
    state.timer.unref();
  };
  void round();
  return {
    known: () => state.known,
    history: () => state.history,
    close() {
      state.closed = true;
      clearTimeout(state.timer);
    },
  };
}

/** Never rejects: a database that is away is told of elsewhere. @returns whether it answers */
async function lookBack(state: State): Promise<boolean> {
  const { pool, refresh, metrics, logger } = state;
  try {
    const at = Date.now();
    state.history = { ...(await readHistory(pool, at)), at };
    const { rows } = await pool.query<{ version: string }>('SELECT version FROM directory_version');
    if (rows[0] !== undefined) metrics.directoryVersion.set(Number(rows[0].version));
    await refresh();
    metrics.directoryChecked.set(Date.now() / 1000);
    return true;
  } catch (error) {
    state.silences += 1;
    logger.debug({ err: error }, 'the last day cannot be read now');
    return false;
  }
}

/** When the file `last-backup` in state_dir was touched, as doctor reads it. */
async function noteBackup({ stateDir, metrics }: State): Promise<void> {
  const touched = await stat(join(stateDir, 'last-backup')).catch(() => null);
  if (touched === null) metrics.backupAt.remove();
  else metrics.backupAt.set(touched.mtimeMs / 1000);
}

/** Never rejects. */
async function count(state: State, everyMs: number): Promise<void> {
  const { pool, metrics, logger, ration } = state;
  const started = Date.now();
  const { silences } = state;
  state.due = Number.POSITIVE_INFINITY;
  try {
    const counted = await countStanding(pool);
    const seconds = (Date.now() - started) / 1000;
    state.known = { ...counted, at: started };
    metrics.censusAt.set(started / 1000);
    metrics.users.set({ key: 'with' }, counted.users.with_key);
    metrics.users.set({ key: 'without' }, counted.users.without_key);
    for (const [name, number] of Object.entries(counted.keys)) metrics.keys.set({ state: name }, number);
    for (const [within, number] of Object.entries(counted.keys_expiring))
      metrics.keysExpiring.set({ within }, number);
    logger.debug({ seconds }, 'users and keys are counted');
  } catch (error) {
    const leftOut = ration.next(Date.now());
    if (leftOut !== null)
      logger.warn(
        { event: 'census_failed', err: error, not_logged: leftOut },
        'users and keys could not be counted; metrics and the page show older numbers',
      );
  }
  // What a database that was away took says nothing of the next count.
  const took = state.silences === silences ? Date.now() - started : 0;
  state.due = Date.now() + Math.min(MOST_REST_MS, Math.max(everyMs, took * SHARE)) - 1;
}

type Counted = Omit<CensusOf, 'at'>;

const usable = `status = 'active' AND NOT revoked AND (expires_at IS NULL OR expires_at > now())`;
const withinDays = Object.entries(EXPIRING_WITHIN)
  .map(
    ([name, days]) =>
      `count(*) FILTER (WHERE ${usable} AND expires_at <= now() + interval '${days} days') AS "${name}"`,
  )
  .join(', ');

// What a certificate says decides, and SQL sees copies of it: one that is refused for its algorithms counts as usable here.
const COUNT = `WITH keyed AS (${KEYED_USERS})
  SELECT (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM keyed) AS keyed, k.*, q.*,
         (SELECT min(received) FROM incoming) AS oldest
    FROM (SELECT count(*) FILTER (WHERE status = 'disabled') AS disabled,
                 count(*) FILTER (WHERE status = 'active' AND revoked) AS revoked,
                 count(*) FILTER (WHERE status = 'active' AND NOT revoked AND expires_at <= now()) AS expired,
                 count(*) FILTER (WHERE ${usable}) AS usable, ${withinDays} FROM keys) AS k,
         (SELECT coalesce(sum(messages), 0) AS messages, coalesce(sum(bytes), 0) AS bytes FROM incoming_counts) AS q`;

/** Counts what the whole directory holds. @throws what the pool throws */
export async function countStanding(pool: Pick<Pool, 'connect'>): Promise<Counted> {
  const row = await inTransaction(pool, async (client) => {
    // Here a scan of the whole is what is wanted, and the deadline is no mail's.
    await client.query(
      `SET LOCAL statement_timeout = ${COUNT_LIMIT_MS}; SET LOCAL enable_seqscan = on; SET LOCAL max_parallel_workers_per_gather = 0`,
    );
    const asked = { text: COUNT, query_timeout: COUNT_LIMIT_MS + 500 };
    const { rows } = await client.query<Record<string, string | Date | null>>(asked);
    return rows[0] ?? {};
  });
  const of = (name: string): number => Number(row[name] ?? 0);
  return {
    users: { with_key: of('keyed'), without_key: of('users') - of('keyed') },
    keys: { usable: of('usable'), expired: of('expired'), revoked: of('revoked'), disabled: of('disabled') },
    keys_expiring: Object.fromEntries(Object.keys(EXPIRING_WITHIN).map((name) => [name, of(name)])),
    queue: {
      messages: of('messages'),
      bytes: of('bytes'),
      oldest: row.oldest instanceof Date ? row.oldest.getTime() : null,
    },
  };
}
