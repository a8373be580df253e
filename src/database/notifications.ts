// Listens for the change notifications of the triggers (migrations/0001_triggers.sql) on a connection of its own, and
// says when it may have missed some: a cache drops everything then.
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Logger } from 'pino';
import * as z from 'zod';
import type { Config } from '../config/schema.ts';
import { connectClient, type DeadlineClient } from './client.ts';
import { type ConnectionTarget, findDatabase, unavailable } from './connection.ts';

const tableSchema = z.enum([
  'domains',
  'users',
  'addresses',
  'alias_targets',
  'keys',
  'user_usage',
  'sender_logins',
  'client_fingerprints',
  'rules',
  'incoming_counts',
  'api_tokens',
  'domain_names',
]);

const changeSchema = z.object({
  table: tableSchema,
  key: z.string().nullable(),
});

/**
 * What changed: a domain's name (domain_names: one of its other names), a user's ID, an address, an alias's address, or a key's
 * owner ("user:ID", "contact:ID", "domain:ID"); a rule's owner ("user:ID", "domain:NAME"); a user's ID (user_usage,
 * incoming_counts, api_tokens), an address (sender_logins), a fingerprint. key null: many rows; drop everything.
 */
export type Change = Readonly<z.output<typeof changeSchema>>;

/** Whether a table is one whose changes this program understands. */
export function isChangedTable(table: string): table is Change['table'] {
  return tableSchema.safeParse(table).success;
}

export interface ChangeListener {
  onChange(change: Change): void;
  /** The connection is gone: changes are missed from now on. */
  onLost(): void;
  /** It is back, and listens again: what was read before this moment may be stale. */
  onRestored(): void;
}

export interface ListenOptions {
  readonly logger?: Logger;
  /** How often the connection is tried (default 15 s) and how long it may take to answer (5 s). Milliseconds. */
  readonly liveness?: { readonly interval: number; readonly deadline: number };
  /** A further channel on the same connection, and who gets its payloads. */
  readonly also?: { readonly channel: string; onPayload(payload: string): void };
}

export interface Listening {
  /** Makes the connection anew: it may lead to a server that nobody else uses any more. */
  renew(): void;
  close(): Promise<void>;
}

const SHORTEST_PAUSE = 100;
const LONGEST_PAUSE = 5000;

/** Reads a notification's payload; null for one that is not ours to read (a newer program's table). Pure. */
export function parseChange(payload: string | undefined): Change | null {
  try {
    return changeSchema.parse(JSON.parse(payload ?? ''));
  } catch {
    return null;
  }
}

/**
 * Listens until close(). A connection that is lost, or that does not answer, is made again and again.
 * @returns when the first connection listens
 * @throws DatabaseUnavailable when the first connection cannot be made
 */
export async function listenForChanges(
  config: Config,
  listener: ChangeListener,
  options: ListenOptions = {},
): Promise<Listening> {
  const { interval, deadline } = options.liveness ?? { interval: 15_000, deadline: 5000 };
  const target = await findDatabase(config, {
    listening: true,
    ...(options.logger ? { logger: options.logger } : {}),
  });
  const stopped = new AbortController();
  let first: DeadlineClient;
  try {
    first = await listen(target, listener, options.also);
  } catch (error) {
    await target.release();
    throw unavailable(target, error, config.database.connect_timeout);
  }
  const state = { now: first };
  const finished = keepListening(first);

  async function keepListening(connected: DeadlineClient): Promise<void> {
    for (let client = connected; ; ) {
      state.now = client;
      const reason = await lost(client, interval, deadline, stopped.signal);
      discard(client);
      if (stopped.signal.aborted) return;
      options.logger?.warn(
        { event: 'notifications_lost', err: reason },
        'change notifications lost; connecting again',
      );
      listener.onLost();
      const next = await reconnect();
      if (!next) return;
      client = next;
      options.logger?.info({ event: 'notifications_back' }, 'change notifications restored');
      listener.onRestored();
    }
  }

  async function reconnect(): Promise<DeadlineClient | null> {
    for (let pause = SHORTEST_PAUSE; !stopped.signal.aborted; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      await sleep(pause, undefined, { signal: stopped.signal }).catch(() => {});
      if (stopped.signal.aborted) break;
      try {
        return await listen(target, listener, options.also);
      } catch (error) {
        options.logger?.debug({ err: error }, 'no connection for change notifications yet');
      }
    }
    return null;
  }

  return {
    renew: () => state.now.destroy(),
    close: async () => {
      stopped.abort();
      await finished;
      await target.release();
    },
  };
}

async function listen(
  target: ConnectionTarget,
  listener: ChangeListener,
  also: ListenOptions['also'],
): Promise<DeadlineClient> {
  const client = await connectClient(target.settings, (each) =>
    each.on('notification', ({ channel, payload }) => {
      if (channel === also?.channel) return also.onPayload(payload ?? '');
      const change = parseChange(payload);
      if (change) listener.onChange(change);
    }),
  );
  try {
    await client.query('LISTEN sealpost_change');
    if (also !== undefined) await client.query(`LISTEN ${pg.escapeIdentifier(also.channel)}`);
    return client;
  } catch (error) {
    discard(client);
    throw error;
  }
}

/** Resolves to the reason when the connection has ended or has not answered in time, or when `stop` is aborted. */
function lost(
  client: DeadlineClient,
  interval: number,
  deadline: number,
  stop: AbortSignal,
): Promise<string> {
  return new Promise((resolve) => {
    const end = (reason: string) => {
      clearInterval(timer);
      // The signal outlives every connection: what it still calls would keep this one.
      stop.removeEventListener('abort', whenStopped);
      resolve(reason);
    };
    const whenStopped = () => end('stopped');
    // One that takes longer than the interval is still the only one: the deadline is the shorter of the two.
    const timer = setInterval(() => {
      const probe = { text: 'SELECT 1', query_timeout: Math.min(deadline, interval) };
      client.query(probe).catch((error: Error) => end(error.message));
    }, interval);
    client.on('error', (error) => end(error.message));
    client.on('end', () => end('connection closed'));
    stop.addEventListener('abort', whenStopped, { once: true });
  });
}

/** Ends a connection without waiting for a server that may not answer. */
function discard(client: DeadlineClient): void {
  const timer = setTimeout(() => client.destroy(), 1000);
  client
    .end()
    .catch(() => {})
    .finally(() => clearTimeout(timer));
}
