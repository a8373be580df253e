// One event of one user, whole or not at all: the state is read under the row's lock, decided on, and changed.
import { errorCodes } from '../database/errors.ts';
import { inOrmTransaction } from '../database/transaction.ts';
import { type Orm, primaryAddress } from '../directory/find.ts';
import { decide } from './decide.ts';
import { doEffects, type EffectContext } from './effects.ts';
import { FlowRefused } from './refused.ts';
import { loadState, remember } from './rows.ts';
import type { DecidedResult, EnrolmentState, FlowEvent, FlowSettings } from './state.ts';
import type { Asker, FlowContext, FlowRefusal, Outcome } from './types.ts';
import type { UnderstoodKey } from './understand.ts';

/** One event and what belongs to it. */
export interface Step {
  readonly asker: Asker;
  /** Given the state under the lock. A refusal ends it. */
  readonly event: (tx: Orm, state: EnrolmentState) => Promise<FlowEvent | FlowRefusal> | FlowEvent;
  readonly key?: UnderstoodKey;
  /**
   * Taken before the user's row is locked, in the order in which imports take their locks: whoever changes the same certificate
   * for somebody else waits, and nobody waits for each other.
   */
  readonly lockFirst?: (tx: Orm) => Promise<void>;
}

/** Deadlock, and serialization failure (PostgreSQL manual, appendix A): the same work comes again. */
const AGAIN: ReadonlySet<string> = new Set(['40P01', '40001']);
const ATTEMPTS = 3;

/** Runs one step. @throws what the database throws */
export async function transact(
  context: FlowContext,
  step: Step,
): Promise<Outcome<{ readonly result: DecidedResult }>> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await inOrmTransaction(context.database, (tx) => once(tx, context, step));
    } catch (error) {
      if (error instanceof FlowRefused) return error.refusal;
      if (attempt >= ATTEMPTS || !errorCodes(error).some((code) => AGAIN.has(code))) throw error;
    }
  }
}

async function once(
  tx: Orm,
  context: FlowContext,
  { asker, event, key, lockFirst }: Step,
): Promise<Outcome<{ readonly result: DecidedResult }>> {
  const config = context.config();
  const now = context.now();
  await lockFirst?.(tx);
  const state = await loadState(tx, asker.userId, config);
  if (state === null) throw new FlowRefused({ ok: false, because: 'no user' });
  const happened = await event(tx, state);
  if ('ok' in happened) throw new FlowRefused(happened);
  const decided = decide(state, happened, asker.proof, now, settingsOf(config));
  if (!decided.ok) throw new FlowRefused(decided);
  if (asker.language !== null) await remember(tx, asker.userId, { language: asker.language });
  const effects: EffectContext = {
    config,
    now,
    userId: asker.userId,
    address: await primaryAddress(tx, asker.userId),
    proof: asker.proof,
    name: asker.name,
    ...(asker.client === undefined ? {} : { client: asker.client }),
    ...(key === undefined ? {} : { key }),
  };
  await doEffects(tx, decided.effects, effects);
  return { ok: true, result: decided.result };
}

function settingsOf({ portal }: ReturnType<FlowContext['config']>): FlowSettings {
  return { recoveryMs: portal.recovery, tokenLifetimeMs: portal.token_lifetime };
}
