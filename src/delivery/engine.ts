// Everything that a filter needs to deliver, opened together and closed in the right order: database, directory, keys,
// sealing workers, memory, next hop. The proxy filter, the standalone pipe and `encrypt` stand on it.
import type { Config } from '../config/schema.ts';
import { createVersionTracker, refreshVersion } from '../database/directory-version.ts';
import { createEventWriter, type EventWriter } from '../database/events.ts';
import {
  type Change,
  type ChangeListener,
  type Listening,
  listenForChanges,
} from '../database/notifications.ts';
import { type Database, openDatabase } from '../database/open.ts';
import { type CachedDirectory, createDirectory } from '../directory/lookup.ts';
import type { MessageEvent } from '../observe/events.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { pseudonymKey } from '../observe/pseudonym.ts';
import { createBatcher } from '../pacing/group-commit.ts';
import { createSealer, type Sealer } from '../sealing/pool.ts';
import type { NextHopClient } from '../smtp/client/next-hop.ts';
import { acceptanceRowOf } from './acceptance-steps.ts';
import { type Acceptances, createAcceptances } from './acceptances.ts';
import { type Claims, createClaims } from './claims.ts';
import { type Decider, deciderOf } from './decide.ts';
import { createDeliverer, type Deliverer } from './deliver.ts';
import { createEcho } from './echo.ts';
import type { KeyDoor } from './key-address.ts';
import { createMembership } from './membership.ts';
import { createNextHops, type Unreachable } from './next-hops.ts';
import { outgoingDirectoryIn, removeLeftovers } from './outgoing.ts';
import { createShown, createTeller } from './tell.ts';

export interface Engine {
  readonly database: Database;
  readonly directory: CachedDirectory;
  readonly decider: Decider;
  readonly sealer: Sealer;
  readonly memory: Acceptances;
  readonly deliverer: Deliverer;
  /** `filter.next_hop` as it is now, for mail of our own that is no filter's business. */
  readonly nextHop: () => Pick<NextHopClient, 'send'>;
  /** Takes what became of a message, for the log and for `sealpost trace`. Never throws. */
  readonly tell: (event: MessageEvent) => void;
  /**
   * Learns the version of the directory, so that its cache is true as of this moment; for what decides without a recall.
   * @throws DatabaseUnavailable and the like
   */
  refresh(): Promise<void>;
  /** Calls back for every change of the database that is told of; null: some may have been missed. */
  onChange(listener: (change: Change | null) => void): void;
  /** Connects to every next hop, so that the first message need not wait for it. Never throws. @returns those that failed */
  connect(): Promise<readonly Unreachable[]>;
  /** As {@link connect}, for next hops from which nothing was heard lately. Never throws. */
  lookAtNextHops(): Promise<readonly Unreachable[]>;
  /** Whether a notification through the pool comes back on the connection that listens. @throws what the pool throws */
  hearsItself(): Promise<boolean>;
  /** Takes a new configuration without a restart (SIGHUP): global settings, limits, the next hop. */
  reconfigure(config: Config): void;
  /** Waits until nothing is being delivered any more, late answers included, or until the moment (Unix milliseconds). */
  settle(until: number): Promise<void>;
  close(): Promise<void>;
}

export interface EngineOptions {
  readonly config: Config;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Threads that seal; 0 seals in this thread, for a process that handles one message. */
  readonly workers?: number;
  /** Keep the cache true while others change the database. A process that handles one message needs it not. */
  readonly watchChanges?: boolean;
  /** Whether a database of a newer program is refused; default: the log warns. */
  readonly refuseNewer?: boolean;
  /** Replaces SMTP/LMTP re-injection (sendmail). */
  readonly nextHop?: NextHopClient;
  /** Makes what reads letters to the key address; without it they are mail as any other. */
  readonly keyDoor?: (database: Database, config: () => Config) => KeyDoor;
  /** Shared with the other processes of `serve --workers`; default: of this process alone. */
  readonly claims?: Claims;
  /** Of the serve that takes mail: other nodes may deliver from the same database. Default: nobody asks for claims. */
  readonly node?: string;
}

const EXPIRE_EVERY_MS = 3_600_000;
const LEFTOVER_AGE_MS = 3_600_000;
const LOST_EVERY_MS = 60_000;

