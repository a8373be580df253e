// The doors' way into the flow: each function loads the user's state under the row's lock, lets `decide` decide, and does what
// it says in the same transaction. Letters are rows of the outbox, which `serve` sends.
//
// All of them throw only what the database throws (isDatabaseUnavailable: a temporary failure; nothing was done then).
import { findUser, primaryAddress } from '../directory/find.ts';
import { holdKeys } from '../keys/rows.ts';
import { viewRecovery } from './home.ts';
import { countedAsker, LIMITS, takeTurn } from './limits.ts';
import { recoveryOf } from './rows.ts';
import type { DecidedResult, FlowEvent } from './state.ts';
import { findToken, type TokenAction, useToken } from './tokens.ts';
import { transact } from './transact.ts';
import {
  type Asker,
  type Change,
  type FlowContext,
  type FlowRefusal,
  type Intent,
  MAIL_DOORS,
  type Outcome,
  type RecoveryView,
} from './types.ts';
import { type Understood, type UnderstoodKey, understand } from './understand.ts';

/** Reads an upload (armored or binary, at most 256 KiB) for one user. Changes nothing. */
export async function understandKey(
  context: FlowContext,
  userId: number,
  upload: Uint8Array,
): Promise<Outcome<{ readonly key: Understood }>> {
  return understood(context, userId, upload);
}

async function understood(
  context: FlowContext,
  userId: number,
  upload: Uint8Array,
): Promise<Outcome<{ readonly key: UnderstoodKey }>> {
  const { orm } = context.database;
  if ((await findUser(orm, userId)) === null) return { ok: false, because: 'no user' };
  const address = await primaryAddress(orm, userId);
  return understand(orm, { userId, address }, upload, context.config(), context.now());
}

/** What a key's letter needs: somewhere that its link leads to. And to read keys costs time. */
async function mayHandOver(context: FlowContext, asker: Asker): Promise<FlowRefusal | null> {
  if (context.config().portal.url === '') return { ok: false, because: 'no portal' };
  const counted = countedAsker(asker);
  const retryAt = counted === null ? null : await takeTurn(context, LIMITS.submitUser, counted);
  return retryAt === null ? null : { ok: false, because: 'limited', retryAt };
}

/**
 * Hands a key over. Nothing of it is used until the letter that is sealed to it was read ({@link confirmKey}); a newer one of
 * the same fingerprint takes the place of the older. A revocation certificate is obeyed at once.
 * @param intent ignored for the first key, and where the user has the fingerprint already
 * @returns `submitted`, or `revoked` where it was a revocation; refused with `needs key` where the proof is too weak:
 * {@link startRecovery} is the other way then
 */
export async function submitKey(
  context: FlowContext,
  asker: Asker,
  upload: Uint8Array,
  intent: Exclude<Intent, 'renew'>,
): Promise<Outcome<{ readonly result: 'submitted' | 'revoked'; readonly fingerprint: string }>> {
  const hindered = await mayHandOver(context, asker);
  if (hindered !== null) return hindered;
  const read = await understood(context, asker.userId, upload);
  if (!read.ok) return read;
  const { key } = read;
  const { fingerprint, kind: keyKind, relation, revokes } = key;
  const event: FlowEvent = revokes
    ? { kind: 'revoke', fingerprint }
    : {
        kind: 'submit',
        fingerprint,
        keyKind,
        intent,
        relation,
        byMail: MAIL_DOORS.some((door) => door === asker.name),
      };
  const outcome = await transact(context, {
    asker,
    key,
    event: () => event,
    lockFirst: async (tx) => void (await holdKeys(tx, fingerprint)),
  });
  if (!outcome.ok) return outcome;
  return { ok: true, result: revokes ? 'revoked' : 'submitted', fingerprint };
}

/** Sends the letter of a submission once more, with a new token: the older link is dead. */
export async function resendLetter(
  context: FlowContext,
  asker: Asker,
  submissionId: number,
): Promise<Outcome> {
  return asDone(await transact(context, { asker, event: () => ({ kind: 'resend', submissionId }) }));
}

