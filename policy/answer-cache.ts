// A bounded cache of what was read for a key, positive and negative: true while its names have not changed, stale while the
// database is away, and read once for identical questions at the same time.
import { LRUCache } from 'lru-cache';
import { within } from '../src/pacing/within.ts';
import type { ChangeLog } from './change-log.ts';

/** What was read, and the names whose change makes it false. */
export interface ReadValue<T> {
  readonly value: T;
  readonly dependsOn: readonly string[];
}

export type CacheResult = 'hit' | 'miss' | 'merged' | 'stale' | 'error';

/** Whether change notifications arrive, and until when what was cached before is known to have been true. */
export interface Trust {
  /** A number for each uninterrupted time of listening; null while notifications are missed. */
  epoch(): number | null;
  /** When an epoch ended (ms, of `clock`); undefined: too long ago to know. */
  endOf(epoch: number): number | undefined;
}

export interface AnswerCacheContext<T> {
  readonly changes: ChangeLog;
  readonly trust: Trust;
  /** Whether the database is known to be away: stale answers are then given without asking it. */
  readonly databaseAway: () => boolean;
  /** Which errors mean that the database is away, so that a stale answer may be given instead. */
  readonly isAway: (error: unknown) => boolean;
  readonly maxEntries: number;
  readonly maxBytes: number;
  /** Bytes that a value takes, estimated. */
  readonly sizeOf: (value: T) => number;
  /** Milliseconds for which an answer may be given after it was last known to be true. */
  readonly staleMax: number;
  readonly count: (result: CacheResult) => void;
  /** Milliseconds; replaced by tests. */
  readonly clock?: () => number;
}

export interface AnswerCache<T> {
  /**
   * The value for a key, at once where it is cached.
   * @param read asks the database; rejects when it cannot be known now
   * @param allowStale false for what goes into another answer, which would then count as true
   */
  get(key: string, read: () => Promise<ReadValue<T>>, allowStale?: boolean): T | Promise<T>;
  readonly size: number;
}

interface Entry<T> extends ReadValue<T> {
  readonly since: number;
  readonly epoch: number | null;
  readonly readAt: number;
}

interface Reading<T> {
  readonly since: number;
  readonly promise: Promise<T>;
}

/** In how many strings an entry holds its key: as it came, taken apart, in the names that it rests on. About. */
const KEY_COPIES = 6;
/** How long a question whose stale answer is at hand waits for a database that does not answer. */
const PATIENCE_MS = 300;
/** The same while it is only slow, as far as is known: changes are told of, and the stale answer may have changed before. */
const LONG_PATIENCE_MS = 3500;

export function createAnswerCache<T>(context: AnswerCacheContext<T>): AnswerCache<T> {
  const { changes, trust, databaseAway, isAway, staleMax, count } = context;
  const clock = context.clock ?? Date.now;
  // Both limits in one: `max` would have memory made ready for all entries before there is one.
  const share = Math.ceil(context.maxBytes / context.maxEntries);
  const entries = new LRUCache<string, Entry<T>>({
    maxSize: context.maxBytes,
    sizeCalculation: ({ value }, key) =>
      Math.max(share, Math.ceil(context.sizeOf(value)) + KEY_COPIES * key.length),
  });
  const underWay = new Map<string, Reading<T>>();

  function mayServeStale(entry: Entry<T>): boolean {
    const epoch = trust.epoch();
    const knownTrueAt =
      entry.epoch === null ? entry.readAt : entry.epoch === epoch ? clock() : (trust.endOf(entry.epoch) ?? 0);
    return clock() - knownTrueAt <= staleMax;
  }

  function start(key: string, read: () => Promise<ReadValue<T>>): Promise<T> {
    const since = changes.now();
    const epoch = trust.epoch();
    const promise = read()
      .then((result) => {
        if (changes.holds(since, result.dependsOn)) {
          // Read while notifications were missed for a moment: good as a stale answer only.
          entries.set(key, {
            ...result,
            since,
            epoch: epoch === trust.epoch() ? epoch : null,
            readAt: clock(),
          });
        }
        return result.value;
      })
      .finally(() => {
        if (underWay.get(key)?.promise === promise) underWay.delete(key);
      });
    underWay.set(key, { since, promise });
    return promise;
  }

  async function orStale(reading: Promise<T>, entry: Entry<T>): Promise<T> {
    const settled = reading.then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    let outcome = await within(PATIENCE_MS, settled, 'late');
    if (outcome === 'late' && !databaseAway() && trust.epoch() !== null)
      outcome = await within(LONG_PATIENCE_MS - PATIENCE_MS, settled, 'late');
    if (outcome !== 'late' && 'value' in outcome) return outcome.value;
    if (outcome !== 'late' && !isAway(outcome.error)) throw outcome.error;
    count('stale');
    return entry.value;
  }

  function failing(reading: Promise<T>): Promise<T> {
    return reading.catch((error: unknown) => {
      count('error');
      throw error;
    });
  }

  return {
    get(key, read, allowStale = true) {
      const entry = entries.get(key);
      let stale: Entry<T> | undefined;
      if (entry !== undefined) {
        if (!changes.holds(entry.since, entry.dependsOn)) entries.delete(key);
        else if (entry.epoch !== null && entry.epoch === trust.epoch()) {
          count('hit');
          return entry.value;
        } else if (allowStale && mayServeStale(entry)) stale = entry;
      }
      if (stale !== undefined && databaseAway()) {
        count('stale');
        // Asked all the same, by nobody who waits: this is how the end of the outage is noticed.
        if (!underWay.has(key)) start(key, read).catch(() => undefined);
        return stale.value;
      }
      const reading = underWay.get(key);
      let promise: Promise<T>;
      if (reading !== undefined && reading.since >= changes.lastStrict()) {
        count('merged');
        promise = reading.promise;
      } else {
        count('miss');
        promise = start(key, read);
      }
      return stale === undefined ? failing(promise) : orStale(promise, stale);
    },
    get size() {
      return entries.size;
    },
  };
}
