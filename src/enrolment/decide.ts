// The flow as a state machine: what is known of a user, what happens, by which proof, and when, in; the rows to change and the
// letters to send, or a refusal with its reason, out. Pure, one test table.
import { isBeyond } from './better-proof.ts';
import { apply, needsKey } from './decide-change.ts';
import { dropped, read, submit, withSubmission } from './decide-key.ts';
import { givenUp, recover, settle, stop, waited } from './decide-recovery.ts';
import { isExpired } from './expired.ts';
import { done, isProven, knows, type Question, refuse } from './question.ts';
import type { Decided, Effect, EnrolmentState, FlowEvent, FlowSettings } from './state.ts';
import type { Proof } from './types.ts';

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
      return withSubmission(question, event.submissionId, (submission) =>
        // It ends the link of the letter before: whoever could ask for it again and again would keep the owner from pressing.
        isBeyond(question, submission)
          ? refuse('needs key')
          : done([{ do: 'letter', kind: 'confirm', seal: 'submission', submissionId: submission.id }]),
      );
    case 'withdraw':
      return withSubmission(question, event.submissionId, (submission) => {
        // Else whoever reads the mailbox could stop a recovery for ever.
        if (submission.recoveryId !== null) return stop(question);
        return isBeyond(question, submission) ? refuse('needs key') : done(dropped(state, submission));
      });
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
  const expired = state.submissions.filter((submission) => isExpired(question, submission));
  return [
    ...(state.undoUntil !== null && state.undoUntil <= now ? [{ do: 'close undo' } as const] : []),
    ...(state.pausedUntil !== null && state.pausedUntil <= now ? [{ do: 'unpause' } as const] : []),
    ...expired.flatMap((submission) => dropped(state, submission)),
    ...(recovery?.state === 'waiting' ? waited(question, recovery) : []),
  ];
}
