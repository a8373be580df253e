// One spool: which files are known, which are due, and the work on them, batch by batch. The folder itself is the truth: an
// event of inotify only says that it is worth a look, and a sweep looks without being told.
import { type FSWatcher, watch } from 'node:fs';
import { isDatabaseUnavailable } from '../../src/database/open.ts';
import { DirectoryUnavailable } from '../../src/directory/types.ts';
import { runBatch, type Unfiled } from './batch.ts';
import { type GivenUp, type GiveUpParts, giveUp } from './give-up.ts';
import { arrivalOf, listNew, pathIn } from './maildir.ts';

export interface SpoolOptions extends GiveUpParts {
  readonly sweepInterval: () => number;
}

export interface Spool {
  readonly path: string;
  /** Files that are known and not yet filed. */
  readonly depth: () => number;
  /** When the oldest of them came; null where there is none. */
  oldest(): Promise<Date | null>;
  /** Files that wait for one of these users are tried at once; null: all that wait. */
  wake(userId: number | null): void;
  /** Begins no more batches, and waits for those under way. */
  close(): Promise<void>;
}

interface Waiting {
  readonly dueAt: number;
  readonly userIds: readonly number[];
  readonly arrived: Date | null;
}

const BATCH_FILES = 50;
/** While one batch waits for the disk or for PostgreSQL, another one seals. */
const BATCHES_AT_ONCE = 3;
/** One for each batch, and one for the file that is given up meanwhile. */
export const CONNECTIONS_PER_SPOOL = BATCHES_AT_ONCE + 1;
const TICK_MS = 250;
/** A look into the folder takes at most this share of the time. */
const REST_AFTER_LOOK = 10;
const OUTAGE_LEAST_MS = 250;
const OUTAGE_MOST_MS = 15_000;

