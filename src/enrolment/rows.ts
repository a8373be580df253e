// The rows behind the flow, read: what counts of one user, and whom a letter goes to.
import { and, asc, eq, type SQL, sql } from 'drizzle-orm';
import type { Config } from '../config/schema.ts';
import { effectiveSettings, type SettingsOverride } from '../config/settings.ts';
import {
  enrolmentLetters,
  enrolmentRecoveries,
  enrolmentSubmissions,
  enrolments,
} from '../database/enrolment-tables.ts';
import { addresses, domains, keys, users } from '../database/schema.ts';
import type { Orm } from '../directory/find.ts';
import type { StoredKey } from '../directory/types.ts';
import { languageOf } from './letters/language.ts';
import type { EnrolmentState, StateRecovery, StateSubmission } from './state.ts';
import { type Change, type Language, MAIL_DOORS, type Proof } from './types.ts';

export type SubmissionRow = typeof enrolmentSubmissions.$inferSelect;
export type RecoveryRow = Omit<typeof enrolmentRecoveries.$inferSelect, 'change'> & {
  readonly change: Change;
};

/** A user as letters and pages need one. */
export interface Addressee {
  readonly userId: number;
  readonly address: string;
  readonly domain: string;
  readonly status: 'active' | 'disabled';
  readonly language: Language;
  readonly settings: SettingsOverride;
  readonly domainSettings: SettingsOverride;
  /** Those of {@link currentKeysOf}. */
  readonly keys: readonly StoredKey[];
  readonly undoUntil: number | null;
  readonly pausedUntil: number | null;
}

/** Which keys of a user mail is sealed to: active, not revoked. */
export function currentKeysOf(userId: number): SQL | undefined {
  return and(eq(keys.user_id, userId), eq(keys.status, 'active'), eq(keys.revoked, false));
}

/** null: the user is not there. */
export async function loadAddressee(orm: Orm, userId: number): Promise<Addressee | null> {
  const [row] = await orm
    .select({
      status: users.status,
      settings: users.settings,
      domainSettings: domains.settings,
      address: addresses.address,
      domain: domains.name,
      language: enrolments.language,
      undoUntil: enrolments.undo_until,
      pausedUntil: enrolments.paused_until,
    })
    .from(users)
    .innerJoin(domains, eq(domains.id, users.domain_id))
    .innerJoin(addresses, and(eq(addresses.user_id, users.id), eq(addresses.kind, 'user')))
    .leftJoin(enrolments, eq(enrolments.user_id, users.id))
    .where(eq(users.id, userId));
  // Asked for nobody, too: the page that is told of nobody must not take less time.
  const own = await orm.select().from(keys).where(currentKeysOf(userId)).orderBy(asc(keys.id));
  if (row === undefined) return null;
  return {
    ...row,
    userId,
    language: languageOf(row.language),
    undoUntil: row.undoUntil?.getTime() ?? null,
    pausedUntil: row.pausedUntil?.getTime() ?? null,
    keys: own.map(({ kind, fingerprint, certificate, status, source, created_at: createdAt }) => ({
      kind,
      fingerprint,
      certificate,
      status,
      source,
      createdAt,
    })),
  };
}

/** null: it was withdrawn, confirmed or has expired. */
export async function submissionOf(orm: Orm, id: number | null): Promise<SubmissionRow | null> {
  if (id === null) return null;
  const [row] = await orm.select().from(enrolmentSubmissions).where(eq(enrolmentSubmissions.id, id));
  return row ?? null;
}

/**
 * What counts of one user, with the user's row locked until the transaction ends: two events at once come one after the other.
 * @returns null where the user is not there
 */
