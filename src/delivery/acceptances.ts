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
import { beginning } from './claim-rules.ts';
import { expireNodes, type Membership } from './membership.ts';

/** A delivery may begin, for some of its recipients. */
export interface Begun {
  /** Recipient hash -> the next hop's reply: accepted before. */
  readonly accepted: ReadonlyMap<string, string>;
  /** Recipient hashes: under way at another node. */
  readonly elsewhere: ReadonlySet<string>;
  /** Recipient hashes: another node had them in hand, and is gone. */
  readonly takenOver: ReadonlySet<string>;
  /** Whether the final dot may be said: no other node can have taken over by now. Never throws. */
  mayFinish(): Promise<boolean>;
  /** These were not accepted: whoever comes again may have them. Never throws, may happen later. */
  giveUp(recipients: readonly string[]): void;
}

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
  begin: async () => ({
    accepted: new Map(),
    elsewhere: new Set(),
    takenOver: new Set(),
    mayFinish: async () => true,
    giveUp: () => undefined,
  }),
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
  readonly steps: AcceptanceSteps;
  readonly membership: Membership | null;
  /** Accepted downstream, but the database would not take it: known to this process at once, to others when it is written. */
  readonly unsaved: LRUCache<string, Entry>;
  /** Told to forget, not yet removed from the table: these count as unknown from now on. */
  readonly forgetting: Map<string, AcceptanceRow>;
  readonly inserting: Set<Promise<unknown>>;
  /** Those of `forgetting` that no batch has been given yet. */
  untold: AcceptanceRow[];
  /** Claims that end without an acceptance, and go out with the next removal. */
  givenUp: AcceptanceRow[];
  /** Those that are being given up. */
  readonly ending: Set<string>;
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
 * @param nodes where other nodes may deliver from the same database, and what this process has in hand; null: no claims are kept
 */
export function createAcceptances(
  pool: Pool,
  lifetimeMs: number,
  versions: VersionTracker,
  nodes: { readonly membership: Membership; readonly inHand: () => readonly AcceptanceRow[] } | null = null,
): Acceptances {
  const membership = nodes?.membership ?? null;
  const state: State = {
    steps: createAcceptanceSteps({ pool, versions, membership }),
    membership,
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
    givenUp: [],
    ending: new Set(),
    unremoved: [],
    timer: undefined,
    removing: Promise.resolve(),
    saving: Promise.resolve(),
    retry: undefined,
    closed: false,
    refused: null,
  };
  nodes?.membership.start(() => state.steps.claimAll(nodes.inHand()));
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
  { steps, unsaved, forgetting, refused }: State,
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
      const reply = forgetting.has(id) ? undefined : (each.reply ?? unsaved.get(id)?.reply);
      return [row.recipient, { ...each, reply }];
    }),
  );
}

async function begin(state: State, message: string, recipients: readonly string[]): Promise<Begun> {
  const { membership, ending, forgetting } = state;
  const ids = recipients.map((recipient) => idOf({ message, recipient }));
  // What is claimed now must not go with what ended a moment ago.
  if (membership?.hasMet() === true && ids.some((id) => ending.has(id) || forgetting.has(id)))
    await removeForgotten(state);
  const found = await find(state, message, recipients, true);
  const accepted = new Map<string, string>();
  const elsewhere = new Set<string>();
  const takenOver = new Set<string>();
  for (const [recipient, { reply, claimed }] of found) {
    const verdict = beginning(reply, claimed);
    if (verdict.action === 'send nothing') accepted.set(recipient, verdict.reply);
    else if (verdict.action === 'wait') elsewhere.add(recipient);
    else if (verdict.action === 'take over') takenOver.add(recipient);
  }
  const terms = new Set([...found.values()].map(({ term }) => term));
  return {
    accepted,
    elsewhere,
    takenOver,
    async mayFinish() {
      if (membership === null) return true;
      for (const term of terms) if (!(await membership.mayFinish(term))) return false;
      return true;
    },
    giveUp(given) {
      if (membership?.hasMet() !== true) return;
      const rows = given.filter((each) => !elsewhere.has(each)).map((recipient) => ({ message, recipient }));
      for (const row of rows) ending.add(idOf(row));
      state.givenUp.push(...rows);
      removeSoon(state);
    },
  };
}

async function remember(state: State, row: AcceptanceRow, reply: string): Promise<void> {
  const { steps, unsaved, forgetting } = state;
  // PostgreSQL's text holds no NUL; a next hop's reply may hold anything.
  const entry = { row, reply: reply.replaceAll('\0', '') };
  const id = idOf(row);
  const removed = removeForgotten(state);
  // The same message once more, after it was acknowledged: its row must not go with the old one's.
  if (forgetting.has(id)) await removed;
  // The old row could not be removed: it stands for this acceptance from now on.
  forgetting.delete(id);
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

function forget(state: State, message: string, recipients: readonly string[]): void {
  for (const recipient of recipients) {
    const row = { message, recipient };
    state.forgetting.set(idOf(row), row);
    state.untold.push(row);
    state.unsaved.delete(idOf(row));
  }
  removeSoon(state);
}

/** The next acceptance takes the removals along. */
function removeSoon(state: State): void {
  state.timer ??= setTimeout(() => void removeForgotten(state), FORGET_WITHIN_MS);
}

async function close(state: State): Promise<void> {
  state.closed = true;
  clearTimeout(state.retry);
  await Promise.allSettled([...state.inserting]);
  await retryAll(state);
  await removeForgotten(state);
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

/** Gives the removals to the next batch. @returns when these and all earlier ones are done, or have failed */
function removeForgotten(state: State): Promise<void> {
  clearTimeout(state.timer);
  state.timer = undefined;
  const rows = state.untold.filter((row) => state.forgetting.get(idOf(row)) === row);
  const { givenUp } = state;
  state.untold = [];
  state.givenUp = [];
  if (givenUp.length > 0) {
    state.removing = Promise.all([state.removing, giveUp(state, givenUp)]).then(() => undefined);
  }
  // Not in one statement with an acceptance of the same row, which it would not see.
  if (rows.length > 0) {
    const removal = state.saving.then(() => remove(state, rows));
    state.removing = Promise.all([state.removing, removal]).then(() => undefined);
  }
  return state.removing;
}

async function giveUp(state: State, rows: readonly AcceptanceRow[]): Promise<void> {
  const { steps, ending } = state;
  try {
    await steps.write({ kind: 'give up', rows });
    for (const row of rows) ending.delete(idOf(row));
  } catch {
    // A claim that stays has other nodes wait for as long as this process lives.
    state.givenUp = [...rows, ...state.givenUp].slice(0, MOST_UNSAVED);
    writeAgain(state);
  }
}

async function remove(state: State, rows: readonly AcceptanceRow[]): Promise<void> {
  try {
    await state.steps.write({ kind: 'forget', rows });
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
    await removeUnremoved(state);
    const left = state.unsaved.size + state.unremoved.length + state.givenUp.length;
    if (left === 0 || left >= before) return left === 0;
    before = left;
  }
}
