// The table `events`: written in batches while mail flows, one partition a day, and read by `sealpost trace`.

import type { Pool } from 'pg';
import { createMinuteCounter, forgetMinutes } from './event-minutes.ts';
import { removeOld } from './remove-old.ts';

/** One row, in the order of {@link COLUMNS}; times in Unix milliseconds. */
export interface EventRow {
  readonly at: number;
  readonly event: string;
  readonly queueId: string;
  readonly transaction: string;
  /** An HMAC in hexadecimal; '' where the message has none. */
  readonly messageId: string;
  /** As it may be kept: an address of ours, or a pseudonym. */
  readonly recipient: string;
  readonly because: string;
  readonly reason: string;
  readonly keys: readonly string[];
  readonly size: number;
  readonly ms: number;
  readonly reply: string;
}

export interface EventWriter {
  /** Never throws, never waits; what cannot be written soon is lost, and counted. */
  write(row: EventRow): void;
  /** Writes what is left. Never throws. */
  close(): Promise<void>;
}

/** What comes within this many milliseconds goes out in one statement. */
const TOGETHER_MS = 250;
const MOST_TOGETHER = 1000;
/** Rows in memory while the database is slow or away. */
const MOST_WAITING = 10_000;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

// Without a flush: an event lost in a crash of PostgreSQL costs a line of a story, and no mail.
const INSERT = `INSERT INTO events (at, event, queue_id, transaction, message_id, recipient, because, reason, keys, size, ms, reply)
  SELECT to_timestamp(at / 1000), event, queue_id, transaction, message_id, recipient, because, reason,
         string_to_array(keys, ','), size, ms, reply
    FROM unnest($1::float8[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                $10::bigint[], $11::int[], $12::text[])
      AS told(at, event, queue_id, transaction, message_id, recipient, because, reason, keys, size, ms, reply)
   WHERE (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL`;

interface State {
  readonly pool: Pool;
  readonly lost: (rows: number, error: unknown) => void;
  waiting: EventRow[];
  timer: NodeJS.Timeout | undefined;
  writing: Promise<void>;
}

/**
 * Makes the writer, and keeps the partitions.
 * @param keepMs how long events are kept
 * @param lost is told of rows that were not written
 */
export function createEventWriter(
  pool: Pool,
  keepMs: number,
  lost: (rows: number, error: unknown) => void,
): EventWriter {
  const state: State = { pool, lost, waiting: [], timer: undefined, writing: Promise.resolve() };
  const minutes = createMinuteCounter(pool);
  const keepPartitions = (): void => {
    void movePartitions(pool, keepMs, Date.now()).catch(() => undefined);
    void forgetMinutes(pool, Date.now()).catch(() => undefined);
  };
  keepPartitions();
  const hourly = setInterval(keepPartitions, HOUR_MS);
  hourly.unref();
  return {
    write(row) {
      minutes.count(row.at, row.event);
      if (state.waiting.length >= MOST_WAITING) {
        lost(1, new Error('too many events wait for the database'));
        return;
      }
      state.waiting.push(row);
      if (state.waiting.length >= MOST_TOGETHER) flush(state);
      state.timer ??= setTimeout(() => flush(state), TOGETHER_MS);
    },
    async close() {
      clearInterval(hourly);
      flush(state);
      await Promise.all([state.writing, minutes.close()]);
    },
  };
}

/** Begins to write what waits, behind what is being written. */
function flush(state: State): void {
  clearTimeout(state.timer);
  state.timer = undefined;
  state.writing = state.writing.then(() => writeWaiting(state));
}

async function writeWaiting(state: State): Promise<void> {
  while (state.waiting.length > 0) {
    const rows = state.waiting.slice(0, MOST_TOGETHER);
    state.waiting = state.waiting.slice(MOST_TOGETHER);
    try {
      await state.pool.query({ name: 'sealpost-events', text: INSERT, values: columnsOf(rows) });
    } catch (error) {
      state.lost(rows.length, error);
    }
  }
}

/** PostgreSQL's text holds no NUL; a reply of a next hop may hold anything. */
const clean = (text: string): string => text.replaceAll('\0', '');

function columnsOf(rows: readonly EventRow[]): unknown[] {
  return [
    rows.map(({ at }) => at),
    rows.map(({ event }) => event),
    rows.map(({ queueId }) => clean(queueId)),
    rows.map(({ transaction }) => transaction),
    rows.map(({ messageId }) => messageId),
    rows.map(({ recipient }) => clean(recipient)),
    rows.map(({ because }) => because),
    rows.map(({ reason }) => clean(reason)),
    rows.map(({ keys }) => keys.join(',')),
    rows.map(({ size }) => size),
    rows.map(({ ms }) => ms),
    rows.map(({ reply }) => clean(reply)),
  ];
}

/** `events_20261130`. @param day Unix milliseconds of any moment of it, UTC */
function partitionOf(day: number): string {
  return `events_${new Date(day).toISOString().slice(0, 10).replaceAll('-', '')}`;
}

/**
 * Makes the partitions of today and of the next two days, and drops those that are older than `keepMs`. A role that may not make
 * tables writes into the default partition, whose old rows are removed.
 */
export async function movePartitions(pool: Pool, keepMs: number, now: number): Promise<void> {
  for (const ahead of [0, 1, 2]) {
    const from = new Date(Math.floor(now / DAY_MS) * DAY_MS + ahead * DAY_MS);
    const until = new Date(from.getTime() + DAY_MS);
    await pool
      .query(
        `CREATE TABLE IF NOT EXISTS ${partitionOf(from.getTime())} PARTITION OF events
           FOR VALUES FROM ('${from.toISOString()}') TO ('${until.toISOString()}')`,
      )
      // Another process makes it at the same time, rows of that day lie in the default partition, or the role may not.
      .catch(() => undefined);
  }
  const { rows } = await pool.query<{ name: string }>(
    `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'events'::regclass`,
  );
  const oldest = partitionOf(now - keepMs);
  for (const { name } of rows)
    if (/^events_\d{8}$/.test(name) && name < oldest) await pool.query(`DROP TABLE IF EXISTS ${name}`);
  await removeOld(pool, {
    table: 'events_other',
    condition: 'at < to_timestamp($1::float8 / 1000)',
    values: [now - keepMs],
  });
}

/** What `trace` is asked for: one of them, in the form in which it is kept. */
export interface EventQuery {
  readonly queueId?: string;
  readonly messageId?: string;
  /** Any of these; where one ends in `%`, or has it inside, a pattern of LIKE. */
  readonly recipients?: readonly string[];
  /** Unix milliseconds. */
  readonly since: number;
  readonly limit: number;
}

const SELECT = `SELECT extract(epoch FROM at) * 1000 AS at, event, queue_id AS "queueId", transaction, message_id AS "messageId",
       recipient, because, reason, keys, size::float8 AS size, ms, reply FROM events`;

/** Finds events, the newest first, as many as `limit`. */
export async function findEvents(pool: Pick<Pool, 'query'>, asked: EventQuery): Promise<readonly EventRow[]> {
  const { rows } = await pool.query<Omit<EventRow, 'at'> & { at: string }>(
    `${SELECT} WHERE at >= to_timestamp($1::float8 / 1000)
        AND (queue_id = $2 OR message_id = $3 OR recipient LIKE ANY ($4::text[]))
      ORDER BY at DESC LIMIT $5`,
    [asked.since, asked.queueId ?? null, asked.messageId ?? null, asked.recipients ?? [], asked.limit],
  );
  return rows.map((row) => ({ ...row, at: Math.round(Number(row.at)) }));
}