/** Takes a submission back; with it the recovery that waits for it. */
export async function withdrawKey(
  context: FlowContext,
  asker: Asker,
  submissionId: number,
): Promise<Outcome> {
  return asDone(await transact(context, { asker, event: () => ({ kind: 'withdraw', submissionId }) }));
}

function asDone(outcome: Outcome<{ readonly result: DecidedResult }>): Outcome {
  return outcome.ok ? { ok: true } : outcome;
}

/** Who follows a link, for the limits and the letters. */
export interface Visit {
  /** An IP address. */
  readonly client: string;
}

/** A token that was followed, before anything is done: whose it is, and which key it is about. */
interface Followed {
  readonly userId: number;
  readonly fingerprint: string;
}

/** Runs the event of a token: it is used up in the transaction that acts, and in no other. */
async function byToken(
  context: FlowContext,
  token: string,
  action: TokenAction,
  { client }: Visit,
  eventOf: (
    token: Readonly<{ submission_id: number | null; recovery_id: number | null }>,
  ) => FlowEvent | FlowRefusal,
): Promise<Outcome<Followed & { readonly result: DecidedResult }>> {
  const retryAt = await takeTurn(context, LIMITS.tokenClient, client);
  if (retryAt !== null) return { ok: false, because: 'limited', retryAt };
  const found = await findToken(context.database.orm, token, context.now());
  if ('ok' in found) return found;
  const { user_id: userId, fingerprint } = found;
  const outcome = await transact(context, {
    asker: { userId, proof: { level: 'mailbox' }, name: 'portal', language: null },
    lockFirst: async (tx) => void (fingerprint === '' ? null : await holdKeys(tx, fingerprint)),
    event: async (tx) => {
      const used = await useToken(tx, token, action, context.now());
      return 'ok' in used ? used : eventOf(used);
    },
  });
  return outcome.ok ? { ok: true, userId, fingerprint, result: outcome.result } : outcome;
}

/**
 * The link in a new key's letter was followed and its button pressed. The token is used up in the transaction that acts. Who
 * presses needs no session: the token stands in the sealed letter only.
 * @returns `active`: mail is sealed to it from now on; `waiting`: a recovery runs until `dueAt`
 */
export async function confirmKey(
  context: FlowContext,
  token: string,
  visit: Visit,
): Promise<
  Outcome<
    | { readonly result: 'active'; readonly fingerprint: string; readonly userId: number }
    | {
        readonly result: 'waiting';
        readonly fingerprint: string;
        readonly userId: number;
        readonly dueAt: number;
      }
  >
> {
  const outcome = await byToken(context, token, 'confirm', visit, ({ submission_id: submissionId }) =>
    submissionId === null ? { ok: false, because: 'nothing there' } : { kind: 'read', submissionId },
  );
  if (!outcome.ok) return outcome;
  const { userId, fingerprint, result } = outcome;
  if (result === 'active') return { ok: true, result, fingerprint, userId };
  const recovery = await recoveryOf(context.database.orm, userId);
  const dueAt = recovery?.due_at.getTime() ?? context.now();
  return { ok: true, result: 'waiting', fingerprint, userId, dueAt };
}

/**
 * Asks for a change that is no new key: done at once, or refused with `needs key`. For a new key use {@link submitKey}.
 * Settings that become stronger need the mailbox only; a change that weakens anything needs the key as a whole.
 */
export async function requestChange(
  context: FlowContext,
  asker: Asker,
  change: Exclude<Change, { kind: 'key' }>,
): Promise<Outcome> {
  return asDone(await transact(context, { asker, event: () => ({ kind: 'change', change }) }));
}

/** Ends a pause before its time; sealing again needs the mailbox only. */
export async function endPause(context: FlowContext, asker: Asker): Promise<Outcome> {
  return asDone(await transact(context, { asker, event: () => ({ kind: 'end pause' }) }));
}

/**
 * The key is lost: the change comes after `portal.recovery`, with letters in the clear on the way. One recovery at a time.
 * @param wanted a change, or a new key whose own letter has to be read as well, before the wait ends or after it
 */
