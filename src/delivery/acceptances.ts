// The no-duplicates memory: which recipients the next hop has already accepted, in the
// table `deliveries`, so that a retry after a half-finished delivery or a lost reply sends only the rest.
// What makes two deliveries one message: message-hash.ts; a second attempt while the first is at work: claims.ts.
import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Pool } from 'pg';
import type { VersionTracker } from '../database/directory-version.ts';
import { DatabaseUnavailable } from '../database/embedded/unavailable.ts';
import { refusesWrites, rootReason } from '../database/errors.ts';
import { removeOld } from '../database/remove-old.ts';
import { type AcceptanceRow, createAcceptanceSteps, type DoStep, idOf } from './acceptance-steps.ts';

export interface Acceptances {
  /**
   * Which of these recipients were accepted before.
   * @returns recipient hash -> the next hop's reply text
   * Also learns the version of the directory: a cache of it is true when this resolves.
   * @throws when the database cannot be asked, or takes no acceptances: then nothing may be sent
   */
  recall(message: string, recipients: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** Resolves once the acceptance is committed. */
  remember(message: string, recipient: string, reply: string): Promise<void>;
  /** Our own reply has reached Postfix: these will not be asked for again. Never throws, may happen later. */
  forget(message: string, recipients: readonly string[]): void;
  /** Why the database takes no acceptances, in words; null while it does. */
  refused(): string | null;
  /** A write of somebody else failed. Where that means that ours would too, nothing is sent until one of ours succeeds. */
  heard(error: unknown): void;
  /** Removes what is older than the lifetime; returns the number of rows. */
  expire(): Promise<number>;
  /** Waits for what is being recorded, and for what `forget` still has to do; what had failed is tried once more. */
  close(): Promise<void>;
}

/** Remembers nothing: for a rehearsal without a database. */
export const NO_ACCEPTANCES: Acceptances = {
  recall: async () => new Map(),
  remember: async () => undefined,
  forget: () => undefined,
  refused: () => null,
  heard: () => undefined,
  expire: async () => 0,
  close: async () => undefined,
};

/** How long removals wait for an acceptance to share a statement with. */
const FORGET_WITHIN_MS = 250;

/** Acceptances, and removals, that wait in memory for a database that is away: as many of each. */
const MOST_UNSAVED = 100_000;
/** How long they wait for the next attempt. */
const RETRY_MS = 2000;
/** Acceptances, or removals, that are tried again in one statement. */
const RETRIED_AT_ONCE = 500;

interface Entry {
  readonly row: AcceptanceRow;
  readonly reply: string;
}

/** What this process knows, and the table does not yet. */
interface State {
  readonly step: DoStep;
  /** Accepted downstream, but the database would not take it: known to this process at once, to others when it is written. */
  readonly unsaved: LRUCache<string, Entry>;
  /** Told to forget, not yet removed from the table: these count as unknown from now on. */
  readonly forgetting: Map<string, AcceptanceRow>;
  readonly inserting: Set<Promise<unknown>>;
  /** Those of `forgetting` that no batch has been given yet. */
  untold: AcceptanceRow[];
  /** Those whose batch failed: tried again after a while, and not with every acceptance. */
  unremoved: AcceptanceRow[];
  timer: NodeJS.Timeout | undefined;
  removing: Promise<void>;
  saving: Promise<void>;
  retry: NodeJS.Timeout | undefined;
  closed: boolean;
  /** Why the last acceptance was refused, for want of room or since the server is read-only; null after one was taken. */
  refused: string | null;
}

/**
 * The memory over PostgreSQL. Look-ups, insertions and removals of concurrent transactions share statements: what comes
 * while one is under way goes out together with the next.
 * @param lifetimeMs how long an acceptance is remembered
 */
export function createAcceptances(pool: Pool, lifetimeMs: number, versions: VersionTracker): Acceptances {
  const state: State = {
    step: createAcceptanceSteps(pool, versions),
    unsaved: new LRUCache({
      // And not `max`, which would have memory made ready for all of them.
      maxSize: MOST_UNSAVED,
      sizeCalculation: () => 1,
      ttl: lifetimeMs,
      ttlAutopurge: false,
    }),
    forgetting: new Map(),
    inserting: new Set(),
    untold: [],
    unremoved: [],
    timer: undefined,
    removing: Promise.resolve(),
    saving: Promise.resolve(),
    retry: undefined,
    closed: false,
    refused: null,
  };
  return {
    recall: (message, recipients) => recall(state, message, recipients),
    remember: (message, recipient, reply) => remember(state, { message, recipient }, reply),
    forget: (message, recipients) => forget(state, message, recipients),
    refused: () => state.refused,
    heard: (error) => heard(state, error),
    expire: () =>
      removeOld(pool, {
        table: 'deliveries',
        condition: "accepted_at < now() - $1::float8 * interval '1 millisecond'",
        values: [lifetimeMs],
        order: 'accepted_at',
      }),
    close: () => close(state),
  };
}

async function recall(
  { step, unsaved, forgetting, refused }: State,
  message: string,
  recipients: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  // What is sent now could not be remembered, and would be sent again after a restart.
  if (refused !== null) throw new DatabaseUnavailable(`the database takes no acceptances: ${refused}`);
  const replies = await Promise.all(
    recipients.map((recipient) => step({ kind: 'recall', row: { message, recipient } })),
  );
  const remembered = new Map<string, string>();
  recipients.forEach((recipient, index) => {
    const id = idOf({ message, recipient });
    const reply = replies[index] ?? unsaved.get(id)?.reply;
    if (reply !== undefined && !forgetting.has(id)) remembered.set(recipient, reply);
  });
  return remembered;
}

async function remember(state: State, row: AcceptanceRow, reply: string): Promise<void> {
  const { step, unsaved, forgetting } = state;
  // PostgreSQL's text holds no NUL; a next hop's reply may hold anything.
  const entry = { row, reply: reply.replaceAll('\0', '') };
  const id = idOf(row);
  const removed = removeForgotten(state);
  // The same message once more, after it was acknowledged: its row must not go with the old one's.
  if (forgetting.has(id)) await removed;
  // The old row could not be removed: it stands for this acceptance from now on.
  forgetting.delete(id);
  try {
    await keptInMind(state, step({ kind: 'remember', ...entry }));
    state.refused = null;
  } catch (error) {
    unsaved.set(id, entry);
    heard(state, error);
    writeAgain(state);
    throw error;
  }
}

function heard(state: State, error: unknown): void {
  if (!refusesWrites(error)) return;
  state.refused = rootReason(error);
  writeAgain(state);
}

function forget(state: State, message: string, recipients: readonly string[]): void {
  for (const recipient of recipients) {
    const row = { message, recipient };
    state.forgetting.set(idOf(row), row);
    state.untold.push(row);
    state.unsaved.delete(idOf(row));
  }
  // The next acceptance takes them along.
  state.timer ??= setTimeout(() => void removeForgotten(state), FORGET_WITHIN_MS);
}

async function close(state: State): Promise<void> {
  state.closed = true;
  clearTimeout(state.retry);
  await Promise.allSettled([...state.inserting]);
  await retryAll(state);
  await removeForgotten(state);
}

async function keptInMind({ inserting }: State, insertion: Promise<unknown>): Promise<void> {
  inserting.add(insertion);
  try {
    await insertion;
  } finally {
    inserting.delete(insertion);
  }
}

/** Gives the removals to the next batch. @returns when these and all earlier ones are done, or have failed */
function removeForgotten(state: State): Promise<void> {
  clearTimeout(state.timer);
  state.timer = undefined;
  const rows = state.untold.filter((row) => state.forgetting.get(idOf(row)) === row);
  state.untold = [];
  // Not in one statement with an acceptance of the same row, which it would not see.
  if (rows.length > 0) {
    const removal = state.saving.then(() => remove(state, rows));
    state.removing = Promise.all([state.removing, removal]).then(() => undefined);
  }
  return state.removing;
}

async function remove(state: State, rows: readonly AcceptanceRow[]): Promise<void> {
  try {
    await state.step({ kind: 'forget', rows });
    for (const row of rows) forgotten(state, row);
  } catch {
    // A row that stays would have the same message, sent once more, taken for a repetition.
    state.unremoved = [...state.unremoved, ...rows];
    const tooMany = Math.max(0, state.unremoved.length - MOST_UNSAVED);
    for (const row of state.unremoved.splice(0, tooMany)) forgotten(state, row);
    writeAgain(state);
  }
}

/** The row is gone, or given up; one that was told of again in the meantime stays. */
function forgotten({ forgetting }: State, row: AcceptanceRow): void {
  if (forgetting.get(idOf(row)) === row) forgetting.delete(idOf(row));
}

/** Removes what could not be removed, the oldest first. @returns when that is done, or has failed again */
function removeUnremoved(state: State): Promise<void> {
  state.untold = [...state.unremoved.slice(0, RETRIED_AT_ONCE), ...state.untold];
  state.unremoved = state.unremoved.slice(RETRIED_AT_ONCE);
  return removeForgotten(state);
}

/** Writes what could not be written, the oldest first. @returns when that is done, or has failed again */
function saveUnsaved(state: State): Promise<void> {
  const ids = [...state.unsaved.rkeys()].slice(0, RETRIED_AT_ONCE);
  if (ids.length > 0)
    state.saving = Promise.all([state.saving, ...ids.map((id) => save(state, id))]).then(() => undefined);
  return state.saving;
}

async function save(state: State, id: string): Promise<void> {
  const { unsaved, step } = state;
  const entry = unsaved.peek(id);
  if (entry === undefined) return;
  try {
    await step({ kind: 'remember', ...entry });
    state.refused = null;
    if (unsaved.peek(id) === entry) unsaved.delete(id);
  } catch {
    // It stays for the next attempt.
  }
}

/** What has failed is tried again after a while, as long as anything waits. */
function writeAgain(state: State): void {
  if (state.closed || state.retry !== undefined) return;
  state.retry = setTimeout(() => {
    state.retry = undefined;
    void retryAll(state).then((done) => {
      if (!done || state.refused !== null) writeAgain(state);
    });
  }, RETRY_MS);
  state.retry.unref();
}

/** Writes a row of no message: what was refused may be forgotten by now, and nothing else says when rows are taken again. */
async function tryToWrite(state: State): Promise<void> {
  const row = { message: randomBytes(32).toString('hex'), recipient: randomBytes(32).toString('hex') };
  try {
    await state.step({ kind: 'remember', row, reply: '' });
    state.refused = null;
    await state.step({ kind: 'forget', rows: [row] });
  } catch {
    // Still refused; or the row goes with those that are too old.
  }
}

/** As long as it gets on. @returns whether nothing waits any more */
async function retryAll(state: State): Promise<boolean> {
  if (state.refused !== null && state.unsaved.size === 0) await tryToWrite(state);
  for (let before = Number.POSITIVE_INFINITY; ; ) {
    await saveUnsaved(state);
    await removeUnremoved(state);
    const left = state.unsaved.size + state.unremoved.length;
    if (left === 0 || left >= before) return left === 0;
    before = left;
  }
}
