// This process among those of the nodes that deliver from one database: a lease that is renewed, whether there are other nodes,
// and from when on claims are kept.
//
// One node alone keeps no claims. The argument why a second one may come at any moment:
//
// 1. Whoever comes writes its row of `nodes` first. From that commit on, every statement that recalls sees it, since it looks at
//    `nodes` itself: it claims, or is asked again as one that claims, before anybody goes on by its answer.
// 2. What a node has in hand that was recalled before, and is claimed by nobody, it claims as soon as it sees another one, at the
//    latest with the next renewal; only then its own row says `claims_all`.
// 3. Whoever has come takes no mail until every other row says so, or has no lease any more. So nothing is in hand anywhere that
//    is not claimed, except at a node whose lease has ended.
// 4. A node whose lease has ended says no final dot of what it began before (claim-rules.ts), and comes anew, as in 1. Whether
//    it has ended the database says, by its own clock, in each statement that recalls; and before a final dot, where the last
//    renewal is too long ago.
// 5. A node whose last neighbour has gone writes `claims_all = false`, and keeps claims until that is committed. Whoever came
//    meanwhile and still read `true` had its row committed before, so that 1 holds for all that this node recalls
//    from then on.
//
// What is left: a machine that stands still, all its clocks with it, between the look at them and the final dot, for longer than
// the lease (a virtual machine that is paused); and a process that dies between the next hop's acceptance and its record.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { DatabaseUnavailable } from '../database/embedded/unavailable.ts';
import type { Logger } from '../observe/log.ts';
import { createBatcher } from '../pacing/group-commit.ts';
import { within } from '../pacing/within.ts';
import { finalDot } from './claim-rules.ts';
import { enterRow, leaveRow, lookAtOthers, type NodeRow, removeGone, renewRow } from './node-rows.ts';

/** The time between two breaks of the lease; another one after each. */
export type Term = number;

export interface Membership {
  readonly row: NodeRow;
  /** Whether what is recalled is claimed, too. */
  readonly claims: () => boolean;
  /** Whether there was ever another node: claims of ours may stand in the table. */
  readonly hasMet: () => boolean;
  /**
   * Resolves once mail may be taken.
   * @throws NotJoined where another node has not seen this one yet; what the database fails with
   */
  joined(): Promise<Term>;
  /**
   * Hears what a statement saw of the nodes.
   * @param term what {@link joined} gave when it was sent @param claiming whether it claimed
   * @param seen as acceptance-sql.ts gives it @returns whether its answer counts; if not, it is asked again
   */
  saw(term: Term, claiming: boolean, seen: string | null): boolean;
  /** Whether the final dot may be said of what was begun in `term`. Never throws. */
  mayFinish(term: Term): Promise<boolean>;
  /** Begins. @param claimAll claims what this process has in hand */
  start(claimAll: () => Promise<void>): void;
  /** Leaves. Never throws. */
  close(): Promise<void>;
}

/** The other nodes may not know of this one yet. */
export class NotJoined extends DatabaseUnavailable {}

export interface MembershipOptions {
  /** Of the serve, shared by its workers. */
  readonly node: string;
  readonly leaseMs: number;
  readonly logger: Logger;
}

/** Renewals within one lease. */
const RENEWALS = 10;
/** How often it is looked whether the others have seen us. */
const LOOK_MS = 100;
/** How long a delivery waits for that. */
const PATIENCE_MS = 5000;
const RETRY_MS = 1000;
/** A lease that is not given back in this time runs out by itself. */
const LEAVING_MS = 1000;

/** A moment by two clocks: one that nobody sets, and one that goes on while the machine sleeps. */
interface Moment {
  readonly steady: number;
  readonly wall: number;
}

interface State {
  readonly pool: Pool;
  readonly options: MembershipOptions;
  readonly row: NodeRow;
  term: Term;
  /** `seen`: every other node knows of us. `in`: mail may be taken. */
  phase: 'out' | 'seen' | 'in';
  /** Why the database did not let us in, at the last attempt. */
  trouble: unknown;
  /** What is recalled is claimed. */
  claiming: boolean;
  hasMet: boolean;
  /** And so is what was recalled before. */
  covered: boolean;
  joining: Promise<void>;
  /** Processes of other nodes that had a lease when it was last looked. */
  others: number;
  /** Our row is there, and there is something to renew. */
  entered: boolean;
  /** Before the last renewal that succeeded was sent. */
  renewed: Moment;
  claimAll: () => Promise<void>;
  readonly renew: () => Promise<unknown>;
  timer: NodeJS.Timeout | undefined;
  closed: boolean;
}

export function createMembership(pool: Pool, options: MembershipOptions): Membership {
  const renewals = createBatcher<null, null>(async (waiting) => {
    await renew(state);
    return waiting.map(() => null);
  });
  const state: State = {
    pool,
    options,
    row: { ...options, id: randomUUID() },
    term: 0,
    phase: 'out',
    trouble: null,
    claiming: true,
    hasMet: false,
    covered: false,
    joining: Promise.resolve(),
    others: 0,
    entered: false,
    renewed: now(),
    claimAll: async () => undefined,
    renew: () => renewals(null),
    timer: undefined,
    closed: false,
  };
  return {
    row: state.row,
    claims: () => state.claiming,
    hasMet: () => state.hasMet,
    joined: () => joined(state),
    saw: (term, claiming, seen) => saw(state, term, claiming, seen),
    mayFinish: (term) => mayFinish(state, term),
    start(claimAll) {
      state.claimAll = claimAll;
      state.joining = join(state);
      renewSoon(state);
    },
    close: () => close(state),
  };
}

