// One spool: the work on its files, batch by batch. The folder itself is the truth: an event of inotify only says that it is
// worth a look, and a sweep looks without being told.
import { isDatabaseUnavailable } from '../../src/database/open.ts';
import { DirectoryUnavailable } from '../../src/directory/types.ts';
import { runBatch, type Unfiled } from './batch.ts';
import { createFolder, type Folder, isWorthALook, look, stopWatching } from './folder.ts';
import { type GivenUp, type GiveUpContext, giveUp } from './give-up.ts';
import { callDue, callFor, createLine, type Line, lengthOf, letGo, matchFolder, takeInHand } from './line.ts';
import { arrivalOf } from './maildir.ts';

export interface SpoolContext extends GiveUpContext {
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

/** What is under way in a spool. */
interface Work {
  readonly context: SpoolContext;
  readonly line: Line;
  readonly folder: Folder;
  readonly batches: Set<Promise<void>>;
  /** Files to be given up. */
  readonly endings: Unfiled[];
  /** One of them is being given up. */
  ending: boolean;
  /** Outages of the database, one after the other. */
  outages: number;
  pausedUntil: number;
  lastSweep: number;
  closed: boolean;
}

const BATCH_FILES = 50;
/** While one batch waits for the disk or for PostgreSQL, another one seals. */
const BATCHES_AT_ONCE = 3;
/** One for each batch, and one for the file that is given up meanwhile. */
export const CONNECTIONS_PER_SPOOL = BATCHES_AT_ONCE + 1;
const TICK_MS = 250;
const OUTAGE_LEAST_MS = 250;
const OUTAGE_MOST_MS = 15_000;

/** Starts working on a spool. It need not be there yet: Postfix makes it with the first message. */
export function startSpool(context: SpoolContext): Spool {
  const { spool, logger } = context;
  const work: Work = {
    context,
    line: createLine(),
    folder: createFolder(spool, logger),
    batches: new Set(),
    endings: [],
    ending: false,
    outages: 0,
    pausedUntil: 0,
    lastSweep: 0,
    closed: false,
  };
  const ticker = setInterval(() => tick(work), TICK_MS);
  pump(work);
  return {
    path: spool,
    depth: () => lengthOf(work.line),
    oldest: () => oldestOf(work),
    wake(userId) {
      callFor(work.line, userId);
      pump(work);
    },
    async close() {
      work.closed = true;
      clearInterval(ticker);
      stopWatching(work.folder);
      while (work.batches.size > 0 || work.ending)
        await Promise.race([...work.batches, new Promise((end) => setTimeout(end, 50))]);
    },
  };
}

function tick(work: Work): void {
  const now = Date.now();
  callDue(work.line, now);
  if (now - work.lastSweep >= work.context.sweepInterval()) {
    work.lastSweep = now;
    work.folder.changed = true;
  }
  pump(work);
}

/** Begins whatever can be begun now. */
function pump(work: Work): void {
  const { line, folder, batches } = work;
  const now = Date.now();
  if (work.closed || now < work.pausedUntil) return;
  while (line.ready.size > 0 && batches.size < BATCHES_AT_ONCE) start(work, takeInHand(line, BATCH_FILES));
  if (line.ready.size < BATCH_FILES && isWorthALook(folder, now)) {
    void look(
      folder,
      (names) => matchFolder(line, names),
      () => pump(work),
    ).then(() => pump(work));
  }
  if (work.endings.length > 0 && !work.ending) void endNext(work);
}

function start(work: Work, names: readonly string[]): void {
  const batch = workOn(work, names).finally(() => {
    work.batches.delete(batch);
    letGo(work.line, names, work.endings);
    // A look passes by the names in hand: a new file may have come under one of them.
    work.folder.changed = true;
    pump(work);
  });
  work.batches.add(batch);
}

async function workOn(work: Work, names: readonly string[]): Promise<void> {
  const { context, line } = work;
  const { logger, metrics } = context;
  try {
    const result = await runBatch(names, line.forced, context);
    work.outages = 0;
    metrics.receiverFiled.inc({ source: 'spool' }, result.filed);
    for (const { name, because, dueAt, userIds, arrived } of result.waiting) {
      metrics.receiverRetried.inc({ because });
      logger.info(
        { event: 'spool_file_waits', file: name, because, next: new Date(dueAt).toISOString() },
        'a spool file has to wait',
      );
      line.waiting.set(name, { dueAt, userIds, arrived });
    }
    for (const { name, dueAt } of result.untouched) {
      if (dueAt === 0) line.ready.add(name);
      else line.waiting.set(name, { dueAt, userIds: [], arrived: null });
    }
    work.endings.push(...result.givenUp);
  } catch (error) {
    await afterFailure(work, error, names);
  }
}

/** Everything is where it was. An outage stops the spool for a while; anything else is blamed on one file, found by halving. */
async function afterFailure(work: Work, error: unknown, names: readonly string[]): Promise<void> {
  const { context, line } = work;
  if (work.closed) return;
  if (isOutage(error)) {
    pause(work, error);
    for (const name of names) line.ready.add(name);
    return;
  }
  context.logger.error(
    { event: 'spool_files_stay', err: error, files: names.length },
    'spool files could not be filed; they stay',
  );
  if (names.length > 1) {
    const half = Math.ceil(names.length / 2);
    await workOn(work, names.slice(0, half));
    await workOn(work, names.slice(half));
    return;
  }
  const dueAt = Date.now() + context.timing().leastBackOff;
  context.metrics.receiverRetried.inc({ because: 'internal error' }, names.length);
  for (const name of names) line.waiting.set(name, { dueAt, userIds: [], arrived: null });
}

function pause(work: Work, error: unknown): void {
  const now = Date.now();
  if (now < work.pausedUntil) return;
  const wait = Math.min(OUTAGE_MOST_MS, OUTAGE_LEAST_MS * 2 ** Math.min(work.outages, 10));
  work.outages += 1;
  work.pausedUntil = now + wait;
  const { spool, logger } = work.context;
  logger.warn(
    { event: 'database_lost', spool, err: error, retry_ms: wait },
    'the database cannot be asked; the spool waits',
  );
}

/** One after the other: a thousand bounces at once would help nobody. */
async function endNext(work: Work): Promise<void> {
  const { context, line } = work;
  const unfiled = work.endings.shift();
  if (unfiled === undefined) return;
  work.ending = true;
  const { name, arrived } = unfiled;
  let ended: GivenUp = 'again';
  try {
    ended = await giveUp(unfiled, context);
  } catch (error) {
    if (isOutage(error)) pause(work, error);
    else
      context.logger.error(
        { event: 'spool_file_stays', err: error, file: name },
        'a spool file could not be given up; it stays',
      );
  } finally {
    work.ending = false;
    line.inHand.delete(name);
    work.folder.changed = true;
    if (ended === 'again') {
      context.metrics.receiverRetried.inc({ because: unfiled.because });
      line.waiting.set(name, { dueAt: Date.now() + context.timing().leastBackOff, userIds: [], arrived });
    }
  }
  pump(work);
}

async function oldestOf({ line, context }: Work): Promise<Date | null> {
  // Names begin with their second, so that the first of the line is the oldest; those that wait are known.
  const [first] = [...line.inHand, ...line.ready];
  const times = [...line.waiting.values()].flatMap(({ arrived }) => arrived ?? []);
  if (first !== undefined) times.push(await arrivalOf(context.spool, first));
  return times.reduce<Date | null>((least, time) => (least === null || time < least ? time : least), null);
}

function isOutage(error: unknown): boolean {
  return error instanceof DirectoryUnavailable || isDatabaseUnavailable(error);
}
