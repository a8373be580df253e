// What time brings about: a recovery's letters and its end, the end of what waits too long. Any node runs it; two at once are
// harmless, since each user's state is decided on under the row's lock, and the second one finds nothing left to do.
import { and, eq, isNotNull, isNull, lte, or, sql } from 'drizzle-orm';
import {
  enrolmentLetters,
  enrolmentRecoveries,
  enrolmentSubmissions,
  enrolments,
} from '../database/enrolment-tables.ts';
import type { Logger } from '../observe/log.ts';
import { forgetTurns } from './limits.ts';
import { forgetFailed } from './outbox.ts';
import { forgetSessions } from './sessions.ts';
import { forgetSubkeys } from './tell-subkeys.ts';
import { forgetTokens } from './tokens.ts';
import { transact } from './transact.ts';
import type { Asker, FlowContext } from './types.ts';

export interface TimerContext extends FlowContext {
  readonly logger: Logger;
}

/** The users for whom a moment has come. */
async function usersDue({ database, now }: FlowContext): Promise<readonly number[]> {
  const moment = new Date(now());
  const at = sql`${moment.toISOString()}::timestamptz`;
  const wait = sql`(${enrolmentRecoveries.due_at} - ${enrolmentRecoveries.started_at})`;
  // As LETTERS_AT of decide.ts; a little early is only a question too many.
  const nextLetter = sql`${enrolmentRecoveries.started_at} + ${wait} * ${enrolmentRecoveries.letters} * 3.0 / 7.0`;
  const { orm } = database;
  const found = await Promise.all([
    orm
      .select({ userId: enrolmentSubmissions.user_id })
      .from(enrolmentSubmissions)
      .where(
        and(
          lte(enrolmentSubmissions.expires_at, moment),
          // One that was read waits as long as its recovery does, which comes due by itself.
          or(isNull(enrolmentSubmissions.read_at), isNull(enrolmentSubmissions.recovery_id)),
        ),
      ),
    orm
      .select({ userId: enrolments.user_id })
      .from(enrolments)
      .where(or(lte(enrolments.undo_until, moment), lte(enrolments.paused_until, moment))),
    orm
      .select({ userId: enrolmentRecoveries.user_id })
      .from(enrolmentRecoveries)
      .where(
        and(
          eq(enrolmentRecoveries.state, 'waiting'),
          or(lte(enrolmentRecoveries.due_at, moment), sql`${nextLetter} <= ${at}`),
        ),
      ),
    orm
      .select({ userId: enrolmentRecoveries.user_id })
      .from(enrolmentRecoveries)
      .innerJoin(enrolmentLetters, eq(enrolmentLetters.recovery_id, enrolmentRecoveries.id))
      .where(and(eq(enrolmentRecoveries.state, 'waiting'), isNotNull(enrolmentLetters.failed_at))),
  ]);
  return [...new Set(found.flat().map(({ userId }) => userId))];
}

/**
 * Does what has become due for each user. What fails for one user is logged, and does not keep the others waiting.
 * @returns how many users were looked at
 */
export async function runTimers(context: TimerContext): Promise<number> {
  const due = await usersDue(context);
  for (const userId of due) {
    try {
      await passTime(context, userId);
    } catch (error) {
      context.logger.error(
        { event: 'enrolment_stuck', err: error, user: userId },
        'what time brings about for a user failed; trying again',
      );
    }
  }
  return due.length;
}

async function passTime(context: TimerContext, userId: number): Promise<void> {
  // Whatever comes due was decided by a person before.
  const asker: Asker = { userId, proof: { level: 'mailbox' }, name: 'portal', language: null };
  const outcome = await transact(context, { asker, event: () => ({ kind: 'time' }) });
  if (outcome.ok || outcome.because === 'no user') return;
  // A key that was good when it was handed over, and is no more: the recovery that waited for it has nothing to bring.
  context.logger.warn(
    { event: 'recovery_in_vain', user: userId, because: outcome.because, key: outcome.key?.code },
    'a recovery ended without its change',
  );
  await transact(context, { asker, event: () => ({ kind: 'give up' }) });
}

/** Removes what has ended and says nothing any more. */
export async function forgetEnded(context: FlowContext): Promise<void> {
  await forgetTokens(context);
  await forgetTurns(context);
  await forgetSessions(context);
  await forgetFailed(context);
  await forgetSubkeys(context);
}
