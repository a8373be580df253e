// Does what was decided: each effect is a row or two, all of them in the transaction that has the user's row locked.
import { and, eq, inArray, ne } from 'drizzle-orm';
import type { Config } from '../config/schema.ts';
import { enrolmentSubmissions } from '../database/enrolment-tables.ts';
import { keys } from '../database/schema.ts';
import type { Orm } from '../directory/find.ts';
import { addRuleWithin } from '../directory/rules.ts';
import { nameActor } from '../keys/actor.ts';
import type { ImportOptions } from '../keys/import-options.ts';
import { importKeysWithin } from '../keys/store.ts';
import { setChoice } from '../publishing/choice.ts';
import { countLetters, endRecovery, handToAdministrator, startRecovery } from './effects-recovery.ts';
import { pause, setSettings, unpause } from './effects-settings.ts';
import type { LetterDetails, LetterKind } from './letters/texts.ts';
import { countedAsker, LIMITS, type Limit, takeTurnIn } from './limits.ts';
import { postLetters, withdrawUnsent } from './outbox.ts';
import { FlowRefused } from './refused.ts';
import { type RecoveryRow, recoveryOf, remember, submissionOf } from './rows.ts';
import type { Effect } from './state.ts';
import type { Proof } from './types.ts';
import { anchorsOf, policyOf, type UnderstoodKey } from './understand.ts';

/** For whom, by whom, and with what. */
export interface EffectContext {
  readonly config: Config;
  /** Unix milliseconds. */
  readonly now: number;
  readonly userId: number;
  readonly address: string;
  readonly proof: Proof;
  readonly client?: string;
  /** For the audit. */
  readonly name: string;
  /** What was handed over, of `keep submission` and `take revocation`. */
  readonly key?: UnderstoodKey;
}

/** What the effects before have made. */
interface Run {
  readonly tx: Orm;
  readonly context: EffectContext;
  submissionId: number | null;
  recoveryId: number | null;
  /** The key that has become active, and until when it can be taken back. */
  activated: string | null;
  undoUntil: number | null;
}

/**
 * Does the effects in order.
 * @throws FlowRefused where one cannot be done: the caller takes the transaction back
 */
export async function doEffects(tx: Orm, effects: readonly Effect[], context: EffectContext): Promise<void> {
  const run: Run = { tx, context, submissionId: null, recoveryId: null, activated: null, undoUntil: null };
  await nameActor(tx, context.name);
  for (const effect of effects) await doOne(run, effect);
}

async function doOne(run: Run, effect: Effect): Promise<void> {
  const { tx, context } = run;
  const { userId } = context;
  switch (effect.do) {
    case 'keep submission':
      return keepSubmission(run, effect);
    case 'mark read':
      await setSubmission(tx, effect.submissionId, { read_at: new Date(context.now) });
      return;
    case 'allow submission':
      await setSubmission(tx, effect.submissionId, { recovery_id: null, level: 'administrator' });
      return;
    case 'drop submission':
      await tx.delete(enrolmentSubmissions).where(eq(enrolmentSubmissions.id, effect.submissionId));
      return;
    case 'activate':
      return activate(run, effect);
    case 'open undo':
      run.undoUntil = effect.until;
      return remember(tx, userId, { undo_until: new Date(effect.until) });
    case 'close undo':
      return remember(tx, userId, { undo_until: null });
    case 'remove keys':
      if (effect.fingerprints.length === 0) return;
      await tx
        .delete(keys)
        .where(and(eq(keys.user_id, userId), inArray(keys.fingerprint, [...effect.fingerprints])));
      return;
    case 'take revocation':
      return takeRevocation(run, effect.fingerprint);
    case 'set':
      return setSettings(tx, userId, effect.settings);
    case 'unpublish':
      return setChoice(tx, userId, 'off');
    case 'add pass rule':
      await addRuleWithin(tx, context.address, { ...effect.rule, action: 'pass' });
      return;
    case 'pause':
      return pause(tx, userId, effect.until);
    case 'unpause':
      return unpause(tx, userId);
    case 'start recovery':
      run.recoveryId = await startRecovery(tx, context, effect);
      return;
    case 'count letters':
      return countLetters(tx, effect);
    case 'hand to administrator':
      return handToAdministrator(tx, effect);
    case 'end recovery':
      return endRecovery(tx, effect.recoveryId);
    case 'count stop':
      return remember(tx, userId, { stops: 1 });
    case 'forget stops':
      return remember(tx, userId, { stops: 0 });
    case 'letter':
      return letter(run, effect);
  }
}

async function keepSubmission(
  run: Run,
  { fingerprint, keyKind, intent, expiresAt, byRecovery }: Extract<Effect, { do: 'keep submission' }>,
): Promise<void> {
  const { key, userId, proof, name, now } = run.context;
  if (key === undefined || key.fingerprint !== fingerprint) throw new Error('a submission without its key');
  const [row] = await run.tx
    .insert(enrolmentSubmissions)
    .values({
      user_id: userId,
      fingerprint,
      kind: keyKind,
      intent,
      upload: key.upload,
      level: proof.level,
      proven_by: proof.level === 'key' ? [...proof.fingerprints] : [],
      actor: name,
      submitted_at: new Date(now),
      expires_at: new Date(expiresAt),
      recovery_id: byRecovery ? run.recoveryId : null,
    })
    .returning({ id: enrolmentSubmissions.id });
  run.submissionId = row?.id ?? null;
}