export async function loadState(tx: Orm, userId: number, config: Config): Promise<EnrolmentState | null> {
  const [user] = await tx
    .select({ settings: users.settings, domainId: users.domain_id })
    .from(users)
    .where(eq(users.id, userId))
    .for('no key update');
  if (user === undefined) return null;
  const [domain] = await tx
    .select({ settings: domains.settings })
    .from(domains)
    .where(eq(domains.id, user.domainId));
  const [known] = await tx.select().from(enrolments).where(eq(enrolments.user_id, userId));
  const own = await tx
    .select({
      fingerprint: keys.fingerprint,
      kind: keys.kind,
      source: keys.source,
      status: keys.status,
      revoked: keys.revoked,
    })
    .from(keys)
    .where(eq(keys.user_id, userId))
    .orderBy(asc(keys.id));
  const submissions = await tx
    .select()
    .from(enrolmentSubmissions)
    .where(eq(enrolmentSubmissions.user_id, userId))
    .orderBy(asc(enrolmentSubmissions.id));
  return {
    keys: own.map(({ status, ...key }) => ({ ...key, current: status === 'active' && !key.revoked })),
    submissions: submissions.map(asSubmission),
    recovery: await loadRecovery(tx, userId),
    undoUntil: known?.undo_until?.getTime() ?? null,
    stops: known?.stops ?? 0,
    pausedUntil: known?.paused_until?.getTime() ?? null,
    settings: effectiveSettings(config.encryption, domain?.settings, withoutPause(user.settings, known))
      .values,
    inherited: effectiveSettings(config.encryption, domain?.settings).values,
  };
}

/** The user's own settings as they are when the pause is over: weaker than those is weaker, also while it lasts. */
function withoutPause(
  own: SettingsOverride,
  known: Pick<typeof enrolments.$inferSelect, 'paused_until' | 'paused_encrypt'> | undefined,
): SettingsOverride {
  if (known === undefined || known.paused_until === null) return own;
  const { encrypt: _, ...rest } = own;
  return known.paused_encrypt === null ? rest : { ...rest, encrypt: known.paused_encrypt };
}

function asSubmission(row: SubmissionRow): StateSubmission {
  return {
    id: row.id,
    fingerprint: row.fingerprint,
    intent: row.intent,
    proof: proofOf(row),
    read: row.read_at !== null,
    byMail: MAIL_DOORS.some((door) => door === row.actor),
    letterSent: row.letter_sent_at !== null,
    recoveryId: row.recovery_id,
    expiresAt: row.expires_at.getTime(),
  };
}

function proofOf({ level, proven_by: fingerprints }: SubmissionRow): Proof {
  return level === 'key' ? { level, fingerprints } : { level };
}

/** The recovery of a user; null: none runs. */
export async function recoveryOf(orm: Pick<Orm, 'select'>, userId: number): Promise<RecoveryRow | null> {
  const [row] = await orm.select().from(enrolmentRecoveries).where(eq(enrolmentRecoveries.user_id, userId));
  // Written by the flow alone, in the shape of its type.
  return row === undefined ? null : { ...row, change: row.change as Change };
}

async function loadRecovery(tx: Orm, userId: number): Promise<StateRecovery | null> {
  const row = await recoveryOf(tx, userId);
  if (row === null) return null;
  const letters = await tx
    .select({ failed: sql<boolean>`${enrolmentLetters.failed_at} IS NOT NULL` })
    .from(enrolmentLetters)
    .where(and(eq(enrolmentLetters.recovery_id, row.id), eq(enrolmentLetters.kind, 'recovery')));
  return {
    id: row.id,
    change: row.change,
    state: row.state,
    startedAt: row.started_at.getTime(),
    dueAt: row.due_at.getTime(),
    letters: row.letters,
    unsent: letters.filter(({ failed }) => !failed).length,
    failed: letters.filter(({ failed }) => failed).length,
  };
}

/** Remembers something of a user. */
export async function remember(
  tx: Orm,
  userId: number,
  what: Partial<Omit<typeof enrolments.$inferInsert, 'user_id'>>,
): Promise<void> {
  await tx
    .insert(enrolments)
    .values({ user_id: userId, ...what })
    .onConflictDoUpdate({ target: enrolments.user_id, set: what });
}