/** Starts working on a spool. It need not be there yet: Postfix makes it with the first message. */
export function startSpool(options: SpoolOptions): Spool {
  const { spool, logger, metrics } = options;
  const ready = new Set<string>();
  const forced = new Set<string>();
  const waiting = new Map<string, Waiting>();
  const inHand = new Set<string>();
  const endings: Unfiled[] = [];
  const running = new Set<Promise<void>>();
  let watcher: FSWatcher | undefined;
  let dirty = true;
  let looking = false;
  let nextLook = 0;
  let lastSweep = 0;
  let missing = false;
  let outages = 0;
  let pausedUntil = 0;
  let ending = false;
  let closed = false;

  /** Puts the names that are new to us into the line, and forgets those that are gone. */
  async function look(): Promise<void> {
    looking = true;
    dirty = false;
    const started = Date.now();
    try {
      if (watcher === undefined) startWatching();
      const names = await listNew(spool);
      const here = new Set(names);
      for (const name of waiting.keys()) if (!here.has(name)) waiting.delete(name);
      for (const name of names) {
        if (!inHand.has(name) && !waiting.has(name)) ready.add(name);
      }
      missing = false;
    } catch (error) {
      stopWatching();
      if (!missing) {
        missing = true;
        logger.warn({ spool, err: error }, 'the spool cannot be read; it is tried again every second');
      }
    } finally {
      looking = false;
      nextLook = Date.now() + (missing ? 1000 : (Date.now() - started) * REST_AFTER_LOOK);
      dirty ||= missing;
    }
  }

  function startWatching(): void {
    try {
      watcher = watch(pathIn(spool, 'new'), { persistent: false }, (_event, name) => {
        dirty = true;
        // The folder itself was moved or removed: the next look finds the one that is there now.
        if (name === null || name === 'new') stopWatching();
        pump();
      });
      watcher.on('error', stopWatching);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
      logger.warn({ spool, err: error }, 'the spool cannot be watched; it is swept only');
    }
  }

  function stopWatching(): void {
    watcher?.close();
    watcher = undefined;
  }

  function pump(): void {
    const now = Date.now();
    if (closed || now < pausedUntil) return;
    while (ready.size > 0 && running.size < BATCHES_AT_ONCE) start(takeBatch());
    if (ready.size < BATCH_FILES && dirty && !looking && now >= nextLook) void look().then(pump);
    if (endings.length > 0 && !ending) void endNext();
  }

  function takeBatch(): string[] {
    const names: string[] = [];
    for (const name of ready) {
      names.push(name);
      if (names.length === BATCH_FILES) break;
    }
    for (const name of names) {
      ready.delete(name);
      inHand.add(name);
    }
    return names;
  }

  function start(names: readonly string[]): void {
    const work = workOn(names).finally(() => {
      running.delete(work);
      for (const name of names) {
        inHand.delete(name);
        forced.delete(name);
      }
      for (const { name } of endings) inHand.add(name);
      // A look passes by the names in hand: a new file may have come under one of them.
      dirty = true;
      pump();
    });
    running.add(work);
  }

  async function workOn(names: readonly string[]): Promise<void> {
    try {
      const result = await runBatch(names, forced, options);
      outages = 0;
      metrics.receiverFiled.inc({ source: 'spool' }, result.filed);
      for (const { name, because, dueAt, userIds, arrived } of result.waiting) {
        metrics.receiverRetried.inc({ because });
        logger.info({ file: name, because, next: new Date(dueAt).toISOString() }, 'a spool file has to wait');
        waiting.set(name, { dueAt, userIds, arrived });
      }
      for (const { name, dueAt } of result.untouched) {
        if (dueAt === 0) ready.add(name);
        else waiting.set(name, { dueAt, userIds: [], arrived: null });
      }
      endings.push(...result.givenUp);
    } catch (error) {
      await afterFailure(error, names);
    }
  }

  /** Everything is where it was. An outage stops the spool for a while; anything else is blamed on one file, found by halving. */
  async function afterFailure(error: unknown, names: readonly string[]): Promise<void> {
    if (closed) return;
    if (isOutage(error)) {
      pause(error);
      for (const name of names) ready.add(name);
      return;
    }
    logger.error({ err: error, files: names.length }, 'spool files could not be filed; they stay');
    if (names.length > 1) {
      const half = Math.ceil(names.length / 2);
      await workOn(names.slice(0, half));
      await workOn(names.slice(half));
      return;
    }
    const dueAt = Date.now() + options.timing().leastBackOff;
    metrics.receiverRetried.inc({ because: 'internal error' }, names.length);
    for (const name of names) waiting.set(name, { dueAt, userIds: [], arrived: null });
  }

  function pause(error: unknown): void {
    const now = Date.now();
    if (now < pausedUntil) return;
    const wait = Math.min(OUTAGE_MOST_MS, OUTAGE_LEAST_MS * 2 ** Math.min(outages, 10));
    outages += 1;
    pausedUntil = now + wait;
    logger.warn({ spool, err: error, retryMs: wait }, 'the database cannot be asked; the spool waits');
  }

  /** One after the other: a thousand bounces at once would help nobody. */
  async function endNext(): Promise<void> {
    const unfiled = endings.shift();
    if (unfiled === undefined) return;
    ending = true;
    const { name, arrived } = unfiled;
    let ended: GivenUp = 'again';
    try {
      ended = await giveUp(unfiled, options);
    } catch (error) {
      if (isOutage(error)) pause(error);
      else logger.error({ err: error, file: name }, 'a spool file could not be given up; it stays');
    } finally {
      ending = false;
      inHand.delete(name);
      dirty = true;
      if (ended === 'again') {
        metrics.receiverRetried.inc({ because: unfiled.because });
        waiting.set(name, { dueAt: Date.now() + options.timing().leastBackOff, userIds: [], arrived });
      }
    }
    pump();
  }

  const ticker = setInterval(() => {
    const now = Date.now();
    for (const [name, { dueAt }] of waiting) {
      if (dueAt > now) continue;
      waiting.delete(name);
      ready.add(name);
    }
    if (now - lastSweep >= options.sweepInterval()) {
      lastSweep = now;
      dirty = true;
    }
    pump();
  }, TICK_MS);
  pump();

  return {
    path: spool,
    depth: () => ready.size + waiting.size + inHand.size,
    async oldest() {
      // Names begin with their second, so that the first of the line is the oldest; those that wait are known.
      const [first] = [...inHand, ...ready];
      const times = [...waiting.values()].flatMap(({ arrived }) => arrived ?? []);
      if (first !== undefined) times.push(await arrivalOf(spool, first));
      return times.reduce<Date | null>(
        (least, time) => (least === null || time < least ? time : least),
        null,
      );
    },
    wake(userId) {
      for (const [name, { userIds }] of waiting) {
        if (userId !== null && !userIds.includes(userId)) continue;
        waiting.delete(name);
        forced.add(name);
        ready.add(name);
      }
      pump();
    },
    async close() {
      closed = true;
      clearInterval(ticker);
      stopWatching();
      while (running.size > 0 || ending)
        await Promise.race([...running, new Promise((end) => setTimeout(end, 50))]);
    },
  };
}

function isOutage(error: unknown): boolean {
  return error instanceof DirectoryUnavailable || isDatabaseUnavailable(error);
}
