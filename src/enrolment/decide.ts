// The flow as a state machine: what is known of a user, what happens, by which proof, and when, in; the rows to change and the
// letters to send, or a refusal with its reason, out. Pure, one test table.
import type { Settings } from '../config/settings.ts';
import type {
  Decided,
  DecidedResult,
  Effect,
  EnrolmentState,
  FlowEvent,
  FlowSettings,
  StateRecovery,
  StateSubmission,
} from './state.ts';
import {
  type Change,
  type FlowRefusal,
  LONGEST_PAUSE_MS,
  type Proof,
  type RefusalCode,
  type SettingsChange,
} from './types.ts';
import { weakerSettings } from './weaker.ts';

/** For so long a first key that came at mailbox level can be taken back at that level. */
export const UNDO_MS = 7 * 86_400_000;
/** Keys of one user that wait at the same time. */
export const MOST_SUBMISSIONS = 5;
/** The letters of a recovery, as parts of its wait: with seven days on days 0, 3 and 6. */
const LETTERS_AT = [0, 3 / 7, 6 / 7] as const;

/** What every branch is given. */
interface Question {
  readonly state: EnrolmentState;
  readonly proof: Proof;
  /** Unix milliseconds. */
  readonly now: number;
  readonly settings: FlowSettings;
}

/**
 * Decides.
 * @param now Unix milliseconds
 * @returns effects in the order in which they are done, all of them in one transaction; or why nothing is done
 */
export function decide(
  state: EnrolmentState,
  event: FlowEvent,
  proof: Proof,
  now: number,
  settings: FlowSettings,
): Decided {
  const question: Question = { state, proof, now, settings };
  switch (event.kind) {
    case 'submit':
      return submit(question, event);
    case 'revoke':
      // The primary key's own signature is the proof.
      return knows(state, event.fingerprint)
        ? done([{ do: 'take revocation', fingerprint: event.fingerprint }])
        : refuse('key unknown');
    case 'read':
      return read(question, event.submissionId);
    case 'resend':
      return withSubmission(question, event.submissionId, ({ id }) =>
        done([{ do: 'letter', kind: 'confirm', seal: 'submission', submissionId: id }]),
      );
    case 'withdraw':
      return withSubmission(question, event.submissionId, (submission) => done(dropped(state, submission)));
    case 'change':
      return isProven(question) || !needsKey(question, event.change)
        ? apply(question, event.change)
        : refuse('needs key');
    case 'end pause':
      return state.pausedUntil === null ? refuse('nothing there') : done([{ do: 'unpause' }]);
    case 'recover':
      return recover(question, event);
    case 'stop':
      return stop(question);
    case 'settle':
      return settle(question, event.allowed);
    case 'undo':
      return undo(question);
    case 'test letter':
      return state.keys.some(({ current }) => current)
        ? done([{ do: 'letter', kind: 'test', seal: 'current' }])
        : refuse('key unknown');
    case 'device':
      return !event.reads || isProven(question) ? done([]) : refuse('needs key');
    case 'time':
      return done(passedTime(question));
    case 'give up':
      return done(givenUp(state));
  }
}

function done(effects: readonly Effect[], result: DecidedResult = 'done'): Decided {
  return { ok: true, effects, result };
}

function refuse(because: RefusalCode): FlowRefusal {
  return { ok: false, because };
}

function knows({ keys }: EnrolmentState, fingerprint: string): boolean {
  return keys.some((key) => key.fingerprint === fingerprint);
}

/**
 * Whether the user has a key that somebody counts on. A disabled one counts: an administrator left it out, and whoever reads the
 * mailbox must not put another one in its place. Behind a revoked one the mail waits, so that the next one is a first key again.
 */
function hasKey({ keys }: EnrolmentState): boolean {
  return keys.some(({ revoked }) => !revoked);
}

/** Whether the proof is of key level, and still counts. */
function isProven({ state, proof }: Pick<Question, 'state' | 'proof'>): boolean {
  if (proof.level !== 'key') return proof.level === 'administrator';
  return (
    proof.fingerprints.length > 0 &&
    proof.fingerprints.every((read) =>
      state.keys.some(({ fingerprint, current }) => current && fingerprint === read),
    )
  );
}

