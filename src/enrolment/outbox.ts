// The outbox: a letter is a row of enrolment_letters, written in the transaction that decides it, and removed when the next hop has
// taken it. One node at a time tries a letter; one that cannot be handed over is tried again, longer and longer apart, for five days.

import { and, asc, count, eq, isNull, lte, type SQL, sql } from 'drizzle-orm';
import { enrolmentLetters, enrolmentSubmissions } from '../database/enrolment-tables.ts';
import { removeOld } from '../database/remove-old.ts';
import { inOrmTransaction } from '../database/transaction.ts';
import type { Orm } from '../directory/find.ts';
import type { LetterDetails, LetterKind } from './letters/texts.ts';
import type { FlowContext } from './types.ts';

export type LetterRow = typeof enrolmentLetters.$inferSelect;

/** A letter that is to be sent. */
export interface NewLetter {
  readonly userId: number;
  readonly kind: LetterKind;
  readonly details: LetterDetails;
  readonly seal: LetterRow['seal'];
  readonly submissionId?: number | null;
  readonly recoveryId?: number | null;
  /** Of `former`: what it is sealed to. */
  readonly former?: Readonly<{
    kind: NonNullable<LetterRow['key_kind']>;
    fingerprint: string;
    certificate: Uint8Array;
  }>;
}

/** How long a node has for a letter; then another one may try it. */
const CLAIM_MS = 10 * 60_000;
/** As long as Postfix keeps mail in its queue. */
const GIVE_UP_MS = 5 * 86_400_000;
/** How long a letter that was given up stays to be seen. */
const FAILED_MS = 14 * 86_400_000;
const FIRST_PAUSE_MS = 30_000;
const LONGEST_PAUSE_MS = 3_600_000;
const LONGEST_ERROR = 500;

/** Writes letters into the outbox. */
export async function postLetters(tx: Orm, letters: readonly NewLetter[], now: number): Promise<void> {
  if (letters.length === 0) return;
  const moment = new Date(now);
  await tx.insert(enrolmentLetters).values(
    letters.map(({ userId, kind, details, seal, submissionId, recoveryId, former }) => ({
      user_id: userId,
      kind,
      details,
      seal,
      submission_id: submissionId ?? null,
      recovery_id: recoveryId ?? null,
      key_kind: former?.kind ?? null,
      fingerprint: former?.fingerprint ?? null,
      certificate: former?.certificate ?? null,
      created_at: moment,
      next_at: moment,
    })),
  );
}

/** Letters of the same kind to the same user that nobody has tried yet: a newer one takes their place. */
export async function withdrawUnsent(tx: Orm, userId: number, kind: LetterKind): Promise<void> {
  await tx
    .delete(enrolmentLetters)
    .where(
      and(
        eq(enrolmentLetters.user_id, userId),
        eq(enrolmentLetters.kind, kind),
        eq(enrolmentLetters.attempts, 0),
        isNull(enrolmentLetters.failed_at),
      ),
    );
}

/** Takes the letter that has waited longest, for this process alone; null: none is due. What somebody waits for comes first. */
export async function claimLetter(context: FlowContext): Promise<LetterRow | null> {
  const now = context.now();
  const due = and(isNull(enrolmentLetters.failed_at), lte(enrolmentLetters.next_at, new Date(now)));
  return inOrmTransaction(context.database, async (tx) => {
    const found =
      // As the index enrolment_letters_asked has it.
      (await oldest(tx, and(due, sql`${enrolmentLetters.kind} <> 'readers'`))) ?? (await oldest(tx, due));
    if (found === null) return null;
    const [row] = await tx
      .update(enrolmentLetters)
      .set({ attempts: found.attempts + 1, next_at: new Date(now + CLAIM_MS) })
      .where(eq(enrolmentLetters.id, found.id))
      .returning();
    return row ?? null;
  });
}

async function oldest(tx: Orm, where: SQL | undefined): Promise<Pick<LetterRow, 'id' | 'attempts'> | null> {
  const [row] = await tx
    .select({ id: enrolmentLetters.id, attempts: enrolmentLetters.attempts })
    .from(enrolmentLetters)
    .where(where)
    .orderBy(asc(enrolmentLetters.next_at), asc(enrolmentLetters.id))
    .limit(1)
    .for('update', { skipLocked: true });
  return row ?? null;
}

/** The next hop has it: the row goes, and a submission learns when its letter went. */
export async function settleLetter(context: FlowContext, letter: LetterRow): Promise<void> {
  const now = new Date(context.now());
  await inOrmTransaction(context.database, async (tx) => {
    if (letter.kind === 'confirm' && letter.submission_id !== null) {
      await tx
        .update(enrolmentSubmissions)
        .set({ letter_sent_at: now })
        .where(eq(enrolmentSubmissions.id, letter.submission_id));
    }
    await tx.delete(enrolmentLetters).where(eq(enrolmentLetters.id, letter.id));
  });
}

/**
 * It could not be handed over.
 * @param permanent trying again is of no use
 * @returns whether it was given up; the row stays then, to be seen, and nothing goes on as if it had been sent
 */
export async function postponeLetter(
  context: FlowContext,
  letter: LetterRow,
  error: string,
  permanent: boolean,
): Promise<boolean> {
  const now = context.now();
  const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(letter.attempts - 1, 20));
  const over = permanent || now + pause > letter.created_at.getTime() + GIVE_UP_MS;
  await context.database.orm
    .update(enrolmentLetters)
    .set({
      error: error.slice(0, LONGEST_ERROR),
      ...(over ? { failed_at: new Date(now) } : { next_at: new Date(now + pause) }),
    })
    .where(eq(enrolmentLetters.id, letter.id));
  return over;
}

/** It is of no use any more: its link would lead nowhere. */
export async function dropLetter(context: FlowContext, letter: LetterRow): Promise<void> {
  await context.database.orm.delete(enrolmentLetters).where(eq(enrolmentLetters.id, letter.id));
}

/** How many letters wait, and how many were given up within the last two weeks, for whoever runs the server. */
export async function outboxState(
  context: FlowContext,
): Promise<{ readonly waiting: number; readonly given_up: number }> {
  const [counts] = await context.database.orm
    .select({
      waiting: sql<number>`count(*) FILTER (WHERE ${enrolmentLetters.failed_at} IS NULL)`.mapWith(Number),
      given_up: count(enrolmentLetters.failed_at),
    })
    .from(enrolmentLetters);
  return counts ?? { waiting: 0, given_up: 0 };
}

/** Removes the letters that were given up long ago. */
export async function forgetFailed(context: FlowContext): Promise<void> {
  await removeOld(context.database.orm.$client, {
    table: 'enrolment_letters',
    condition: 'failed_at <= to_timestamp($1::float8 / 1000)',
    values: [context.now() - FAILED_MS],
  });
}
