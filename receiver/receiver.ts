// The receiver: spools and LMTP listeners in front of the queue, and the state of both for metrics and health.

import type { Config } from '../src/config/schema.ts';
import type { Engine } from '../src/delivery/engine.ts';
import { outgoingDirectoryIn } from '../src/delivery/outgoing.ts';
import type { Logger } from '../src/observe/log.ts';
import type { Metrics } from '../src/observe/metrics.ts';
import { classOf } from '../src/smtp/replies.ts';
import { createBudget } from '../src/smtp/server/budget.ts';
import { type FilterListenerHandle, startListener } from '../src/smtp/server/listener.ts';
import { createQueueDelivery } from './lmtp.ts';
import { forgetOld, removeExpired } from './queue/retention.ts';
import { CONNECTIONS_PER_SPOOL, type Spool, startSpool } from './spool/spool.ts';

export interface Receiver {
  listeners(): readonly FilterListenerHandle[];
  /** Why the receiver is not well, one sentence each; none: it is. */
  complaints(): Promise<readonly string[]>;
  /** For /status. */
  describe(): Promise<{ readonly spool: string; readonly files: number; readonly oldest: string | null }[]>;
  /** Takes a new configuration: settings and limits. Spools and listeners stay as they were opened. */
  reconfigure(config: Config): void;
  /** Begins nothing new; what is under way is finished, LMTP clients have the grace. */
  close(graceMs: number): Promise<void>;
}

/** Whether the configuration asks for a receiver at all. */
export function wantsReceiver({ receiver }: Pick<Config, 'receiver'>): boolean {
  return receiver.spool.length > 0 || receiver.listen.length > 0;
}

const GAUGES_EVERY_MS = 5_000;
const CLEAN_EVERY_MS = 600_000;

/**
 * Starts what [receiver] names.
 * @param passed file descriptors from systemd, by listener name
 * @throws Error with a sentence for the administrator when a listener cannot be opened
 */