export async function startRecovery(
  context: FlowContext,
  asker: Asker,
  wanted:
    | { readonly change: Exclude<Change, { kind: 'key' }> }
    | { readonly upload: Uint8Array; readonly intent: Exclude<Intent, 'renew'> },
): Promise<Outcome<{ readonly recovery: RecoveryView }>> {
  const hindered = await mayHandOver(context, asker);
  if (hindered !== null) return hindered;
  let outcome: Outcome;
  if ('change' in wanted) {
    outcome = await transact(context, { asker, event: () => ({ kind: 'recover', change: wanted.change }) });
  } else {
    const read = await understood(context, asker.userId, wanted.upload);
    if (!read.ok) return read;
    const { key } = read;
    const { fingerprint, kind: keyKind, relation } = key;
    if (relation === 'known') return { ok: false, because: 'key known' };
    const intent = relation === 'renew' ? 'renew' : wanted.intent;
    const change: Change = { kind: 'key', fingerprint, intent };
    outcome = await transact(context, { asker, key, event: () => ({ kind: 'recover', change, keyKind }) });
  }
  if (!outcome.ok) return outcome;
  const row = await recoveryOf(context.database.orm, asker.userId);
  return row === null ? { ok: false, because: 'nothing there' } : { ok: true, recovery: viewRecovery(row) };
}

export type Stopped = Outcome<{ readonly result: 'stopped' | 'administrator' }>;

/**
 * Stops the recovery that runs. At key level always; at mailbox level once, and the second time it goes to the administrator
 * (`administrator`): the recovery neither goes on nor ends without them.
 */
export async function stopRecovery(context: FlowContext, asker: Asker): Promise<Stopped> {
  return asStopped(await transact(context, { asker, event: () => ({ kind: 'stop' }) }));
}

function asStopped(outcome: Outcome<{ readonly result: DecidedResult }>): Stopped {
  if (!outcome.ok) return outcome;
  return { ok: true, result: outcome.result === 'administrator' ? 'administrator' : 'stopped' };
}

/** The `stop` link of a recovery's letter: {@link stopRecovery} at mailbox level, without a session. */
export async function stopByLink(context: FlowContext, token: string, visit: Visit): Promise<Stopped> {
  // A link of an earlier recovery stops no later one.
  return asStopped(
    await byToken(context, token, 'stop', visit, ({ recovery_id: recoveryId }) =>
      recoveryId === null ? { ok: false, because: 'nothing there' } : { kind: 'stop' },
    ),
  );
}

/**
 * The administrator's word on a recovery: its change comes now, or not at all.
 * @returns `done` or `active`: it came; `waiting`: as soon as the new key's letter is read; `stopped`: it does not come
 */
export async function settleRecovery(
  context: FlowContext,
  asker: Asker,
  allowed: boolean,
): Promise<Outcome<{ readonly result: DecidedResult }>> {
  return transact(context, { asker, event: () => ({ kind: 'settle', allowed }) });
}

/** Takes the first key back, with all keys that came by the portal after it. At mailbox level within seven days. */
export async function undoFirstKey(context: FlowContext, asker: Asker): Promise<Outcome> {
  return asDone(await transact(context, { asker, event: () => ({ kind: 'undo' }) }));
}

/** The `undo` link of the letter on the first key, without a session. */
export async function undoByLink(context: FlowContext, token: string, visit: Visit): Promise<Outcome> {
  return asDone(await byToken(context, token, 'undo', visit, () => ({ kind: 'undo' })));
}

/** "Send me a test letter": sealed to the current keys. @returns refused with `key unknown` where there is none */
export async function sendTestLetter(context: FlowContext, asker: Asker): Promise<Outcome> {
  return asDone(await transact(context, { asker, event: () => ({ kind: 'test letter' }) }));
}

/** Whether the proof is enough for a device: one that reads (`pull`) needs the key. Changes nothing. */
export async function mayAddDevice(
  context: FlowContext,
  asker: Asker,
  device: { readonly reads: boolean },
): Promise<Outcome> {
  return asDone(await transact(context, { asker, event: () => ({ kind: 'device', reads: device.reads }) }));
}
