// Changes without the key: the wait, its letters, how it is stopped and how it ends. Pure.
import { isBeyond } from './better-proof.ts';
import { apply, needsKey } from './decide-change.ts';
import { activated, dropped, replaced } from './decide-key.ts';
import { done, isProven, knows, type Question, refuse } from './question.ts';
import { isMissed, isOver, lettersBy, nextLetter, toldAgain } from './recovery-time.ts';
import type { Decided, Effect, EnrolmentState, FlowEvent, StateRecovery } from './state.ts';

export function recover(
  question: Question,
  { change, keyKind }: Extract<FlowEvent, { kind: 'recover' }>,
): Decided {
  const { state, now, settings } = question;
  if (state.recovery !== null) return refuse('recovery runs');
  // What the mailbox is enough for is done at once.
  if (!needsKey(question, change)) return refuse('not allowed');
  const dueAt = now + settings.recoveryMs;
  const start: readonly Effect[] = [
    { do: 'start recovery', change, dueAt },
    { do: 'letter', kind: 'recovery', seal: 'clear' },
  ];
  if (change.kind !== 'key') {
    if (change.kind === 'remove key' && !knows(state, change.fingerprint)) return refuse('key unknown');
    // It is for a day, and who waits a week for it wants something else.
    if (change.kind === 'pause') return refuse('not allowed');
    return done(start, 'waiting');
  }
  if (keyKind === undefined) return refuse('key unknown');
  const { fingerprint, intent } = change;
  // It comes at once when its letter is read; to wait for it instead would be a step back.
  if (state.submissions.some((each) => each.fingerprint === fingerprint && isBeyond(question, each)))
    return refuse('needs key');
  return done(
    [
      ...replaced(state, fingerprint),
      ...start,
      // Its letter can be read, and asked for again, until a day after the wait.
      {
        do: 'keep submission',
        fingerprint,
        keyKind,
        intent,
        expiresAt: dueAt + settings.tokenLifetimeMs,
        byRecovery: true,
      },
      { do: 'letter', kind: 'confirm', seal: 'submission' },
    ],
    'waiting',
  );
}

export function stop(question: Question): Decided {
  const { recovery, stops } = question.state;
  if (recovery === null) return refuse('nothing there');
  const end: Effect = { do: 'end recovery', recoveryId: recovery.id };
  if (isProven(question)) return done([end, { do: 'forget stops' }], 'stopped');
  if (recovery.state === 'administrator') return done([], 'administrator');
  // The owner without the key and whoever else reads the mailbox would stop each other for ever.
  return stops === 0
    ? done([end, { do: 'count stop' }], 'stopped')
    : done(toAdministrator(question, recovery), 'administrator');
}

/** Somebody has to find out who is who: the new key's letter can be read as long as a whole wait takes. */
function toAdministrator({ now, settings }: Question, { id }: StateRecovery): readonly Effect[] {
  return [
    { do: 'hand to administrator', recoveryId: id, keepUntil: now + settings.recoveryMs },
    { do: 'letter', kind: 'administrator', seal: 'clear' },
  ];
}

/** An administrator looked into it: the change comes now, or not at all. A new key's letter has to be read all the same. */
export function settle(question: Question, allowed: boolean): Decided {
  const { recovery, submissions } = question.state;
  if (question.proof.level !== 'administrator') return refuse('not allowed');
  if (recovery === null) return refuse('nothing there');
  const end: readonly Effect[] = [{ do: 'end recovery', recoveryId: recovery.id }, { do: 'forget stops' }];
  if (!allowed) return done(end, 'stopped');
  if (recovery.change.kind !== 'key') {
    const applied = apply(question, recovery.change);
    return applied.ok ? done([...applied.effects, ...end]) : applied;
  }
  const submission = submissions.find(({ recoveryId }) => recoveryId === recovery.id);
  if (submission === undefined) return done(end, 'stopped');
  if (submission.read) return done([...activated(question, submission), ...end], 'active');
  if (submission.expiresAt <= question.now) return done(end, 'stopped');
  return done([{ do: 'allow submission', submissionId: submission.id }, ...end], 'waiting');
}

/** What time brings about for a recovery that waits. */
export function waited(question: Question, recovery: StateRecovery): readonly Effect[] {
  const { state, now } = question;
  const { id, change, letters, failed } = recovery;
  // The owner could not be told: somebody has to be asked.
  if (failed > 0) return toAdministrator(question, recovery);
  const due = lettersBy(recovery, now);
  if (due > letters) return nextLetter(question, recovery, due);
  if (!isOver(recovery, now)) return [];
  const end: Effect = { do: 'end recovery', recoveryId: id };
  const comes = (effects: readonly Effect[]): readonly Effect[] =>
    isMissed(recovery.dueAt, recovery, question)
      ? toldAgain(question, recovery)
      : [...effects, end, { do: 'forget stops' }];
  if (change.kind !== 'key') {
    const applied = apply(question, change);
    return applied.ok ? comes(applied.effects) : [end];
  }
  const submission = state.submissions.find(({ recoveryId }) => recoveryId === id);
  if (submission === undefined) return [end];
  if (submission.read) return comes(activated(question, submission));
  if (submission.expiresAt > now) return [];
  return isMissed(submission.expiresAt, recovery, question)
    ? toldAgain(question, recovery)
    : dropped(state, submission);
}

export function givenUp({ recovery, submissions }: EnrolmentState): readonly Effect[] {
  if (recovery === null) return [];
  return [
    ...submissions
      .filter(({ recoveryId }) => recoveryId === recovery.id)
      .map(({ id }) => ({ do: 'drop submission', submissionId: id }) as const),
    { do: 'end recovery', recoveryId: recovery.id },
  ];
}