async function joined(state: State): Promise<Term> {
  if (state.phase !== 'in' && state.trouble === null) await within(PATIENCE_MS, state.joining, undefined);
  if (state.phase === 'in') return state.term;
  if (state.trouble !== null) throw state.trouble;
  throw new NotJoined(
    'another node has not seen this one yet; until it has, or its lease has run out, mail waits',
  );
}

function saw(state: State, term: Term, claiming: boolean, seen: string | null): boolean {
  const [own, others] = seen?.split(' ') ?? [];
  if (term !== state.term) return false;
  if (own !== 'true') {
    lapse(state);
    return false;
  }
  if (claiming || others === '0') return true;
  meet(state);
  return false;
}

async function mayFinish(state: State, term: Term): Promise<boolean> {
  const { leaseMs } = state.options;
  const judge = (asked: boolean) =>
    finalDot({ unbroken: term === state.term, ageMs: since(state.renewed), leaseMs, asked });
  const verdict = judge(false);
  if (verdict !== 'ask') return verdict === 'go on';
  await state.renew().catch(() => undefined);
  return judge(true) === 'go on';
}

/** The lease has ended: others may have taken over what was in hand. */
function lapse(state: State): void {
  state.term += 1;
  state.phase = 'out';
  state.hasMet = true;
  state.entered = false;
  state.trouble = null;
  state.options.logger.warn(
    { event: 'node_lapsed' },
    'this process did not renew its lease in time: what it has in hand is deferred, and it joins the other nodes anew',
  );
  state.joining = state.joining.then(() => join(state));
}

/** There is another node. */
function meet(state: State): void {
  state.hasMet = true;
  if (state.claiming) return;
  state.claiming = true;
  state.covered = false;
  state.options.logger.info(
    { event: 'node_met' },
    'another node delivers from this database: what is in hand is claimed there from now on',
  );
  void state.renew().catch(() => undefined);
}

/** Claims what is in hand, where that was not done yet. */
async function cover(state: State): Promise<void> {
  if (!state.claiming || state.covered) return;
  await state.claimAll();
  state.covered = true;
}

/** Until it succeeds, or until the process ends. */
async function join(state: State): Promise<void> {
  for (const { term } = state; term === state.term && state.phase !== 'in' && !state.closed; ) {
    try {
      await enter(state);
      state.trouble = null;
      if (!(await seenByAll(state, term))) return;
      state.phase = 'seen';
      // Where nobody else is there, it ends the claims.
      await state.renew();
      if (term === state.term) state.phase = 'in';
    } catch (error) {
      state.trouble = error;
      if (!state.closed) await sleep(RETRY_MS, undefined, { ref: false });
    }
  }
}

/** Writes our row, claims what is in hand, and removes what processes of this machine have left. @throws what the pool throws */
async function enter(state: State): Promise<void> {
  const started = now();
  state.claiming = true;
  state.covered = false;
  await enterRow(state.pool, state.row);
  state.renewed = started;
  state.entered = true;
  await cover(state);
  await removeGone(state.pool);
}

/** Waits for the other nodes. @returns false where our lease ended over it */
async function seenByAll(state: State, term: Term): Promise<boolean> {
  for (let told = false; term === state.term && !state.closed; told = true) {
    const { others, unseeing } = await lookAtOthers(state.pool, state.row.node);
    state.others = others;
    if (others > 0) state.hasMet = true;
    if (unseeing === 0) return term === state.term;
    if (!told)
      state.options.logger.info(
        { event: 'node_waits' },
        'mail waits until the other nodes have seen this one, or their lease has run out',
      );
    await sleep(LOOK_MS, undefined, { ref: false });
  }
  return false;
}

/** @throws what the pool throws; an ended lease is no error */
async function renew(state: State): Promise<void> {
  const { term } = state;
  if (!state.entered) return;
  await cover(state);
  const started = now();
  // What is recalled is claimed until this is committed.
  const alone = state.phase !== 'out' && state.others === 0;
  const others = await renewRow(state.pool, state.row, state.claiming && state.covered && !alone);
  if (term !== state.term || state.closed) return;
  if (others === null) {
    lapse(state);
    return;
  }
  state.renewed = started;
  state.others = others;
  if (others > 0) meet(state);
  else if (alone) state.claiming = false;
}

function renewSoon(state: State): void {
  state.timer = setTimeout(() => {
    void state
      .renew()
      .catch(() => undefined)
      .finally(() => {
        if (!state.closed) renewSoon(state);
      });
  }, state.options.leaseMs / RENEWALS);
  state.timer.unref();
}

async function close(state: State): Promise<void> {
  state.closed = true;
  clearTimeout(state.timer);
  const leaving = leaveRow(state.pool, state.row.id);
  await within(LEAVING_MS, leaving, undefined).catch(() => undefined);
}

const now = (): Moment => ({ steady: performance.now(), wall: Date.now() });

/** Milliseconds. Neither clock counts everything: the steady one stops while the machine sleeps, the other one is set. */
function since({ steady, wall }: Moment): number {
  return Math.max(performance.now() - steady, Date.now() - wall);
}
