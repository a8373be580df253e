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
import {
  type AcceptanceRow,
  type AcceptanceSteps,
  createAcceptanceSteps,
  type Found,
  idOf,
} from './acceptance-steps.ts';
import { BEGUN_ALONE, type Begun, begunOf } from './begun.ts';
import type { Membership } from './membership.ts';
import { expireNodes } from './node-rows.ts';
import { createRemovals, type Removals } from './removals.ts';

export interface Acceptances {
  /**
   * Which of these recipients were accepted before.
   * @returns recipient hash -> the next hop's reply text
   * Also learns the version of the directory: a cache of it is true when this resolves.
   * @throws when the database cannot be asked, or takes no acceptances: then nothing may be sent
   */
  recall(message: string, recipients: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /**
   * The same for a delivery that is about to begin; where there are other nodes, these learn in the same statement that it is
   * under way here.
   * @throws as `recall`; NotJoined where the other nodes do not know of this one yet
   */
  begin(message: string, recipients: readonly string[]): Promise<Begun>;
  /** Resolves once the acceptance is committed. It waits for no other statement. */
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
  begin: async () => BEGUN_ALONE,
  remember: async () => undefined,
  forget: () => undefined,
  refused: () => null,
  heard: () => undefined,
  expire: async () => 0,
  close: async () => undefined,
};

/** Acceptances, and removals, that wait in memory for a database that is away: as many of each. */
const MOST_UNSAVED = 100_000;
/** How long they wait for the next attempt. */
const RETRY_MS = 2000;
/** Acceptances that are tried again in one statement. */
const RETRIED_AT_ONCE = 500;

interface Entry {
  readonly row: AcceptanceRow;
  readonly reply: string;
}

/** What this process knows, and the table does not yet. */
interface State {
  readonly steps: AcceptanceSteps;
  readonly membership: Membership | null;
  /** Accepted downstream, but the database would not take it: known to this process at once, to others when it is written. */
  readonly unsaved: LRUCache<string, Entry>;
  readonly removals: Removals;
  readonly inserting: Set<Promise<unknown>>;
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
 * @param nodes where other nodes may deliver from the same database, and what this process has in hand; null: no claims are kept
 */
export function createAcceptances(
  pool: Pool,
  lifetimeMs: number,
  versions: VersionTracker,
  nodes: { readonly membership: Membership; readonly inHand: () => readonly AcceptanceRow[] } | null = null,
): Acceptances {
  const membership = nodes?.membership ?? null;
  const steps = createAcceptanceSteps({ pool, versions, membership });
  const state: State = {
    steps,
    membership,
    unsaved: new LRUCache({
      // And not `max`, which would have memory made ready for all of them.
      maxSize: MOST_UNSAVED,
      sizeCalculation: () => 1,
      ttl: lifetimeMs,
      ttlAutopurge: false,
    }),
    removals: createRemovals({
      steps,
      most: MOST_UNSAVED,
      written: () => state.saving,
      onFailure: () => writeAgain(state),
    }),
    inserting: new Set(),
    saving: Promise.resolve(),
    retry: undefined,
    closed: false,
    refused: null,
  };
  membership?.start(async () => {
    const rows = nodes?.inHand() ?? [];
    await steps.claimAll(rows);
    // What has ended meanwhile was given up, or forgotten, before it was claimed.
    const left = new Set(nodes?.inHand().map(idOf));
    state.removals.giveUp(rows.filter((row) => !left.has(idOf(row))));
  });
  return {
    recall: (message, recipients) => recall(state, message, recipients),
    begin: (message, recipients) => begin(state, message, recipients),
    remember: (message, recipient, reply) => remember(state, { message, recipient }, reply),
    forget: (message, recipients) => forget(state, message, recipients),
    refused: () => state.refused,
    heard: (error) => heard(state, error),
    async expire() {
      const removed = await removeOld(pool, {
        table: 'deliveries',
        condition: "accepted_at < now() - $1::float8 * interval '1 millisecond'",
        values: [lifetimeMs],
        order: 'accepted_at',
      });
      await expireNodes(pool);
      return removed;
    },
    close: () => close(state),
  };
}

async function recall(
  state: State,
  message: string,
  recipients: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const found = await find(state, message, recipients, false);
  return new Map(
    [...found].flatMap(([recipient, { reply }]) =>
      reply === undefined ? [] : [[recipient, reply] as const],
    ),
  );
}

async function find(
  { steps, unsaved, removals, refused }: State,
  message: string,
  recipients: readonly string[],
  claim: boolean,
): Promise<ReadonlyMap<string, Found>> {
  // What is sent now could not be remembered, and would be sent again after a restart.
  if (refused !== null) throw new DatabaseUnavailable(`the database takes no acceptances: ${refused}`);
  const asked = recipients.map((recipient) => ({ message, recipient }));
  const found = await Promise.all(asked.map((row) => steps.ask({ row, claim })));
  return new Map(
    found.map((each, index) => {
      const row = asked[index] as AcceptanceRow;
      const id = idOf(row);
      const reply = removals.isForgotten(id) ? undefined : (each.reply ?? unsaved.get(id)?.reply);
      return [row.recipient, { ...each, reply }];
    }),
  );
}

async function begin(state: State, message: string, recipients: readonly string[]): Promise<Begun> {
  const { membership, removals } = state;
  const ids = recipients.map((recipient) => idOf({ message, recipient }));
  // What is claimed now must not go with what ended a moment ago.
  if (membership?.hasMet() === true && ids.some((id) => removals.isEnding(id) || removals.isForgotten(id)))
    await removals.flush();
  const giveUp = (given: readonly string[]): void => {
    if (membership?.hasMet() === true) removals.giveUp(given.map((recipient) => ({ message, recipient })));
  };
  try {
    return begunOf(await find(state, message, recipients, true), membership, giveUp);
  } catch (error) {
    // It may have been claimed, and what failed came behind it.
    giveUp(recipients);
    throw error;
  }
}

async function remember(state: State, row: AcceptanceRow, reply: string): Promise<void> {
  const { steps, unsaved, removals } = state;
  // PostgreSQL's text holds no NUL; a next hop's reply may hold anything.
  const entry = { row, reply: reply.replaceAll('\0', '') };
  const id = idOf(row);
  const removed = removals.flush();
  // The same message once more, after it was acknowledged: its row must not go with the old one's.
  if (removals.isForgotten(id)) await removed;
  // The old row could not be removed: it stands for this acceptance from now on.
  removals.keep(id);
  try {
    await keptInMind(state, steps.write({ kind: 'remember', ...entry }));
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

function forget({ removals, unsaved }: State, message: string, recipients: readonly string[]): void {
  const rows = recipients.map((recipient) => ({ message, recipient }));
  for (const row of rows) unsaved.delete(idOf(row));
  removals.forget(rows);
}

async function close(state: State): Promise<void> {
  state.closed = true;
  clearTimeout(state.retry);
  await Promise.allSettled([...state.inserting]);
  await retryAll(state);
  await state.removals.flush();
  await state.membership?.close();
}

async function keptInMind({ inserting }: State, insertion: Promise<unknown>): Promise<void> {
  inserting.add(insertion);
  try {
    await insertion;
  } finally {
    inserting.delete(insertion);
  }
}

/** Writes what could not be written, the oldest first. @returns when that is done, or has failed again */
function saveUnsaved(state: State): Promise<void> {
  const ids = [...state.unsaved.rkeys()].slice(0, RETRIED_AT_ONCE);
  if (ids.length > 0)
    state.saving = Promise.all([state.saving, ...ids.map((id) => save(state, id))]).then(() => undefined);
  return state.saving;
}

async function save(state: State, id: string): Promise<void> {
  const { unsaved, steps } = state;
  const entry = unsaved.peek(id);
  if (entry === undefined) return;
  try {
    await steps.write({ kind: 'remember', ...entry });
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
    await state.steps.write({ kind: 'remember', row, reply: '' });
    state.refused = null;
    await state.steps.write({ kind: 'forget', rows: [row] });
  } catch {
    // Still refused; or the row goes with those that are too old.
  }
}

/** As long as it gets on. @returns whether nothing waits any more */
async function retryAll(state: State): Promise<boolean> {
  if (state.refused !== null && state.unsaved.size === 0) await tryToWrite(state);
  for (let before = Number.POSITIVE_INFINITY; ; ) {
    await saveUnsaved(state);
    await state.removals.again();
    const left = state.unsaved.size + state.removals.failed();
    if (left === 0 || left >= before) return left === 0;
    before = left;
  }
}
