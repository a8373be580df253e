// What the pages show of one user. Reads only.
import { asc, eq } from 'drizzle-orm';
import { type EffectiveSettings, effectiveSettings, type SettingsOverride } from '../config/settings.ts';
import { enrolmentSubmissions } from '../database/enrolment-tables.ts';
import { type KeyEventView, verifyChain } from '../keys/chain.ts';
import { keysOfUser } from '../keys/rows.ts';
import { type KeyView, viewKey } from '../keys/view.ts';
import { loadAddressee, type RecoveryRow, recoveryOf, type SubmissionRow } from './rows.ts';
import type { FlowContext, Language, RecoveryView, SubmissionView } from './types.ts';
import { policyOf } from './understand.ts';

/** All that the home page tells. Times are Unix milliseconds. */
export interface Home {
  readonly userId: number;
  readonly address: string;
  readonly language: Language;
  readonly keys: readonly KeyView[];
  /** Fingerprints of those that mail may be sealed to: active and not revoked. */
  readonly currentKeys: readonly string[];
  readonly settings: EffectiveSettings;
  readonly ownSettings: SettingsOverride;
  readonly submissions: readonly SubmissionView[];
  readonly recovery: RecoveryView | null;
  /** Until then the first key can be taken back at mailbox level; null: there is nothing to take back. */
  readonly undoUntil: number | null;
  /** Mail is not sealed until then; null: no pause. */
  readonly pausedUntil: number | null;
}

/** null: the user is not there. */
export async function readHome(context: FlowContext, userId: number): Promise<Home | null> {
  const { orm } = context.database;
  const config = context.config();
  const now = context.now();
  const addressee = await loadAddressee(orm, userId);
  if (addressee === null) return null;
  const keys = await keysOfUser(orm, userId);
  const submissions = await orm
    .select()
    .from(enrolmentSubmissions)
    .where(eq(enrolmentSubmissions.user_id, userId))
    .orderBy(asc(enrolmentSubmissions.id));
  const recovery = await recoveryOf(orm, userId);
  const until = (moment: number | null): number | null => (moment !== null && moment > now ? moment : null);
  return {
    userId,
    address: addressee.address,
    language: addressee.language,
    keys: await Promise.all(keys.map((key) => viewKey(key, policyOf(config), now))),
    currentKeys: addressee.keys.map(({ fingerprint }) => fingerprint),
    settings: effectiveSettings(config.encryption, addressee.domainSettings, addressee.settings),
    ownSettings: addressee.settings,
    submissions: submissions.filter((row) => isWaiting(row, now)).map(viewSubmission),
    recovery: recovery === null ? null : viewRecovery(recovery),
    undoUntil: until(addressee.undoUntil),
    pausedUntil: until(addressee.pausedUntil),
  };
}

/** One that was read and belongs to a recovery waits as long as that does. */
function isWaiting({ expires_at, read_at, recovery_id }: SubmissionRow, now: number): boolean {
  return expires_at.getTime() > now || (read_at !== null && recovery_id !== null);
}

function viewSubmission(row: SubmissionRow): SubmissionView {
  return {
    id: row.id,
    fingerprint: row.fingerprint,
    kind: row.kind,
    intent: row.intent,
    submittedAt: row.submitted_at.getTime(),
    expiresAt: row.expires_at.getTime(),
    letterSentAt: row.letter_sent_at?.getTime() ?? null,
    readAt: row.read_at?.getTime() ?? null,
    recoveryId: row.recovery_id,
  };
}

export function viewRecovery(row: RecoveryRow): RecoveryView {
  return {
    id: row.id,
    change: row.change,
    startedAt: row.started_at.getTime(),
    dueAt: row.due_at.getTime(),
    state: row.state,
  };
}

/** The user's key events, newest first, and whether their chain is whole. */
export async function readHistory(
  context: FlowContext,
  userId: number,
): Promise<{ readonly events: readonly KeyEventView[]; readonly whole: boolean }> {
  const { events, broken } = await verifyChain(context.database.orm, { kind: 'user', id: userId });
  return { events: [...events].reverse(), whole: broken === null };
}
