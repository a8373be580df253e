// How far the replica of database.read_url is behind: how old what it knows is, held against the primary's own log of changes
// (WAL), so that a primary that is idle, and a standby that is cut off, are both told as they are.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Database } from '../database/open.ts';
import type { Metrics } from '../observe/metrics.ts';

export interface ReplicaLag {
  /** Seconds; null: the replica, or the primary, cannot be asked. */
  known(): number | null;
  close(): Promise<void>;
}

export interface ReplicaLagContext {
  readonly primary: Pick<Pool, 'query'>;
  /** Opens a connection to database.read_url; tried again with each round while it rejects. */
  readonly open: () => Promise<Pick<Database, 'pool' | 'close'>>;
  readonly metrics: Pick<Metrics, 'replicaLag'>;
}

const EVERY_MS = 5000;
/** A replica that follows has what was asked for within a moment. */
const MOMENT_MS = 1000;
const AGAIN_MS = 50;

/** Where the primary's log stood. */
export interface Position {
  /** Unix milliseconds. */
  readonly at: number;
  /** Bytes since the log's beginning. */
  readonly written: number;
}

/** What is known of a replica that has not everything. */
export interface Behind {
  /** The newest moment whose changes it is known to have. Unix milliseconds. */
  readonly has: number;
  /** Later positions, oldest first. */
  readonly lacks: readonly Position[];
}

/** Positions that are kept of a replica that stands still: beyond it, every other one goes. */
const MOST_POSITIONS = 500;

/**
 * Takes what a replica has replayed. Pure.
 * @param replayed bytes since the log's beginning; null: it is no standby, and has everything
 */
export function heardOf({ has, lacks }: Behind, position: Position, replayed: number | null): Behind {
  // What a failover has cut off nobody will ever replay.
  const all = [...lacks.filter(({ written }) => written <= position.written), position];
  const reached = replayed === null ? all : all.filter(({ written }) => written <= replayed);
  const left = all.slice(reached.length);
  return {
    has: Math.max(has, ...reached.map(({ at }) => at)),
    lacks: left.length > MOST_POSITIONS ? left.filter((_, index) => index % 2 === 0) : left,
  };
}

interface State extends ReplicaLagContext {
  opened: Pick<Database, 'pool' | 'close'> | null;
  behind: Behind;
  seconds: number | null;
  timer: NodeJS.Timeout | undefined;
  /** The round that is under way. */
  round: Promise<void>;
  closed: boolean;
}

/** Begins at once. @param everyMs between the end of a round and the next one */
export function watchReplicaLag(context: ReplicaLagContext, everyMs = EVERY_MS): ReplicaLag {
  const state: State = {
    ...context,
    opened: null,
    behind: { has: Date.now(), lacks: [] },
    seconds: null,
    timer: undefined,
    round: Promise.resolve(),
    closed: false,
  };
  const begin = (): void => {
    state.round = look(state).then(() => {
      if (state.closed) return;
      state.timer = setTimeout(begin, everyMs);
      state.timer.unref();
    });
  };
  begin();
  return {
    known: () => state.seconds,
    async close() {
      state.closed = true;
      clearTimeout(state.timer);
      await state.round;
      await state.opened?.close();
    },
  };
}

/** Never rejects: the lookups tell of a replica that is away. */
async function look(state: State): Promise<void> {
  const { primary, open, metrics } = state;
  try {
    state.opened ??= await open();
    const asked = Date.now();
    const { rows } = await primary.query<{ written: number }>(
      "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 AS written",
    );
    const position = { at: asked, written: rows[0]?.written ?? 0 };
    const replayed = await replayedIn(state.opened.pool, position.written, () => state.closed);
    state.behind = heardOf(state.behind, position, replayed);
    const { has, lacks } = state.behind;
    state.seconds = (Date.now() - (lacks.length === 0 ? asked : has)) / 1000;
    metrics.replicaLag.set(state.seconds);
  } catch {
    state.seconds = null;
    metrics.replicaLag.remove();
  }
}

/** Asks the replica until it has what was written, for a moment. @returns what it has replayed; null: it is no standby */
async function replayedIn(
  replica: Pick<Pool, 'query'>,
  written: number,
  isOver: () => boolean,
): Promise<number | null> {
  for (const since = Date.now(); ; await sleep(AGAIN_MS)) {
    const { rows } = await replica.query<{ replayed: number | null }>(
      `SELECT CASE WHEN pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::float8 END AS replayed`,
    );
    const replayed = rows[0]?.replayed ?? null;
    if (replayed === null || replayed >= written || isOver() || Date.now() - since > MOMENT_MS)
      return replayed;
  }
}
