// Effects on a recovery's row, and on the submission that waits by it.
import { and, eq, lt } from 'drizzle-orm';
import { enrolmentRecoveries, enrolmentSubmissions } from '../database/enrolment-tables.ts';
import type { Orm } from '../directory/find.ts';
import type { Effect } from './state.ts';

type Of<Kind extends Effect['do']> = Extract<Effect, { do: Kind }>;

/** @param now Unix milliseconds @returns the recovery's id */
export async function startRecovery(
  tx: Orm,
  { userId, now }: Readonly<{ userId: number; now: number }>,
  { change, dueAt }: Of<'start recovery'>,
): Promise<number> {
  const [row] = await tx
    .insert(enrolmentRecoveries)
    .values({
      user_id: userId,
      change,
      started_at: new Date(now),
      due_at: new Date(dueAt),
      letters: 1,
    })
    .returning({ id: enrolmentRecoveries.id });
  if (row === undefined) throw new Error('an inserted recovery was not returned');
  return row.id;
}

export async function countLetters(tx: Orm, effect: Of<'count letters'>): Promise<void> {
  const { recoveryId, letters, dueAt } = effect;
  await tx
    .update(enrolmentRecoveries)
    .set({ letters, due_at: new Date(dueAt) })
    .where(eq(enrolmentRecoveries.id, recoveryId));
  await keepSubmissions(tx, effect);
}

export async function handToAdministrator(tx: Orm, effect: Of<'hand to administrator'>): Promise<void> {
  await tx
    .update(enrolmentRecoveries)
    .set({ state: 'administrator' })
    .where(eq(enrolmentRecoveries.id, effect.recoveryId));
  await keepSubmissions(tx, effect);
}

/** What waits by a recovery can be read until that moment at least. */
async function keepSubmissions(
  tx: Orm,
  { recoveryId, keepUntil }: Readonly<{ recoveryId: number; keepUntil: number }>,
): Promise<void> {
  const until = new Date(keepUntil);
  await tx
    .update(enrolmentSubmissions)
    .set({ expires_at: until })
    .where(and(eq(enrolmentSubmissions.recovery_id, recoveryId), lt(enrolmentSubmissions.expires_at, until)));
}

export async function endRecovery(tx: Orm, recoveryId: number): Promise<void> {
  await tx.delete(enrolmentRecoveries).where(eq(enrolmentRecoveries.id, recoveryId));
}
