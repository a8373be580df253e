// The receiver: spools and LMTP listeners in front of the queue, and the state of both for metrics and health.
import type { Config } from '../src/config/schema.ts';
import type { Change } from '../src/database/notifications.ts';
import type { Engine } from '../src/delivery/engine.ts';
import { outgoingDirectoryIn } from '../src/delivery/outgoing.ts';
import { tellNotTaken } from '../src/delivery/tell-not-taken.ts';
import type { Logger } from '../src/observe/log.ts';
import type { Metrics } from '../src/observe/metrics.ts';
import { classOf } from '../src/smtp/replies.ts';
import { type Budget, createBudget } from '../src/smtp/server/budget.ts';
import { type FilterListenerHandle, startListener } from '../src/smtp/server/listener.ts';
import { createQueueDelivery, type QueueDelivery } from './lmtp.ts';
import { forgetOld, removeExpired } from './queue/retention.ts';
import { CONNECTIONS_PER_SPOOL, type Spool, startSpool } from './spool/spool.ts';

export interface SpoolStatus {
  readonly spool: string;
  readonly files: number;
  /** When the oldest file came; null: there is none. */
  readonly oldest: string | null;
}

export interface Receiver {
  listeners(): readonly FilterListenerHandle[];
  /** Why the receiver is not well, one sentence each; none: it is. */
  complaints(): Promise<readonly string[]>;
  /** For /status. */
  describe(): Promise<readonly SpoolStatus[]>;
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

interface ReceiverState {
  readonly engine: Engine;
  readonly logger: Logger;
  readonly metrics: Metrics;
  current: Config;
  readonly budget: Budget;
  readonly listeners: FilterListenerHandle[];
  readonly spools: Spool[];
}

/** What both ways into the queue seal with. */
function sealingOf(state: ReceiverState) {
  const { engine, logger, metrics, current } = state;
  const maxReceived = (): number => state.current.filter.max_received;
  const outgoingDirectory = outgoingDirectoryIn(current.state_dir);
  return { engine, logger, metrics, outgoingDirectory, maxReceived };
}

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
  const state: ReceiverState = {
    engine,
    logger,
    metrics,
    current: config,
    budget: createBudget(config.filter.memory_budget),
    listeners: [],
    spools: [],
  };
  const delivery = createQueueDelivery({ ...sealingOf(state), pool: engine.database.pool });
  await openListeners(state, delivery, passed);
  openSpools(state);
  engine.onChange((change) => wakeSpools(state, change));
  const timers = [
    repeat(state, () => measure(state), GAUGES_EVERY_MS),
    repeat(state, () => clean(state), CLEAN_EVERY_MS),
  ];
  return {
    listeners: () => state.listeners,
    complaints: () => complaints(state),
    describe: () => Promise.all(state.spools.map(describeSpool)),
    reconfigure(next) {
      state.current = next;
      for (const listener of state.listeners) listener.reconfigure(next.filter);
    },
    async close(graceMs) {
      for (const timer of timers) clearInterval(timer);
      await Promise.all([
        ...state.listeners.map((listener) => listener.close({ graceMs })),
        ...state.spools.map((spool) => spool.close()),
      ]);
    },
  };
}

/** All of them, or none. */
async function openListeners(
  state: ReceiverState,
  delivery: QueueDelivery,
  passed: ReadonlyMap<string, number>,
): Promise<void> {
  try {
    for (const [index, address] of state.current.receiver.listen.entries()) {
      const name = index === 0 ? 'receiver' : `receiver-${index + 1}`;
      state.listeners.push(await openSpoolListener(state, delivery, name, address, passed.get(name)));
    }
  } catch (error) {
    await Promise.all(state.listeners.map((listener) => listener.close({ graceMs: 0 })));
    throw error;
  }
}