export async function startReceiver(
  config: Config,
  engine: Engine,
  logger: Logger,
  metrics: Metrics,
  passed: ReadonlyMap<string, number> = new Map(),
): Promise<Receiver> {
  let current = config;
  const { pool } = engine.database;
  const budget = createBudget(config.filter.memory_budget);
  const maxReceived = (): number => current.filter.max_received;
  const outgoingDirectory = outgoingDirectoryIn(config.state_dir);
  const sealing = { engine, logger, metrics, outgoingDirectory };
  const delivery = createQueueDelivery({ ...sealing, pool, maxReceived });
  const listeners: FilterListenerHandle[] = [];
  const spools: Spool[] = [];
  // A batch holds its claims' connection while it asks the directory: from one pool, batches could wait for each other.
  const claims = engine.database.createPool(
    Math.max(1, config.receiver.spool.length) * CONNECTIONS_PER_SPOOL,
  );

  async function openListener(address: Config['receiver']['listen'][number], index: number): Promise<void> {
    const name = index === 0 ? 'receiver' : `receiver-${index + 1}`;
    const fd = passed.get(name);
    const { mode, group } = config.receiver;
    listeners.push(
      await startListener({
        listener: {
          name,
          protocol: 'lmtp',
          address,
          before_queue: false,
          ...(mode === undefined ? {} : { mode }),
          ...(group === undefined ? {} : { group }),
        },
        config: current.filter,
        hostname: current.hostname,
        logger,
        admission: budget,
        ...(fd === undefined ? {} : { fd }),
        async deliver(transaction) {
          const replies = await delivery.deliver(transaction);
          for (const reply of replies) metrics.messages.inc({ listener: name, outcome: classOf(reply) });
          return replies;
        },
        acknowledged: delivery.acknowledged,
        lost: delivery.lost,
      }),
    );
  }

  function openSpool(spool: string): void {
    spools.push(
      startSpool({
        ...sealing,
        engine,
        pool: claims,
        spool,
        hostname: current.hostname,
        admit: (bytes) => budget.request(bytes),
        maxReceived,
        sweepInterval: () => current.receiver.sweep_interval,
        timing: () => ({
          maxAge: current.receiver.max_age,
          leastBackOff: current.receiver.minimal_backoff,
          mostBackOff: current.receiver.maximal_backoff,
          most: current.filter.memory_budget,
        }),
      }),
    );
  }

  async function oldestFile(): Promise<Date | null> {
    const times = await Promise.all(spools.map((spool) => spool.oldest()));
    return times.reduce(
      (least, time) => (time !== null && (least === null || time < least) ? time : least),
      null,
    );
  }

  async function measure(): Promise<void> {
    metrics.spoolFiles.set(spools.reduce((total, spool) => total + spool.depth(), 0));
    metrics.spoolOldest.set(secondsSince(await oldestFile()));
    const { rows } = await pool.query<{ messages: string; bytes: string; oldest: Date | null }>(
      `SELECT coalesce(sum(messages), 0) AS messages, coalesce(sum(bytes), 0) AS bytes,
              (SELECT min(received) FROM incoming) AS oldest FROM incoming_counts`,
    );
    const [queue] = rows;
    metrics.queueMessages.set(Number(queue?.messages ?? 0));
    metrics.queueBytes.set(Number(queue?.bytes ?? 0));
    metrics.queueOldest.set(secondsSince(queue?.oldest ?? null));
  }

  async function clean(): Promise<void> {
    const { retention } = current.receiver;
    if (retention !== null) {
      const removed = await removeExpired(pool, retention);
      if (removed > 0)
        logger.warn({ removed }, 'messages that nobody fetched have left the queue (receiver.retention)');
    }
    await forgetOld(pool);
  }

  try {
    for (const [index, address] of config.receiver.listen.entries()) await openListener(address, index);
  } catch (error) {
    await Promise.all(listeners.map((listener) => listener.close({ graceMs: 0 })));
    throw error;
  }
  for (const spool of config.receiver.spool) openSpool(spool);
  engine.onChange((change) => {
    if (change === null) for (const spool of spools) spool.wake(null);
    const userId = change === null ? null : userOfChange(change.table, change.key);
    if (userId !== null) for (const spool of spools) spool.wake(userId);
  });
  const repeat = (work: () => Promise<void>, every: number): NodeJS.Timeout => {
    const attempt = (): void =>
      void work().catch((error: unknown) =>
        logger.debug({ err: error }, 'the queue cannot be looked after now'),
      );
    attempt();
    const timer = setInterval(attempt, every);
    timer.unref();
    return timer;
  };
  const timers = [repeat(measure, GAUGES_EVERY_MS), repeat(clean, CLEAN_EVERY_MS)];

  return {
    listeners: () => listeners,
    async complaints() {
      const oldest = await oldestFile();
      const { health_age } = current.receiver;
      if (oldest === null || Date.now() - oldest.getTime() <= health_age) return [];
      const waited = Math.round(secondsSince(oldest) / 60);
      return [`the oldest spool file has waited for ${waited} minutes (receiver.health_age)`];
    },
    describe: () =>
      Promise.all(
        spools.map(async (spool) => ({
          spool: spool.path,
          files: spool.depth(),
          oldest: (await spool.oldest())?.toISOString() ?? null,
        })),
      ),
    reconfigure(next) {
      current = next;
      for (const listener of listeners) listener.reconfigure(next.filter);
    },
    async close(graceMs) {
      for (const timer of timers) clearInterval(timer);
      await Promise.all([
        ...listeners.map((listener) => listener.close({ graceMs })),
        ...spools.map((spool) => spool.close()),
      ]);
    },
  };
}

function secondsSince(date: Date | null): number {
  return date === null ? 0 : Math.max(0, (Date.now() - date.getTime()) / 1000);
}

/** The user whose waiting mail a change may set free: keys, settings, quota or what the queue holds. */
function userOfChange(table: string, key: string | null): number | null {
  if (key === null) return null;
  const id = table === 'users' || table === 'incoming_counts' ? key : /^user:(\d+)$/.exec(key)?.[1];
  return id === undefined || !/^\d+$/.test(id) ? null : Number(id);
}
