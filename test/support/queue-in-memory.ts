// The queue's tables in memory, as far as the way out asks them: so that every answer of the HTTP interface can be had without a
// database. The end-to-end tests ask a real one.
import { createHash } from 'node:crypto';
import { pino } from 'pino';
import { type ArrivalsBoard, createArrivals } from '../../receiver/api/arrivals.ts';
import type { ApiContext } from '../../receiver/api/context.ts';
import { createApi } from '../../receiver/api/server.ts';
import { stillGood } from '../../receiver/queue/tokens.ts';
import { configSchema } from '../../src/config/schema.ts';
import { createMetrics } from '../../src/observe/metrics.ts';

type Queries = ApiContext['database'];

export interface StoredRow {
  readonly id: string;
  readonly user: number;
  readonly number: number;
  readonly content: Buffer;
  /** Bytes of a chunk; 0: one value. */
  readonly chunk?: number;
}

export interface QueueInMemory {
  readonly database: Queries;
  readonly rows: StoredRow[];
  readonly gone: { readonly id: string; readonly user: number }[];
  /** token -> user; a revoked one is removed. */
  readonly tokens: Map<string, number>;
  /** What every query fails with. */
  failure: Error | null;
  /** Names of the queries that were asked. */
  readonly asked: string[];
}

const RECEIVED = new Date('2026-11-25T10:00:00.000Z');

export function idOf(number: number): string {
  return number.toString(16).padStart(32, '0');
}

/** A token of the right form, different for each seed. */
export function tokenOf(seed: string): string {
  return `sealpost_${createHash('sha256').update(seed).digest('base64url')}`;
}

export function createQueueInMemory(): QueueInMemory {
  const rows: StoredRow[] = [];
  const gone: { id: string; user: number }[] = [];
  const tokens = new Map<string, number>();
  const hash = (token: string) => createHash('sha256').update(token, 'latin1').digest('hex');
  const view = ({ id, number, content, chunk = 0 }: StoredRow) => ({
    id,
    number: String(number),
    size: String(content.length),
    received: RECEIVED,
    chunks: chunk === 0 ? 0 : Math.ceil(content.length / chunk),
  });
  const answers = {
    sealpost_recognise: ([digest]: Buffer[]) =>
      [...tokens].flatMap(([token, user], index) =>
        hash(token) === digest?.toString('hex') ? [{ id: index + 1, user_id: user, stale: false }] : [],
      ),
    sealpost_list_queue: ([user = 0, after = 0, limit = 0]: number[]) =>
      rows
        .filter((row) => row.user === user && row.number > after)
        .slice(0, limit)
        .map(view),
    sealpost_find_in_queue: ([user, ids]: [number, string[]]) =>
      rows.filter((row) => row.user === user && ids.includes(row.id)).map(view),
    sealpost_read_whole: ([ids]: [string[]]) =>
      rows.filter((row) => ids.includes(row.id)).map(({ id, content }) => ({ id, content })),
    sealpost_read_chunk: ([id, number]: [string, number]) =>
      rows
        .filter((row) => row.id === id)
        .map(({ content, chunk = 1 }) => ({
          content: content.subarray(number * chunk, (number + 1) * chunk),
        })),
    sealpost_acknowledge: ([user, ids]: [number, string[]]) => {
      const removed = rows.filter((row) => row.user === user && ids.includes(row.id));
      for (const row of removed) {
        rows.splice(rows.indexOf(row), 1);
        gone.push({ id: row.id, user });
      }
      return removed.map(({ id }) => ({ id }));
    },
    sealpost_acknowledged_before: ([user, ids]: [number, string[]]) =>
      gone.filter((one) => one.user === user && ids.includes(one.id)).map(({ id }) => ({ id })),
    sealpost_last_number: ([user]: number[]) => {
      const last = rows.filter((row) => row.user === user).at(-1);
      return last === undefined ? [] : [{ last_number: String(last.number) }];
    },
  };
  const self: QueueInMemory = {
    rows,
    gone,
    tokens,
    failure: null,
    asked: [],
    database: {
      query: async (query: string | { name?: string; values?: unknown[] }, values: unknown[] = []) => {
        if (self.failure !== null) throw self.failure;
        const name = typeof query === 'string' ? query.slice(0, 40) : (query.name ?? '');
        self.asked.push(name);
        if (name.startsWith('SELECT id FROM api_tokens')) {
          return { rows: [...tokens.keys()].map((_, index) => ({ id: index + 1 })) };
        }
        const answer = (answers as Readonly<Record<string, unknown>>)[name] as
          | ((values: unknown[]) => unknown[])
          | undefined;
        if (answer === undefined) throw new Error(`the queue in memory does not know the query ${name}`);
        return { rows: answer(typeof query === 'string' ? values : (query.values ?? [])) };
      },
    } as unknown as Queries,
  };
  return self;
}

/** The HTTP interface over a queue in memory. */
export async function apiInMemory(settings: Readonly<Record<string, unknown>> = {}, heartbeat = 20) {
  const queue = createQueueInMemory();
  const board: ArrivalsBoard = createArrivals((ids) => stillGood(queue.database, ids));
  const metrics = createMetrics({ processMetrics: false });
  const lines: string[] = [];
  const logger = pino({ level: 'trace' }, { write: (line: string) => lines.push(line) });
  const config = configSchema.parse({ receiver: { api: settings } }).receiver.api;
  const context: ApiContext = {
    database: queue.database,
    config,
    hostname: 'mx.example.org',
    logger,
    arrivals: board,
    heartbeat,
  };
  const server = await createApi(context, metrics);
  return { queue, board, server, context, metrics, log: () => lines.join('') };
}