function submit(
  question: Question,
  { fingerprint, keyKind, intent, relation }: Extract<FlowEvent, { kind: 'submit' }>,
): Decided {
  const { state, now, settings } = question;
  if (relation === 'known') return refuse('key known');
  if (hasKey(state) && !isProven(question)) return refuse('needs key');
  const others = state.submissions.filter((each) => each.fingerprint !== fingerprint);
  if (others.length >= MOST_SUBMISSIONS) return refuse('limited');
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

/** The older submission of the same key; one that waits by a recovery stays with it. */
function replaced(state: EnrolmentState, fingerprint: string): readonly Effect[] {
  return state.submissions
    .filter((each) => each.fingerprint === fingerprint)
    .flatMap((each) => dropped(state, each));
}

/** A recovery that was for the submission ends with it. */
function dropped({ recovery }: EnrolmentState, { id, recoveryId }: StateSubmission): readonly Effect[] {
  return [
    { do: 'drop submission', submissionId: id },
    ...(recovery !== null && recovery.id === recoveryId
      ? [{ do: 'end recovery', recoveryId: recovery.id } as const]
      : []),
  ];
}

function withSubmission(
  { state, now }: Question,
  id: number,
  then: (submission: StateSubmission) => Decided,
): Decided {
  const submission = state.submissions.find((each) => each.id === id);
  if (submission === undefined) return refuse('nothing there');
  return submission.expiresAt <= now ? refuse('token expired') : then(submission);
}

/** The new key's own letter was read. Whether that is enough is asked now, and not when the key was handed over. */
function read(question: Question, id: number): Decided {
  return withSubmission(question, id, (submission) => {
    const { state, now } = question;
    const { recovery } = state;
    if (submission.recoveryId !== null) {
      if (recovery === null || recovery.id !== submission.recoveryId) return refuse('nothing there');
      return isOver(recovery, now)
        ? done(
            [...activated(question, submission), { do: 'end recovery', recoveryId: recovery.id }],
            'active',
          )
        : done([{ do: 'mark read', submissionId: id }], 'waiting');
    }
    // Of two first keys the one that is read first wins; a proof by a key that has gone meanwhile is none.
    if (hasKey(state) && !isProven({ state, proof: submission.proof })) return refuse('needs key');
    return done(activated(question, submission), 'active');
  });
}

function activated({ state, now }: Question, submission: StateSubmission): readonly Effect[] {
  const first = !hasKey(state) && submission.proof.level === 'mailbox';
  const effects: Effect[] = [
    { do: 'activate', submissionId: submission.id, intent: submission.intent },
    { do: 'drop submission', submissionId: submission.id },
  ];
  if (first) {
    effects.push(
      { do: 'open undo', until: now + UNDO_MS },
      { do: 'letter', kind: 'first key', seal: 'clear' },
    );
  }
  return submission.proof.level === 'key' ? [...effects, { do: 'forget stops' }] : effects;
}

/** Whether a change takes protection away, or lets somebody else read. */
function needsKey({ state }: Pick<Question, 'state'>, change: Change): boolean {
  switch (change.kind) {
    case 'key':
      return hasKey(state);
    case 'settings':
      return weakerSettings(state.settings, changed(state, change.settings)).length > 0;
    case 'remove key':
    case 'pass rule':
    case 'leave':
    case 'pause':
      return true;
  }
}

/** The settings that would count after a change. */
function changed({ settings, inherited }: EnrolmentState, change: SettingsChange): Settings {
  const given = Object.entries(change).map(([name, value]) => [
    name,
    value ?? inherited[name as keyof Settings],
  ]);
  return { ...settings, ...Object.fromEntries(given) };
}

/** Does a change that is no new key. */
function apply({ state, now }: Question, change: Exclude<Change, { kind: 'key' }>): Decided {
  switch (change.kind) {
    case 'remove key':
      return knows(state, change.fingerprint)
        ? done([{ do: 'remove keys', fingerprints: [change.fingerprint] }])
        : refuse('key unknown');
    case 'settings':
      return done([
        { do: 'set', settings: change.settings },
        // Else the end of the pause would set it back.
        ...(state.pausedUntil !== null && change.settings.encrypt !== undefined
          ? [
              { do: 'unpause' } as const,
              { do: 'set', settings: { encrypt: change.settings.encrypt } } as const,
            ]
          : []),
      ]);
    case 'pass rule':
      return done([{ do: 'add pass rule', rule: change.rule }]);
    case 'leave':
      return done([
        ...(state.pausedUntil === null ? [] : [{ do: 'unpause' } as const]),
        ...state.submissions.flatMap((submission) => dropped(state, submission)),
        { do: 'remove keys', fingerprints: state.keys.map(({ fingerprint }) => fingerprint) },
        { do: 'close undo' },
        { do: 'set', settings: { encrypt: false } },
      ]);
    case 'pause':
      return change.until <= now || change.until > now + LONGEST_PAUSE_MS
        ? refuse('not allowed')
        : done([{ do: 'pause', until: change.until }]);
  }
}

function recover(question: Question, { change, keyKind }: Extract<FlowEvent, { kind: 'recover' }>): Decided {
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

function stop(question: Question): Decided {
  const { recovery, stops } = question.state;
  if (recovery === null) return refuse('nothing there');
  const end: Effect = { do: 'end recovery', recoveryId: recovery.id };
  if (isProven(question)) return done([end, { do: 'forget stops' }], 'stopped');
  if (recovery.state === 'administrator') return done([], 'administrator');
  // The owner without the key and whoever else reads the mailbox would stop each other for ever.
  return stops === 0
    ? done([end, { do: 'count stop' }], 'stopped')
    : done(toAdministrator(recovery), 'administrator');
}

function toAdministrator({ id }: StateRecovery): readonly Effect[] {
  return [
    { do: 'hand to administrator', recoveryId: id },
    { do: 'letter', kind: 'administrator', seal: 'clear' },
  ];
}

/** An administrator looked into it: the change comes now, or not at all. A new key's letter has to be read all the same. */
function settle(question: Question, allowed: boolean): Decided {
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
  if (submission === undefined || submission.expiresAt <= question.now) return done(end, 'stopped');
  if (submission.read) return done([...activated(question, submission), ...end], 'active');
  return done([{ do: 'allow submission', submissionId: submission.id }, ...end], 'waiting');
}

function undo({ state, now }: Question): Decided {
  if (state.undoUntil === null) return refuse('nothing there');
  if (state.undoUntil <= now) return refuse('too late');
  return done([
    // What was added by the first key's proof goes with it; an administrator's word stays.
    ...state.submissions.flatMap((submission) => dropped(state, submission)),
    {
      do: 'remove keys',
      fingerprints: state.keys
        .filter(({ source }) => source === 'portal')
        .map(({ fingerprint }) => fingerprint),
    },
    { do: 'close undo' },
  ]);
}

function passedTime(question: Question): readonly Effect[] {
  const { state, now } = question;
  const { recovery } = state;
  const expired = state.submissions.filter(({ expiresAt }) => expiresAt <= now);
  const goesOn =
    recovery?.state === 'waiting' && expired.every(({ recoveryId }) => recoveryId !== recovery.id);
  return [
    ...(state.undoUntil !== null && state.undoUntil <= now ? [{ do: 'close undo' } as const] : []),
    ...(state.pausedUntil !== null && state.pausedUntil <= now ? [{ do: 'unpause' } as const] : []),
    ...expired.flatMap((submission) => dropped(state, submission)),
    ...(goesOn ? waited(question, recovery) : []),
  ];
}

function waited(question: Question, recovery: StateRecovery): readonly Effect[] {
  const { state, now } = question;
  const { id, change, letters, failed } = recovery;
  // The owner could not be told: somebody has to be asked.
  if (failed > 0) return toAdministrator(recovery);
  const due = lettersBy(recovery, now);
  if (due > letters) {
    // One that comes late moves the end: nobody is overtaken because `serve` did not run.
    const rest = (recovery.dueAt - recovery.startedAt) * (1 - LETTERS_AT[2]);
    const dueAt = due === LETTERS_AT.length ? Math.max(recovery.dueAt, now + rest) : recovery.dueAt;
    return [
      { do: 'count letters', recoveryId: id, letters: due, dueAt },
      { do: 'letter', kind: 'recovery', seal: 'clear' },
    ];
  }
  if (!isOver(recovery, now)) return [];
  const end: Effect = { do: 'end recovery', recoveryId: id };
  if (change.kind !== 'key') {
    const applied = apply(question, change);
    return applied.ok ? [...applied.effects, end, { do: 'forget stops' }] : [end];
  }
  const submission = state.submissions.find(({ recoveryId }) => recoveryId === id);
  if (submission === undefined) return [end];
  return submission.read && submission.expiresAt > now
    ? [...activated(question, submission), end, { do: 'forget stops' }]
    : [];
}

function givenUp({ recovery, submissions }: EnrolmentState): readonly Effect[] {
  if (recovery === null) return [];
  return [
    ...submissions
      .filter(({ recoveryId }) => recoveryId === recovery.id)
      .map(({ id }) => ({ do: 'drop submission', submissionId: id }) as const),
    { do: 'end recovery', recoveryId: recovery.id },
  ];
}

function lettersBy({ startedAt, dueAt }: StateRecovery, now: number): number {
  const wait = dueAt - startedAt;
  return LETTERS_AT.filter((part) => now >= startedAt + part * wait).length;
}

/** Whether the wait has ended, and all its letters were handed over. */
function isOver({ state, dueAt, letters, unsent, failed }: StateRecovery, now: number): boolean {
  return state === 'waiting' && now >= dueAt && letters >= LETTERS_AT.length && unsent === 0 && failed === 0;
}
