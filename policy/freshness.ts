// How old the caches of the lookups may be: before an answer rests on them, the primary is asked for the version of the
// directory, at most once a second, whatever became of the notifications.
import { within } from '../src/pacing/within.ts';

export interface Freshness {
  /** Whether the version was asked for less than a second ago: what is cached is true as of then. */
  isFresh(): boolean;
  /**
   * Asks for the version, together with everybody who waits for it. What changed has been told of when it resolves.
   * Never rejects, and takes no longer than 2.5 s for each of at most two statements.
   * @returns false: it cannot be asked now; true: what is cached is true as of a second before this call, or later
   */
  refresh(): Promise<boolean>;
  /** When what is cached was last known to be true, in ms of the clock; 0: never. */
  trueAt(): number;
}

export interface FreshnessContext {
  /** Asks for the version, and tells what changed; rejects when it cannot be asked, or the server is an old one. */
  readonly ask: () => Promise<void>;
  /** Unix milliseconds. */
  readonly clock: () => number;
  /** Milliseconds that grow whatever becomes of the clock; replaced by tests. */
  readonly monotonic?: () => number;
}

/** For how long an answer may rest on the version that was asked for. Milliseconds. */
const LONGEST_MS = 1000;
/** How long a question waits for one statement with the version. Milliseconds; a lookup has 4.5 s. */
const PATIENCE_MS = 2500;

/** For one question without a cache that would outlive it. */
export const ALWAYS_FRESH: Freshness = {
  isFresh: () => true,
  refresh: async () => true,
  trueAt: () => Date.now(),
};

interface Check {
  /** Milliseconds, monotonic. */
  readonly sent: number;
  readonly succeeded: Promise<boolean>;
}

interface State extends Required<FreshnessContext> {
  /** When the last statement that was answered had been sent, by both clocks: one may be set, the other rests with the machine. */
  sent: number;
  sentByClock: number;
  underWay: Check | null;
}

export function createFreshness(context: FreshnessContext): Freshness {
  const state: State = {
    monotonic: () => performance.now(),
    ...context,
    sent: Number.NEGATIVE_INFINITY,
    sentByClock: 0,
    underWay: null,
  };
  return {
    isFresh: () => isFresh(state),
    refresh: () => refresh(state),
    trueAt: () => state.sentByClock,
  };
}

function isFresh({ monotonic, clock, sent, sentByClock }: State): boolean {
  if (monotonic() - sent >= LONGEST_MS) return false;
  const byClock = clock() - sentByClock;
  return byClock >= 0 && byClock < LONGEST_MS;
}

async function refresh(state: State): Promise<boolean> {
  const asked = state.monotonic();
  for (;;) {
    const check = state.underWay ?? start(state);
    if (!(await check.succeeded)) return false;
    // One that was under way for long may not know of what changed since.
    if (asked - check.sent < LONGEST_MS) return true;
  }
}

function start(state: State): Check {
  const sent = state.monotonic();
  const sentByClock = state.clock();
  const answered = state.ask().then(
    () => true,
    () => false,
  );
  const succeeded = within(PATIENCE_MS, answered, false).then((success) => {
    state.underWay = null;
    if (success) Object.assign(state, { sent, sentByClock });
    return success;
  });
  const check = { sent, succeeded };
  state.underWay = check;
  return check;
}
