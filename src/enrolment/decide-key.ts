// The way of a new key: handed over, its letter read, in use. Pure.
import { isBeyond } from './better-proof.ts';
import { isExpired } from './expired.ts';
import { done, hasKey, isProven, type Question, refuse } from './question.ts';
import { isMissed, isOver, toldAgain } from './recovery-time.ts';
import type { Decided, Effect, EnrolmentState, FlowEvent, StateSubmission } from './state.ts';

/** For so long a first key that came at mailbox level can be taken back at that level. */
export const UNDO_MS = 7 * 86_400_000;
/** Keys of one user that wait at the same time. */
export const MOST_SUBMISSIONS = 5;
/** Of those that came by letters, beside the others: a stranger's letters use up nothing that the owner needs. */
export const MOST_BY_MAIL = 2;

export function submit(
  question: Question,
  { fingerprint, keyKind, intent, relation, byMail = false }: Extract<FlowEvent, { kind: 'submit' }>,
): Decided {
  const { state, now, settings } = question;
  if (relation === 'known') return refuse('key known');
  if (hasKey(state) && !isProven(question)) return refuse('needs key');
  const waiting = state.submissions.find(
    (each) => each.fingerprint === fingerprint && !isExpired(question, each),
  );
  if (byMail && waiting !== undefined) return sentAgain(waiting);
  const better = state.submissions.find(
    (each) => each.fingerprint === fingerprint && isBeyond(question, each),
  );
  // In its place a first key could be taken back by the mailbox that an administrator has handed over.
  if (better !== undefined)
    return done(
      [{ do: 'letter', kind: 'confirm', seal: 'submission', submissionId: better.id }],
      'submitted',
    );
  const others = state.submissions.filter(
    (each) => each.fingerprint !== fingerprint && each.byMail === byMail,
  );
  if (others.length >= (byMail ? MOST_BY_MAIL : MOST_SUBMISSIONS)) return refuse('limited');
  return done(
    [
      ...replaced(state, fingerprint),
      {
        do: 'keep submission',
        fingerprint,
        keyKind,
        intent: relation === 'renew' ? 'renew' : hasKey(state) ? intent : 'add',
        expiresAt: now + settings.tokenLifetimeMs,
        byRecovery: false,
      },
      { do: 'letter', kind: 'confirm', seal: 'submission' },
    ],
    'submitted',
  );
}

/**
 * The same key by a letter once more: its letter is sent again where it came by a letter before. What was handed over otherwise, or
 * waits by a recovery, stays as it is: anybody may know the key, and write a letter.
 */
function sentAgain({ id, byMail, letterSent, read, recoveryId }: StateSubmission): Decided {
  const again = byMail && letterSent && !read && recoveryId === null;
  return done(
    again ? [{ do: 'letter', kind: 'confirm', seal: 'submission', submissionId: id }] : [],
    'submitted',
  );
}

/** The older submission of the same key; one that waits by a recovery stays with it. */
export function replaced(state: EnrolmentState, fingerprint: string): readonly Effect[] {
  return state.submissions
    .filter((each) => each.fingerprint === fingerprint)
    .flatMap((each) => dropped(state, each));
}

/** A recovery that was for the submission ends with it. */
export function dropped(
  { recovery }: EnrolmentState,
  { id, recoveryId }: StateSubmission,
): readonly Effect[] {
  return [
    { do: 'drop submission', submissionId: id },
    ...(recovery !== null && recovery.id === recoveryId
      ? [{ do: 'end recovery', recoveryId: recovery.id } as const]
      : []),
  ];
}

export function withSubmission(
  question: Question,
  id: number,
  then: (submission: StateSubmission) => Decided,
): Decided {
  const submission = question.state.submissions.find((each) => each.id === id);
  if (submission === undefined) return refuse('nothing there');
  return isExpired(question, submission) ? refuse('token expired') : then(submission);
}

/** The new key's own letter was read. Whether that is enough is asked now, and not when the key was handed over. */
export function read(question: Question, id: number): Decided {
  return withSubmission(question, id, (submission) => {
    const { state, now } = question;
    const { recovery } = state;
    if (submission.recoveryId !== null) {
      if (recovery === null || recovery.id !== submission.recoveryId) return refuse('nothing there');
      const marked: Effect = { do: 'mark read', submissionId: id };
      if (!isOver(recovery, now)) return done([marked], 'waiting');
      if (isMissed(recovery.dueAt, recovery, question))
        return done([marked, ...toldAgain(question, recovery)], 'waiting');
      return done(
        [...activated(question, submission), { do: 'end recovery', recoveryId: recovery.id }],
        'active',
      );
    }
    // Of two first keys the one that is read first wins; a proof by a key that has gone meanwhile is none.
    if (hasKey(state) && !isProven({ state, proof: submission.proof })) return refuse('needs key');
    return done(activated(question, submission), 'active');
  });
}

export function activated({ state, now }: Question, submission: StateSubmission): readonly Effect[] {
  const first = !hasKey(state) && submission.proof.level === 'mailbox';
  const effects: Effect[] = [
    { do: 'activate', submissionId: submission.id, intent: submission.intent },
    { do: 'drop submission', submissionId: submission.id },
    ...sealing(state),
  ];
  if (first) {
    effects.push(
      { do: 'open undo', until: now + UNDO_MS },
      { do: 'letter', kind: 'first key', seal: 'clear' },
    );
  }
  return submission.proof.level === 'key' ? [...effects, { do: 'forget stops' }] : effects;
}

/**
 * The button says that mail is sealed to the key from now on, and so do the page and the letter behind it: where sealing was off,
 * as it is after leaving, it is on again, and a pause ends.
 */
function sealing({ pausedUntil, settings, inherited }: EnrolmentState): readonly Effect[] {
  return [
    ...(pausedUntil === null ? [] : [{ do: 'unpause' } as const]),
    ...(settings.encrypt
      ? []
      : [{ do: 'set', settings: { encrypt: inherited.encrypt ? null : true } } as const]),
  ];
}