async function setSubmission(
  tx: Orm,
  id: number,
  what: Partial<typeof enrolmentSubmissions.$inferInsert>,
): Promise<void> {
  await tx.update(enrolmentSubmissions).set(what).where(eq(enrolmentSubmissions.id, id));
}

/** The import that an administrator's command makes, too: judged anew, since what was good a day ago may have expired. */
async function activate(
  run: Run,
  { submissionId, intent }: Extract<Effect, { do: 'activate' }>,
): Promise<void> {
  const { tx, context } = run;
  const submission = await submissionOf(tx, submissionId);
  if (submission === null) throw new FlowRefused({ ok: false, because: 'nothing there' });
  const { fingerprint, upload, kind } = submission;
  const others = await tx
    .select({ kind: keys.kind })
    .from(keys)
    .where(and(eq(keys.user_id, context.userId), ne(keys.fingerprint, fingerprint)));
  const results = await importKeysWithin(tx, upload, {
    ...importOptions(context),
    source: submission.level === 'administrator' ? 'cli' : 'portal',
    replace: intent === 'replace',
    add: intent !== 'replace',
    proven: true,
  });
  const result = results.find((each) => each.fingerprint === fingerprint);
  if (result === undefined || result.result === 'refused') {
    const refusal = result?.refusal ?? null;
    throw new FlowRefused({
      ok: false,
      because: 'key refused',
      ...(refusal === null ? {} : { key: refusal }),
    });
  }
  // A certificate of the other kind takes the place of all keys, when it is to replace: the lost one would still be read with.
  if (intent === 'replace' && others.every((other) => other.kind !== kind)) {
    await tx.delete(keys).where(and(eq(keys.user_id, context.userId), ne(keys.fingerprint, fingerprint)));
  }
  run.activated = fingerprint;
}

function importOptions({ config, address, name, now }: EffectContext): Omit<ImportOptions, 'source'> {
  return {
    policy: policyOf(config),
    delimiters: config.recipient_delimiter,
    actor: name,
    now,
    for: address,
    // Whom it names says less than who has read its letter.
    anyName: true,
    x509: () => ({ anchors: anchorsOf(config), pin: false }),
  };
}

async function takeRevocation({ tx, context }: Run, fingerprint: string): Promise<void> {
  const { key, userId } = context;
  if (key === undefined || key.fingerprint !== fingerprint) throw new Error('a revocation without its key');
  await importKeysWithin(tx, key.upload, { ...importOptions(context), source: 'portal', add: true });
  const [row] = await tx
    .select({ revoked: keys.revoked })
    .from(keys)
    .where(and(eq(keys.user_id, userId), eq(keys.fingerprint, fingerprint)));
  if (row?.revoked !== true) throw new FlowRefused({ ok: false, because: 'key refused' });
}

/** The letters of somebody who is signed in are counted; those that warn are not. */
const COUNTED: { readonly [Kind in LetterKind]?: Limit } = {
  confirm: LIMITS.lettersUser,
  test: LIMITS.testLetters,
};

async function letter(run: Run, effect: Extract<Effect, { do: 'letter' }>): Promise<void> {
  const { tx, context } = run;
  const { userId, now } = context;
  const { kind, seal } = effect;
  const limit = COUNTED[kind];
  const counted = countedAsker(context);
  if (limit !== undefined && counted !== null) {
    const retryAt = await takeTurnIn(tx, limit, counted, now);
    if (retryAt !== null) throw new FlowRefused({ ok: false, because: 'limited', retryAt });
  }
  const submissionId = effect.submissionId ?? (seal === 'submission' ? run.submissionId : null);
  const recovery = kind === 'recovery' || kind === 'administrator' ? await recoveryOf(tx, userId) : null;
  // A letter with a link: the newer one would end the older one's, so that only the newer one is sent.
  if (kind === 'test') await withdrawUnsent(tx, userId, kind);
  await postLetters(
    tx,
    [
      {
        userId,
        kind,
        seal,
        details: await detailsOf(run, submissionId, recovery),
        submissionId,
        recoveryId: recovery?.id ?? null,
      },
    ],
    now,
  );
}

async function detailsOf(
  run: Run,
  submissionId: number | null,
  recovery: RecoveryRow | null,
): Promise<LetterDetails> {
  const { now } = run.context;
  if (recovery !== null) return { at: now, until: recovery.due_at.getTime(), change: recovery.change.kind };
  if (submissionId !== null) {
    const submission = await submissionOf(run.tx, submissionId);
    const wks = run.context.name === 'wks' && submission?.kind === 'openpgp' ? { wks: true } : {};
    return submission === null ? {} : { fingerprint: submission.fingerprint, ...wks };
  }
  if (run.activated === null) return {};
  return {
    fingerprint: run.activated,
    at: now,
    ...(run.undoUntil === null ? {} : { until: run.undoUntil }),
  };
}
