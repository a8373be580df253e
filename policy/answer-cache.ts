// A bounded cache of what was read for a key, positive and negative: true while its names have not changed, stale while the
// database is away, and read once for identical questions at the same time.
import { LRUCache } from 'lru-cache';
import { within } from '../src/pacing/within.ts';
import type { ChangeLog } from './change-log.ts';
import type { Freshness } from './freshness.ts';

/** What was read, and the names whose change makes it false. */
export interface ReadValue<T> {
  readonly value: T;
  readonly dependsOn: readonly string[];
  /** Nobody tells when it becomes false: it is for those alone who ask at the same time. */
  readonly passing?: true;
}

/** What somebody who asks is told beside the value. */
export interface Told {
  /** The value may have become false, since the database cannot be asked. */
  stale: boolean;
  /** What is cached is true as of the second before the question: nothing else of it asks again. */
  fresh: boolean;
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
  readonly freshness: Freshness;
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
   * @param told is told whether the value is stale; null for what goes into another answer, which would then count as true:
   *   it is never stale
   */
  get(key: string, read: () => Promise<ReadValue<T>>, told: Told | null): T | Promise<T>;
  readonly size: number;
}

interface Entry<T> extends ReadValue<T> {
  readonly since: number;
  readonly epoch: number | null;
  readonly readAt: number;
  /** ms of the clock at which it was asked for, where it changes without moving the version of the directory; else null. */
  readonly readFrom: number | null;
}

interface Reading<T> {
  readonly since: number;
  readonly promise: Promise<T>;
}

/** A question, and what is known of it. */
interface Question<T> {
  readonly key: string;
  readonly read: () => Promise<ReadValue<T>>;
  readonly told: Told | null;
  /** Whether the cache is known to be true for it; null: the version of the directory has not been asked for it. */
  readonly fresh: boolean | null;
}

interface State<T> extends Required<AnswerCacheContext<T>> {
  readonly entries: LRUCache<string, Entry<T>>;
  readonly underWay: Map<string, Reading<T>>;
}

/** In how many strings an entry holds its key: as it came, taken apart, in the names that it rests on. About. */
const KEY_COPIES = 6;
/** How long a question whose stale answer is at hand waits for a database that does not answer. */
const PATIENCE_MS = 300;
/** The same while it is only slow, as far as is known: changes are told of, and the stale answer may have changed before. */
const LONG_PATIENCE_MS = 3500;
/** How long what a mailbox holds counts, of which no version tells. */
const USAGE_MS = 1000;

export function createAnswerCache<T>(context: AnswerCacheContext<T>): AnswerCache<T> {
  // Both limits in one: `max` would have memory made ready for all entries before there is one.
  const share = Math.ceil(context.maxBytes / context.maxEntries);
  const state: State<T> = {
    clock: Date.now,
    ...context,
    entries: new LRUCache<string, Entry<T>>({
      maxSize: context.maxBytes,
      sizeCalculation: ({ value }, key) =>
        Math.max(share, Math.ceil(context.sizeOf(value)) + KEY_COPIES * key.length),
    }),
    underWay: new Map(),
  };
  return {
    get(key, read, told) {
      const entry = state.entries.get(key);
      // The way of most questions: nothing is made for it. `get` need not look whether the cache is fresh once more.
      if (
        entry !== undefined &&
        isCurrent(state, entry) &&
        state.changes.holds(entry.since, entry.dependsOn) &&
        (told?.fresh === true || state.freshness.isFresh())
      )
        return hit(state, entry, told);
      return get(state, { key, read, told, fresh: null });
    },
    get size() {
      return state.entries.size;
    },
  };
}

