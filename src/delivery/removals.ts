// What the memory of deliveries no longer needs: acceptances of which the client has our reply, and claims that end without one.
// They wait a moment for an acceptance to share a statement with, and what fails is tried again.
import { type AcceptanceRow, type AcceptanceSteps, idOf } from './acceptance-steps.ts';

export interface Removals {
  /** These acceptances go, and their claims. */
  forget(rows: readonly AcceptanceRow[]): void;
  /** These claims go. */
  giveUp(rows: readonly AcceptanceRow[]): void;
  /** Told to forget, not yet removed from the table: it counts as unknown. */
  isForgotten(id: string): boolean;
  /** Its claim is being removed. */
  isEnding(id: string): boolean;
  /** The row stays: it stands for a new acceptance. */
  keep(id: string): void;
  /** Gives the removals to the next batch. @returns when these and all earlier ones are done, or have failed */
  flush(): Promise<void>;
  /** The same for what has failed, the oldest first. */
  again(): Promise<void>;
  /** How many have failed and wait. */
  failed(): number;
}

/** How long removals wait for an acceptance to share a statement with. */
const WITHIN_MS = 250;
/** Those that are tried again in one statement. */
const RETRIED_AT_ONCE = 500;

export interface RemovalsContext {
  readonly steps: Pick<AcceptanceSteps, 'write'>;
  /** Of each kind, that wait in memory for a database that is away. */
  readonly most: number;
  /** The acceptances that are being written: a removal does not share a statement with one of the same row, which it would not see. */
  readonly written: () => Promise<void>;
  /** Something has failed, and waits for {@link Removals.again}. */
  readonly onFailure: () => void;
}

interface State {
  readonly context: RemovalsContext;
  readonly forgetting: Map<string, AcceptanceRow>;
  /** Those of `forgetting` that no batch has been given yet. */
  untold: AcceptanceRow[];
  /** Those whose batch failed: tried again after a while, and not with every acceptance. */
  unremoved: AcceptanceRow[];
  /** Claims that no batch has been given yet, and those whose batch failed. */
  givenUp: AcceptanceRow[];
  unfreed: AcceptanceRow[];
  readonly ending: Set<string>;
  timer: NodeJS.Timeout | undefined;
  removing: Promise<void>;
}

export function createRemovals(context: RemovalsContext): Removals {
  const state: State = {
    context,
    forgetting: new Map(),
    untold: [],
    unremoved: [],
    givenUp: [],
    unfreed: [],
    ending: new Set(),
    timer: undefined,
    removing: Promise.resolve(),
  };
  const { forgetting, ending } = state;
  return {
    forget(rows) {
      for (const row of rows) forgetting.set(idOf(row), row);
      state.untold.push(...rows);
      soon(state);
    },
    giveUp(rows) {
      for (const row of rows) ending.add(idOf(row));
      state.givenUp.push(...rows);
      soon(state);
    },
    isForgotten: (id) => forgetting.has(id),
    isEnding: (id) => ending.has(id),
    keep: (id) => void forgetting.delete(id),
    flush: () => flush(state),
    again: () => again(state),
    failed: () => state.unremoved.length + state.unfreed.length,
  };
}

/** The next acceptance takes the removals along. */
function soon(state: State): void {
  state.timer ??= setTimeout(() => void flush(state), WITHIN_MS);
}

function flush(state: State): Promise<void> {
  clearTimeout(state.timer);
  state.timer = undefined;
  const { givenUp, forgetting } = state;
  const rows = state.untold.filter((row) => forgetting.get(idOf(row)) === row);
  state.untold = [];
  state.givenUp = [];
  const removals: Promise<void>[] = [];
  if (givenUp.length > 0) removals.push(free(state, givenUp));
  if (rows.length > 0) removals.push(state.context.written().then(() => remove(state, rows)));
  if (removals.length > 0) state.removing = Promise.all([state.removing, ...removals]).then(() => undefined);
  return state.removing;
}

async function remove(state: State, rows: readonly AcceptanceRow[]): Promise<void> {
  const { steps, most, onFailure } = state.context;
  try {
    await steps.write({ kind: 'forget', rows });
    for (const row of rows) forgotten(state, row);
  } catch {
    // A row that stays would have the same message, sent once more, taken for a repetition.
    state.unremoved = [...state.unremoved, ...rows];
    const tooMany = Math.max(0, state.unremoved.length - most);
    for (const row of state.unremoved.splice(0, tooMany)) forgotten(state, row);
    onFailure();
  }
}

/** The row is gone, or given up; one that was told of again in the meantime stays. */
function forgotten({ forgetting }: State, row: AcceptanceRow): void {
  if (forgetting.get(idOf(row)) === row) forgetting.delete(idOf(row));
}

async function free(state: State, rows: readonly AcceptanceRow[]): Promise<void> {
  const { steps, most, onFailure } = state.context;
  try {
    await steps.write({ kind: 'give up', rows });
    for (const row of rows) state.ending.delete(idOf(row));
  } catch {
    // A claim that stays has other nodes wait for as long as this process lives.
    state.unfreed = [...state.unfreed, ...rows];
    const tooMany = Math.max(0, state.unfreed.length - most);
    for (const row of state.unfreed.splice(0, tooMany)) state.ending.delete(idOf(row));
    onFailure();
  }
}

function again(state: State): Promise<void> {
  state.untold = [...state.unremoved.splice(0, RETRIED_AT_ONCE), ...state.untold];
  state.givenUp = [...state.unfreed.splice(0, RETRIED_AT_ONCE), ...state.givenUp];
  return flush(state);
}