/**
 * Opens everything.
 * @throws DatabaseUnavailable, DatabaseNotMigrated, DatabaseNewer
 */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const { config, logger, metrics, refuseNewer = false } = options;
  const database = await openDatabase(config, { logger, actor: 'serve', refuseNewer, keepsServer: true });
  let changes: Listening | undefined;
  const listeners: ((change: Change | null) => void)[] = [];
  const echo = createEcho(database.pool);
  const sealer = createSealer(options.workers === undefined ? {} : { workers: options.workers });
  try {
    const versions = createVersionTracker();
    const directory = createDirectory({ database, config, metrics, logger, versions });
    versions.onChange((change) => {
      if (change === null) directory.dropAll();
      else directory.invalidate(change);
    });
    if (options.watchChanges === true)
      changes = await listenForChanges(config, followChanges(directory, listeners, logger), { also: echo });
    const claims = options.claims ?? createClaims(null);
    const nodes = options.node === undefined ? null : nodesOf(options.node, database, config, claims, logger);
    const memory = createAcceptances(database.pool, config.filter.duplicate_lifetime, versions, nodes);
    let current = config;
    const events = openEvents(config, database, logger, metrics);
    const key = pseudonymKey(config.state_dir);
    const tell = countedTeller(options, () => current, events, key);
    const refresh = createBatcher<null, null>(async (waiting) => {
      await refreshVersion(database.pool, versions);
      return waiting.map(() => null);
    });
    const decider = deciderOf(() => current, sealer.certificates, options.keyDoor !== undefined);
    const nextHops = createNextHops(config, logger, options.nextHop);
    const outgoingDirectory = outgoingDirectoryIn(config.state_dir);
    const deliverer = createDeliverer({
      config: () => current,
      directory,
      decider,
      encrypt: sealer.encrypt,
      detect: sealer.detect,
      sealInline: sealer.sealInline,
      keyDoor: options.keyDoor?.(database, () => current) ?? null,
      giveBack: sealer.giveBack,
      memory,
      claims,
      nextHop: nextHops.client,
      outgoingDirectory,
      tell,
      shown: createShown({ config: () => current, key }),
      logger,
      metrics,
    });
    const housekeeping = keepHouse(memory, outgoingDirectory, logger);
    return {
      database,
      directory,
      decider,
      sealer,
      memory,
      tell,
      deliverer,
      nextHop: () => nextHops.client(undefined),
      refresh: async () => {
        await refresh(null);
      },
      onChange: (listener) => listeners.push(listener),
      connect: nextHops.connect,
      lookAtNextHops: nextHops.look,
      hearsItself:
        options.watchChanges === true ? hearingAgain(echo.hears, () => changes?.renew()) : async () => true,
      reconfigure: (next) => {
        current = next;
        nextHops.reconfigure(next);
      },
      async settle(until) {
        while (deliverer.busy() > 0 && Date.now() < until) {
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      },
      async close() {
        housekeeping.stop();
        await nextHops.close();
        await memory.close();
        await events?.close();
        await sealer.close();
        await changes?.close();
        await database.close();
      },
    };
  } catch (error) {
    await sealer.close();
    await changes?.close();
    await database.close();
    throw error;
  }
}

/** This process among those of other nodes, and what it has in hand. */
function nodesOf(
  node: string,
  { pool }: Database,
  { filter: { claim_lease: leaseMs } }: Config,
  claims: Claims,
  logger: Logger,
): NonNullable<Parameters<typeof createAcceptances>[3]> {
  return {
    membership: createMembership(pool, { node, leaseMs, logger }),
    inHand: () => claims.underWay().map(acceptanceRowOf),
  };
}

/** Has the listening connection made anew when nothing comes back for the first time: it may lead to an old primary. */
function hearingAgain(hears: () => Promise<boolean>, renew: () => void): () => Promise<boolean> {
  const state = { heard: true };
  return async () => {
    const before = state.heard;
    state.heard = await hears();
    if (before && !state.heard) renew();
    return state.heard;
  };
}

/** What the directory and `listeners` do with changes, and with the loss of the connection that tells of them. */
function followChanges(
  directory: CachedDirectory,
  listeners: readonly ((change: Change | null) => void)[],
  logger: Logger,
): ChangeListener {
  const tellAll = (change: Change | null): void => {
    for (const listener of listeners) listener(change);
  };
  return {
    onChange: (change) => {
      directory.invalidate(change);
      tellAll(change);
    },
    onLost: () => {
      logger.warn(
        { event: 'directory_uncached' },
        'the notification connection was lost; the directory is not cached until it is back',
      );
      directory.watch(false);
    },
    onRestored: () => {
      logger.info({ event: 'directory_cached' }, 'the notification connection is back');
      directory.watch(true);
      tellAll(null);
    },
  };
}

/** Tells of a message in the log and to `writer`, and counts it. */
function countedTeller(
  { logger, metrics }: EngineOptions,
  config: () => Config,
  writer: EventWriter | null,
  key: Uint8Array,
): (event: MessageEvent) => void {
  const teller = createTeller({ config, logger, writer, key });
  return (event) => {
    metrics.events.inc({ event: event.event });
    metrics.outcomes.inc({ listener: event.listener ?? 'none', event: event.event });
    teller(event);
  };
}

/** Removes, now and every hour, what is too old to be asked for: acceptances, and files of copies that nobody sends. */
function keepHouse(memory: Acceptances, outgoingDirectory: string, logger: Logger): { stop(): void } {
  const expire = (): void => {
    memory
      .expire()
      .catch((error: unknown) =>
        logger.warn({ event: 'memory_not_expired', err: error }, 'old deliveries could not be removed'),
      );
    void removeLeftovers(outgoingDirectory, LEFTOVER_AGE_MS);
  };
  expire();
  const timer = setInterval(expire, EXPIRE_EVERY_MS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}

/** @returns null where trace.keep says that nothing is kept */
function openEvents(
  config: Config,
  { pool }: Database,
  logger: Logger,
  metrics: Metrics,
): EventWriter | null {
  if (config.trace.keep === 0) return null;
  let told = 0;
  return createEventWriter(pool, config.trace.keep, (rows, error) => {
    metrics.eventsLost.inc(rows);
    // A database that is away is told of elsewhere, and often.
    if (Date.now() - told < LOST_EVERY_MS) return;
    told = Date.now();
    logger.warn(
      { event: 'events_lost', err: error, rows },
      'events could not be written: "sealpost trace" will lack them',
    );
  });
}