function openSpoolListener(
  { current, engine, logger, metrics, budget }: ReceiverState,
  delivery: QueueDelivery,
  name: string,
  address: Config['receiver']['listen'][number],
  fd: number | undefined,
): Promise<FilterListenerHandle> {
  const { mode, group } = current.receiver;
  return startListener({
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
    notTaken: (what) => void tellNotTaken(what, engine),
  });
}

function openSpools(state: ReceiverState): void {
  const { engine, current, budget } = state;
  const paths = current.receiver.spool;
  // A batch holds its claims' connection while it asks the directory: from one pool, batches could wait for each other.
  const claims = engine.database.createPool(Math.max(1, paths.length) * CONNECTIONS_PER_SPOOL);
  for (const spool of paths)
    state.spools.push(
      startSpool({
        ...sealingOf(state),
        pool: claims,
        spool,
        hostname: current.hostname,
        admit: (bytes) => budget.request(bytes),
        sweepInterval: () => state.current.receiver.sweep_interval,
        timing: () => ({
          maxAge: state.current.receiver.max_age,
          leastBackOff: state.current.receiver.minimal_backoff,
          mostBackOff: state.current.receiver.maximal_backoff,
          most: state.current.filter.memory_budget,
        }),
      }),
    );
}

/** @param change null: some may have been missed */
function wakeSpools({ spools }: ReceiverState, change: Change | null): void {
  if (change === null) for (const spool of spools) spool.wake(null);
  const userId = change === null ? null : userOfChange(change.table, change.key);
  if (userId !== null) for (const spool of spools) spool.wake(userId);
}

/** Works now and then; what fails is tried again the next time. */
function repeat({ logger }: ReceiverState, work: () => Promise<void>, every: number): NodeJS.Timeout {
  const attempt = (): void =>
    void work().catch((error: unknown) =>
      logger.debug({ err: error }, 'the queue cannot be looked after now'),
    );
  attempt();
  const timer = setInterval(attempt, every);
  timer.unref();
  return timer;
}

async function measure({ engine, metrics, spools }: ReceiverState): Promise<void> {
  metrics.spoolFiles.set(spools.reduce((total, spool) => total + spool.depth(), 0));
  metrics.spoolOldest.set(secondsSince(await oldestFile(spools)));
  const { rows } = await engine.database.pool.query<{ messages: string; bytes: string; oldest: Date | null }>(
    `SELECT coalesce(sum(messages), 0) AS messages, coalesce(sum(bytes), 0) AS bytes,
            (SELECT min(received) FROM incoming) AS oldest FROM incoming_counts`,
  );
  const [queue] = rows;
  metrics.queueMessages.set(Number(queue?.messages ?? 0));
  metrics.queueBytes.set(Number(queue?.bytes ?? 0));
  metrics.queueOldest.set(secondsSince(queue?.oldest ?? null));
}

async function clean({ engine, current, logger }: ReceiverState): Promise<void> {
  const { pool } = engine.database;
  const { retention } = current.receiver;
  if (retention !== null) {
    const removed = await removeExpired(pool, retention);
    if (removed > 0)
      logger.warn(
        { event: 'queue_forgotten', removed },
        'messages that nobody fetched have left the queue (receiver.retention)',
      );
  }
  await forgetOld(pool);
}

async function complaints({ current, spools }: ReceiverState): Promise<readonly string[]> {
  const oldest = await oldestFile(spools);
  const { health_age } = current.receiver;
  if (oldest === null || Date.now() - oldest.getTime() <= health_age) return [];
  const waited = Math.round(secondsSince(oldest) / 60);
  return [`the oldest spool file has waited for ${waited} minutes (receiver.health_age)`];
}

async function describeSpool(spool: Spool): Promise<SpoolStatus> {
  return { spool: spool.path, files: spool.depth(), oldest: (await spool.oldest())?.toISOString() ?? null };
}

async function oldestFile(spools: readonly Spool[]): Promise<Date | null> {
  const times = await Promise.all(spools.map((spool) => spool.oldest()));
  return times.reduce(
    (least, time) => (time !== null && (least === null || time < least) ? time : least),
    null,
  );
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