function get<T>(state: State<T>, question: Question<T>): T | Promise<T> {
  const { entries, changes, freshness, databaseAway } = state;
  const { key, told, fresh } = question;
  const entry = entries.get(key);
  let stale: Entry<T> | undefined;
  if (entry !== undefined) {
    const current = isCurrent(state, entry);
    if (!changes.holds(entry.since, entry.dependsOn)) entries.delete(key);
    else if (current && fresh === true) return hit(state, entry, told);
    else if (current && fresh === null && !databaseAway())
      return freshness.refresh().then((known) => get(state, { ...question, fresh: known }));
    else if (told !== null && mayServeStale(state, entry)) stale = entry;
  }
  if (stale !== undefined && databaseAway()) {
    // Asked all the same, by nobody who waits: this is how the end of the outage is noticed.
    if (!state.underWay.has(key)) start(state, question).catch(() => undefined);
    return servedStale(state, stale, told);
  }
  const promise = read(state, question);
  return stale === undefined ? failing(state, promise) : orStale(state, promise, stale, question);
}

/** Whether nobody can have missed a change of it. */
function isCurrent<T>({ trust, clock }: State<T>, { epoch, readFrom }: Entry<T>): boolean {
  return (
    epoch !== null && epoch === trust.epoch() && (readFrom === null || isWithin(USAGE_MS, clock() - readFrom))
  );
}

function hit<T>({ count }: State<T>, { value }: Entry<T>, told: Told | null): T {
  if (told !== null) told.fresh = true;
  count('hit');
  return value;
}

function servedStale<T>({ count }: State<T>, { value }: Entry<T>, told: Told | null): T {
  count('stale');
  if (told !== null) told.stale = true;
  return value;
}

function mayServeStale<T>({ trust, freshness, clock, staleMax }: State<T>, entry: Entry<T>): boolean {
  const epoch = trust.epoch();
  const versionKnownAt = Math.max(entry.readAt, freshness.trueAt());
  const knownTrueAt =
    entry.epoch === null
      ? entry.readAt
      : entry.epoch === epoch
        ? versionKnownAt
        : Math.min(versionKnownAt, trust.endOf(entry.epoch) ?? 0);
  return clock() - knownTrueAt <= staleMax;
}

/** Not where the clock was set back, either. */
function isWithin(ms: number, age: number): boolean {
  return age >= 0 && age < ms;
}

/** Reads, or joins a reading that knows of all changes. */
function read<T>(state: State<T>, question: Question<T>): Promise<T> {
  const reading = state.underWay.get(question.key);
  if (reading !== undefined && reading.since >= state.changes.lastStrict()) {
    state.count('merged');
    return reading.promise;
  }
  state.count('miss');
  return start(state, question);
}

function start<T>(state: State<T>, { key, read }: Question<T>): Promise<T> {
  const { changes, trust, entries, underWay, clock } = state;
  const since = changes.now();
  const epoch = trust.epoch();
  const readFrom = clock();
  const promise = read()
    .then((result) => {
      if (changes.holds(since, result.dependsOn) && result.passing !== true) {
        entries.set(key, {
          ...result,
          since,
          // Read while notifications were missed for a moment: good as a stale answer only.
          epoch: epoch === trust.epoch() ? epoch : null,
          readAt: clock(),
          readFrom: result.dependsOn.some(isUsage) ? readFrom : null,
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

const isUsage = (name: string): boolean => name.startsWith('usage:');

async function orStale<T>(
  state: State<T>,
  reading: Promise<T>,
  entry: Entry<T>,
  { told, fresh }: Question<T>,
): Promise<T> {
  const settled = reading.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  let outcome = await within(PATIENCE_MS, settled, 'late');
  // The version has been waited for already.
  const slowOnly = fresh !== false && !state.databaseAway() && state.trust.epoch() !== null;
  if (outcome === 'late' && slowOnly) outcome = await within(LONG_PATIENCE_MS - PATIENCE_MS, settled, 'late');
  if (outcome !== 'late' && 'value' in outcome) return outcome.value;
  if (outcome !== 'late' && !state.isAway(outcome.error)) throw outcome.error;
  return servedStale(state, entry, told);
}

function failing<T>({ count }: State<T>, reading: Promise<T>): Promise<T> {
  return reading.catch((error: unknown) => {
    count('error');
    throw error;
  });
}
