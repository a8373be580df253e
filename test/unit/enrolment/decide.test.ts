// The flow's table: who may do what, with which proof, and what comes of it.
import { describe, expect, it } from 'vitest';
import { configSchema } from '../../../src/config/schema.ts';
import type { Settings } from '../../../src/config/settings.ts';
import { decide } from '../../../src/enrolment/decide.ts';
import type {
  EnrolmentState,
  FlowEvent,
  StateKey,
  StateRecovery,
  StateSubmission,
} from '../../../src/enrolment/state.ts';
import type { Change, Proof } from '../../../src/enrolment/types.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 30);
const FLOW = { recoveryMs: 7 * DAY, tokenLifetimeMs: DAY };
const SETTINGS: Settings = configSchema.parse({}).encryption;

const K1 = 'A'.repeat(40);
const K2 = 'B'.repeat(40);
const K3 = 'C'.repeat(40);

const mailbox: Proof = { level: 'mailbox' };
const key: Proof = { level: 'key', fingerprints: [K1] };
const stale: Proof = { level: 'key', fingerprints: [K3] };
const nothing: Proof = { level: 'key', fingerprints: [] };
const administrator: Proof = { level: 'administrator' };

function aKey(fingerprint: string, more: Partial<StateKey> = {}): StateKey {
  return { fingerprint, kind: 'openpgp', source: 'portal', current: true, revoked: false, ...more };
}

function aSubmission(more: Partial<StateSubmission> = {}): StateSubmission {
  return {
    id: 1,
    fingerprint: K2,
    intent: 'add',
    proof: mailbox,
    read: false,
    byMail: false,
    letterSent: true,
    recoveryId: null,
    expiresAt: NOW + DAY,
    ...more,
  };
}

const replaceByK2: Change = { kind: 'key', fingerprint: K2, intent: 'replace' };

function aRecovery(more: Partial<StateRecovery> = {}): StateRecovery {
  return {
    id: 9,
    change: replaceByK2,
    state: 'waiting',
    startedAt: NOW - DAY,
    dueAt: NOW + 6 * DAY,
    letters: 1,
    unsent: 0,
    failed: 0,
    ...more,
  };
}

function state(more: Partial<EnrolmentState> = {}): EnrolmentState {
  return {
    keys: [],
    submissions: [],
    recovery: null,
    undoUntil: null,
    stops: 0,
    pausedUntil: null,
    settings: SETTINGS,
    inherited: SETTINGS,
    ...more,
  };
}

const keyed = state({ keys: [aKey(K1)] });
const submit: FlowEvent = {
  kind: 'submit',
  fingerprint: K2,
  keyKind: 'openpgp',
  intent: 'replace',
  relation: 'new',
};
const weaken = { kind: 'change', change: { kind: 'settings', settings: { encrypt: false } } } as const;
const read: FlowEvent = { kind: 'read', submissionId: 1 };
const change = (wanted: Exclude<Change, { kind: 'key' }>): FlowEvent => ({ kind: 'change', change: wanted });

/** What is done, as words: `activate add`, `letter confirm to submission`. */
function outcome(before: EnrolmentState, event: FlowEvent, proof: Proof, now = NOW): string {
  const decided = decide(before, event, proof, now, FLOW);
  if (!decided.ok) return `refused: ${decided.because}`;
  const words = decided.effects.map((effect) => {
    switch (effect.do) {
      case 'letter':
        return `letter ${effect.kind} ${effect.seal}`;
      case 'activate':
        return `activate ${effect.intent}`;
      case 'keep submission':
        return `keep ${effect.intent}${effect.byRecovery ? ' by recovery' : ''}`;
      case 'remove keys':
        return `remove ${effect.fingerprints.map((each) => each.slice(0, 1)).join('')}`;
      case 'set':
        return `set ${Object.keys(effect.settings).join(',')}`;
      default:
        return effect.do;
    }
  });
  return [...words, `= ${decided.result}`].join('; ');
}

const FIRST = 'activate add; drop submission; open undo; letter first key clear; = active';
const HANDED = 'letter confirm submission; = submitted';

const TABLE: readonly (readonly [string, EnrolmentState, FlowEvent, Proof, string])[] = [
  // The first key.
  ['a first key, by the mailbox', state(), submit, mailbox, `keep add; ${HANDED}`],
  ['its letter read', state({ submissions: [aSubmission()] }), read, mailbox, FIRST],
  [
    'its letter read after leaving, which had switched sealing off: as the button says, it is on again',
    state({ submissions: [aSubmission()], settings: { ...SETTINGS, encrypt: false } }),
    read,
    mailbox,
    FIRST.replace('open undo', 'set encrypt; open undo'),
  ],
  [
    'a replacement read in a pause: as the button says, the pause ends',
    { ...keyed, pausedUntil: NOW + DAY, submissions: [aSubmission({ intent: 'replace', proof: key })] },
    read,
    mailbox,
    'activate replace; drop submission; unpause; forget stops; = active',
  ],
  [
    'a first key that an administrator handed over: nothing to take back',
    state({ submissions: [aSubmission({ proof: administrator })] }),
    read,
    mailbox,
    'activate add; drop submission; = active',
  ],
  [
    'taken back within seven days, by the mailbox',
    state({ keys: [aKey(K1)], undoUntil: NOW + 1 }),
    { kind: 'undo' },
    mailbox,
    'remove A; close undo; = done',
  ],
  [
    'taken back with the key that replaced it, and not with what an administrator imported',
    state({
      keys: [aKey(K2), aKey(K3, { source: 'cli' })],
      submissions: [aSubmission({ fingerprint: K1 })],
      undoUntil: NOW + 1,
    }),
    { kind: 'undo' },
    mailbox,
    'drop submission; remove B; close undo; = done',
  ],
  ['after seven days', { ...keyed, undoUntil: NOW }, { kind: 'undo' }, mailbox, 'refused: too late'],
  ['where there is nothing to take back', keyed, { kind: 'undo' }, key, 'refused: nothing there'],
  // A further key, a replacement.
  ['a further key, by the mailbox', keyed, { ...submit, intent: 'add' }, mailbox, 'refused: needs key'],
  ['a replacement, by the mailbox', keyed, submit, mailbox, 'refused: needs key'],
  ['a further key, by the key', keyed, { ...submit, intent: 'add' }, key, `keep add; ${HANDED}`],
  ['a replacement, by the key', keyed, submit, key, `keep replace; ${HANDED}`],
  ['by a key that is none of the current ones', keyed, submit, stale, 'refused: needs key'],
  ['by a letter that was sealed to nothing', keyed, submit, nothing, 'refused: needs key'],
  [
    'by a letter that a key could open which is gone',
    keyed,
    submit,
    { level: 'key', fingerprints: [K1, K3] },
    'refused: needs key',
  ],
  [
    'where an administrator disabled the only key',
    state({ keys: [aKey(K1, { current: false })] }),
    submit,
    mailbox,
    'refused: needs key',
  ],
  [
    'by a key that an administrator disabled',
    state({ keys: [aKey(K1, { current: false })] }),
    submit,
    key,
    'refused: needs key',
  ],
  [
    'behind a revoked key: the mail waits for a first one',
    state({ keys: [aKey(K1, { current: false, revoked: true })] }),
    submit,
    mailbox,
    `keep add; ${HANDED}`,
  ],
  ['a replacement, by an administrator', keyed, submit, administrator, `keep replace; ${HANDED}`],
  [
    'its letter read',
    { ...keyed, submissions: [aSubmission({ intent: 'replace', proof: key })] },
    read,
    mailbox,
    'activate replace; drop submission; forget stops; = active',
  ],
  [
    'its letter read after the key that proved it has gone',
    state({ keys: [aKey(K3)], submissions: [aSubmission({ proof: key })] }),
    read,
    mailbox,
    'refused: needs key',
  ],
  [
    'of two first keys the second one that is read',
    { ...keyed, submissions: [aSubmission()] },
    read,
    mailbox,
    'refused: needs key',
  ],
  ['a key that is there already', keyed, { ...submit, relation: 'known' }, key, 'refused: key known'],
  [
    'a copy with a new subkey, by the mailbox',
    keyed,
    { ...submit, relation: 'renew' },
    mailbox,
    'refused: needs key',
  ],
  [
    'a copy with a new subkey, by the key',
    keyed,
    { ...submit, relation: 'renew' },
    key,
    `keep renew; ${HANDED}`,
  ],
  [
    'handed over twice: the newer one counts',
    state({ submissions: [aSubmission()] }),
    submit,
    mailbox,
    `drop submission; keep add; ${HANDED}`,
  ],
  [
    'a sixth key that waits',
    state({ submissions: [1, 2, 3, 4, 5].map((id) => aSubmission({ id, fingerprint: `${id}` })) }),
    submit,
    mailbox,
    'refused: limited',
  ],
  [
    'read too late',
    state({ submissions: [aSubmission({ expiresAt: NOW })] }),
    read,
    mailbox,
    'refused: token expired',
  ],
  ['read after it was withdrawn', state(), read, mailbox, 'refused: nothing there'],
  [
    'its letter once more',
    state({ submissions: [aSubmission()] }),
    { kind: 'resend', submissionId: 1 },
    mailbox,
    'letter confirm submission; = done',
  ],
  [
    'withdrawn',
    { ...keyed, submissions: [aSubmission()] },
    { kind: 'withdraw', submissionId: 1 },
    mailbox,
    'drop submission; = done',
  ],
  [
    'handed over by the key, its letter once more for the mailbox: it would end the link of the first',
    { ...keyed, submissions: [aSubmission({ proof: key })] },
    { kind: 'resend', submissionId: 1 },
    mailbox,
    'refused: needs key',
  ],
  [
    'handed over by the key, withdrawn by the mailbox',
    { ...keyed, submissions: [aSubmission({ proof: key })] },
    { kind: 'withdraw', submissionId: 1 },
    mailbox,
    'refused: needs key',
  ],
  [
    'handed over by a key that has gone, withdrawn by the mailbox',
    { ...keyed, submissions: [aSubmission({ proof: stale })] },
    { kind: 'withdraw', submissionId: 1 },
    mailbox,
    'drop submission; = done',
  ],
  [
    'allowed by an administrator, withdrawn by the mailbox',
    { ...keyed, submissions: [aSubmission({ proof: administrator })] },
    { kind: 'withdraw', submissionId: 1 },
    mailbox,
    'refused: needs key',
  ],
  [
    'allowed by an administrator, withdrawn by the key',
    { ...keyed, submissions: [aSubmission({ proof: administrator })] },
    { kind: 'withdraw', submissionId: 1 },
    key,
    'drop submission; = done',
  ],
  [
    'a first key that an administrator handed over, once more by the mailbox: the better proof stays',
    state({ submissions: [aSubmission({ proof: administrator })] }),
    submit,
    mailbox,
    HANDED,
  ],
  [
    'the same when it has expired',
    state({ submissions: [aSubmission({ proof: administrator, expiresAt: NOW })] }),
    submit,
    mailbox,
    `drop submission; keep add; ${HANDED}`,
  ],
  [
    'withdrawn while a recovery waits for it: that counts as a stop',
    { ...keyed, submissions: [aSubmission({ recoveryId: 9 })], recovery: aRecovery() },
    { kind: 'withdraw', submissionId: 1 },
    mailbox,
    'end recovery; count stop; = stopped',
  ],
  [
    'withdrawn while a recovery waits for it, for the second time',
    { ...keyed, submissions: [aSubmission({ recoveryId: 9 })], recovery: aRecovery(), stops: 1 },
    { kind: 'withdraw', submissionId: 1 },
    mailbox,
    'hand to administrator; letter administrator clear; = administrator',
  ],
  // What takes protection away.
  [
    'removing a key, by the mailbox',
    keyed,
    change({ kind: 'remove key', fingerprint: K1 }),
    mailbox,
    'refused: needs key',
  ],
  [
    'removing a key, by the key',
    keyed,
    change({ kind: 'remove key', fingerprint: K1 }),
    key,
    'remove A; = done',
  ],
  [
    'removing an unknown key',
    keyed,
    change({ kind: 'remove key', fingerprint: K3 }),
    key,
    'refused: key unknown',
  ],
  ['encrypt=off, by the mailbox', keyed, weaken, mailbox, 'refused: needs key'],
  [
    'stronger and weaker at once, by the mailbox',
    keyed,
    change({ kind: 'settings', settings: { subject: 'hide', encrypt: false } }),
    mailbox,
    'refused: needs key',
  ],
  ['encrypt=off without any key: by waiting only', state(), weaken, mailbox, 'refused: needs key'],
  ['encrypt=off, by the key', keyed, weaken, key, 'set encrypt; = done'],
  [
    'on_missing_key=pass after reject, by the mailbox',
    { ...keyed, settings: { ...SETTINGS, on_missing_key: 'reject' } },
    change({ kind: 'settings', settings: { on_missing_key: 'pass' } }),
    mailbox,
    'refused: needs key',
  ],
  [
    'back to a weaker setting of the domain, by the mailbox',
    { ...keyed, settings: { ...SETTINGS, subject: 'hide' } },
    change({ kind: 'settings', settings: { subject: null } }),
    mailbox,
    'refused: needs key',
  ],
  [
    'one stronger and one weaker setting, by the mailbox',
    keyed,
    change({ kind: 'settings', settings: { subject: 'hide', encrypt: false } }),
    mailbox,
    'refused: needs key',
  ],
  [
    'subject=hide, by the mailbox',
    keyed,
    change({ kind: 'settings', settings: { subject: 'hide' } }),
    mailbox,
    'set subject; = done',
  ],
  [
    'encrypt=on in a pause: the pause ends and does not set it back',
    { ...keyed, pausedUntil: NOW + DAY, settings: { ...SETTINGS, encrypt: false } },
    change({ kind: 'settings', settings: { encrypt: true } }),
    mailbox,
    'set encrypt; unpause; set encrypt; = done',
  ],
  [
    'a pass rule, by the mailbox',
    keyed,
    change({ kind: 'pass rule', rule: { sender: '*', header: null, largerThan: null } }),
    mailbox,
    'refused: needs key',
  ],
  [
    'a pass rule, by the key',
    keyed,
    change({ kind: 'pass rule', rule: { sender: '*', header: null, largerThan: null } }),
    key,
    'add pass rule; = done',
  ],
  ['leaving, by the mailbox', keyed, change({ kind: 'leave' }), mailbox, 'refused: needs key'],
  [
    'leaving, by the key',
    keyed,
    change({ kind: 'leave' }),
    key,
    'remove A; close undo; unpublish; set encrypt; = done',
  ],
  [
    'a pause, by the mailbox',
    keyed,
    change({ kind: 'pause', until: NOW + DAY }),
    mailbox,
    'refused: needs key',
  ],
  ['a pause, by the key', keyed, change({ kind: 'pause', until: NOW + DAY }), key, 'pause; = done'],
  [
    'a pause of more than a day',
    keyed,
    change({ kind: 'pause', until: NOW + DAY + 1 }),
    key,
    'refused: not allowed',
  ],
  [
    'the end of a pause, by the mailbox',
    { ...keyed, pausedUntil: NOW + 1 },
    { kind: 'end pause' },
    mailbox,
    'unpause; = done',
  ],
  ['the end of no pause', keyed, { kind: 'end pause' }, key, 'refused: nothing there'],
  // Devices, revocations, tests.
  [
    'a device that reads, by the mailbox',
    keyed,
    { kind: 'device', reads: true },
    mailbox,
    'refused: needs key',
  ],
  ['a device that reads, by the key', keyed, { kind: 'device', reads: true }, key, '= done'],
  ['a device that does not read, by the mailbox', keyed, { kind: 'device', reads: false }, mailbox, '= done'],
  [
    'a revocation: at once, whoever brings it',
    keyed,
    { kind: 'revoke', fingerprint: K1 },
    mailbox,
    'take revocation; = done',
  ],
  ['a revocation of somebody else', keyed, { kind: 'revoke', fingerprint: K3 }, key, 'refused: key unknown'],
  ['a test letter', keyed, { kind: 'test letter' }, mailbox, 'letter test current; = done'],
  ['a test letter without a key', state(), { kind: 'test letter' }, mailbox, 'refused: key unknown'],
  // Recovery.
  [
    'a replacement without the key',
    keyed,
    { kind: 'recover', change: replaceByK2, keyKind: 'openpgp' },
    mailbox,
    'start recovery; letter recovery clear; keep replace by recovery; letter confirm submission; = waiting',
  ],
  [
    'encrypt=off without the key',
    keyed,
    { kind: 'recover', change: weaken.change },
    mailbox,
    'start recovery; letter recovery clear; = waiting',
  ],
  [
    'a recovery for what was handed over by the key: nobody is made to wait for it',
    { ...keyed, submissions: [aSubmission({ proof: key })] },
    { kind: 'recover', change: replaceByK2, keyKind: 'openpgp' },
    mailbox,
    'refused: needs key',
  ],
  [
    'a second recovery',
    { ...keyed, recovery: aRecovery() },
    { kind: 'recover', change: weaken.change },
    mailbox,
    'refused: recovery runs',
  ],
  [
    'a recovery for what the mailbox is enough for',
    state(),
    { kind: 'recover', change: replaceByK2, keyKind: 'openpgp' },
    mailbox,
    'refused: not allowed',
  ],
  [
    'a recovery for a pause',
    keyed,
    { kind: 'recover', change: { kind: 'pause', until: NOW + 1 } },
    mailbox,
    'refused: not allowed',
  ],
  [
    'its new key is read while it waits: the old key stays',
    { ...keyed, submissions: [aSubmission({ recoveryId: 9 })], recovery: aRecovery() },
    read,
    mailbox,
    'mark read; = waiting',
  ],
  [
    'its new key is read after the wait',
    {
      ...keyed,
      submissions: [aSubmission({ recoveryId: 9, intent: 'replace' })],
      recovery: aRecovery({ dueAt: NOW, letters: 3 }),
    },
    read,
    mailbox,
    'activate replace; drop submission; end recovery; = active',
  ],
  [
    'its new key is read, though it was handed to the administrator',
    {
      ...keyed,
      submissions: [aSubmission({ recoveryId: 9 })],
      recovery: aRecovery({ dueAt: NOW, letters: 3, state: 'administrator' }),
    },
    read,
    mailbox,
    'mark read; = waiting',
  ],
  [
    'its new key is read within hours after the wait',
    {
      ...keyed,
      submissions: [aSubmission({ recoveryId: 9, intent: 'replace' })],
      recovery: aRecovery({ startedAt: NOW - 7.2 * DAY, dueAt: NOW - 0.2 * DAY, letters: 3 }),
    },
    read,
    mailbox,
    'activate replace; drop submission; end recovery; = active',
  ],
  [
    'its new key is read long after the moment that was told: the owner is told once more',
    {
      ...keyed,
      submissions: [aSubmission({ recoveryId: 9, intent: 'replace' })],
      recovery: aRecovery({ startedAt: NOW - 7.5 * DAY, dueAt: NOW - 0.5 * DAY, letters: 3 }),
    },
    read,
    mailbox,
    'mark read; count letters; letter recovery clear; = waiting',
  ],
  [
    'its new key is read after an outage longer than the time for its letter',
    {
      ...keyed,
      submissions: [aSubmission({ recoveryId: 9, intent: 'replace', expiresAt: NOW - 4 * DAY })],
      recovery: aRecovery({ startedAt: NOW - 12 * DAY, dueAt: NOW - 5 * DAY, letters: 3 }),
    },
    read,
    mailbox,
    'mark read; count letters; letter recovery clear; = waiting',
  ],
  [
    'its new key is read after such an outage, and the letters were never sent',
    {
      ...keyed,
      submissions: [aSubmission({ recoveryId: 9, intent: 'replace', expiresAt: NOW - 4 * DAY })],
      recovery: aRecovery({ startedAt: NOW - 12 * DAY, dueAt: NOW - 5 * DAY, letters: 1 }),
    },
    read,
    mailbox,
    'mark read; = waiting',
  ],
  [
    'its letter once more after such an outage',
    {
      ...keyed,
      submissions: [aSubmission({ recoveryId: 9, expiresAt: NOW - 4 * DAY })],
      recovery: aRecovery({ startedAt: NOW - 12 * DAY, dueAt: NOW - 5 * DAY, letters: 3 }),
    },
    { kind: 'resend', submissionId: 1 },
    mailbox,
    'letter confirm submission; = done',
  ],
  [
    'stopped after an outage over its end, by the key',
    {
      ...keyed,
      submissions: [aSubmission({ recoveryId: 9, read: true, expiresAt: NOW - 4 * DAY })],
      recovery: aRecovery({ startedAt: NOW - 12 * DAY, dueAt: NOW - 5 * DAY, letters: 3 }),
    },
    { kind: 'stop' },
    key,
    'end recovery; forget stops; = stopped',
  ],
  [
    'stopped after an outage over its end, by the mailbox',
    {
      ...keyed,
      submissions: [aSubmission({ recoveryId: 9, read: true, expiresAt: NOW - 4 * DAY })],
      recovery: aRecovery({ startedAt: NOW - 12 * DAY, dueAt: NOW - 5 * DAY, letters: 3 }),
    },
    { kind: 'withdraw', submissionId: 1 },
    mailbox,
    'end recovery; count stop; = stopped',
  ],
  [
    'stopped, by the key',
    { ...keyed, recovery: aRecovery(), stops: 1 },
    { kind: 'stop' },
    key,
    'end recovery; forget stops; = stopped',
  ],
  [
    'stopped for the first time, by the mailbox',
    { ...keyed, recovery: aRecovery() },
    { kind: 'stop' },
    mailbox,
    'end recovery; count stop; = stopped',
  ],
  [
    'stopped for the second time, by the mailbox',
    { ...keyed, recovery: aRecovery(), stops: 1 },
    { kind: 'stop' },
    mailbox,
    'hand to administrator; letter administrator clear; = administrator',
  ],
  [
    'stopped once more, by the mailbox',
    { ...keyed, recovery: aRecovery({ state: 'administrator' }), stops: 1 },
    { kind: 'stop' },
    mailbox,
    '= administrator',
  ],
  ['stopped where none runs', keyed, { kind: 'stop' }, key, 'refused: nothing there'],
  [
    'settled by somebody else',
    { ...keyed, recovery: aRecovery() },
    { kind: 'settle', allowed: true },
    key,
    'refused: not allowed',
  ],
  [
    'refused by the administrator',
    { ...keyed, recovery: aRecovery() },
    { kind: 'settle', allowed: false },
    administrator,
    'end recovery; forget stops; = stopped',
  ],
  [
    'allowed by the administrator before the new key was read',
    { ...keyed, submissions: [aSubmission({ recoveryId: 9 })], recovery: aRecovery() },
    { kind: 'settle', allowed: true },
    administrator,
    'allow submission; end recovery; forget stops; = waiting',
  ],
  [
    'allowed by the administrator after the new key was read',
    {
      ...keyed,
      submissions: [aSubmission({ recoveryId: 9, read: true, intent: 'replace' })],
      recovery: aRecovery(),
    },
    { kind: 'settle', allowed: true },
    administrator,
    'activate replace; drop submission; end recovery; forget stops; = active',
  ],
  [
    'allowed by the administrator long after the new key was read',
    {
      ...keyed,
      submissions: [aSubmission({ recoveryId: 9, read: true, intent: 'replace', expiresAt: NOW - 30 * DAY })],
      recovery: aRecovery({ state: 'administrator' }),
    },
    { kind: 'settle', allowed: true },
    administrator,
    'activate replace; drop submission; end recovery; forget stops; = active',
  ],
  [
    'allowed by the administrator when the time for an unread letter is over',
    {
      ...keyed,
      submissions: [aSubmission({ recoveryId: 9, expiresAt: NOW - 1 })],
      recovery: aRecovery({ state: 'administrator' }),
    },
    { kind: 'settle', allowed: true },
    administrator,
    'end recovery; forget stops; = stopped',
  ],
];

/** With its submission read or not, at a moment of its wait. */
function waiting(
  recovery: Partial<StateRecovery>,
  submission: Partial<StateSubmission> = {},
): EnrolmentState {
  const one = aSubmission({ recoveryId: 9, intent: 'replace', expiresAt: NOW + 20 * DAY, ...submission });
  return {
    ...keyed,
    submissions: [one],
    recovery: aRecovery({ startedAt: NOW, dueAt: NOW + 7 * DAY, ...recovery }),
  };
}

const AGAIN = 'count letters; letter recovery clear; = done';
const COMES = 'activate replace; drop submission; end recovery; forget stops; = done';
const TIMES: readonly (readonly [string, EnrolmentState, number, string])[] = [
  ['on day 2 of a recovery', waiting({}), 2 * DAY, '= done'],
  ['on day 3', waiting({}), 3 * DAY, 'count letters; letter recovery clear; = done'],
  ['on day 3, once more', waiting({ letters: 2 }), 3 * DAY, '= done'],
  ['on day 6', waiting({ letters: 2 }), 6 * DAY, 'count letters; letter recovery clear; = done'],
  ['a moment before the end', waiting({ letters: 3 }, { read: true }), 7 * DAY - 1, '= done'],
  ['at the end, the new key read', waiting({ letters: 3 }, { read: true }), 7 * DAY, COMES],
  ['at the end, the new key unread', waiting({ letters: 3 }), 7 * DAY, '= done'],
  [
    'at the end, a letter not sent yet',
    waiting({ letters: 3, unsent: 1 }, { read: true }),
    7 * DAY,
    '= done',
  ],
  [
    'at the end, a letter that could not be sent',
    waiting({ letters: 3, failed: 1 }, { read: true }),
    7 * DAY,
    'hand to administrator; letter administrator clear; = done',
  ],
  [
    'at the end, after serve did not run: the last letter comes first',
    waiting({}, { read: true }),
    8 * DAY,
    'count letters; letter recovery clear; = done',
  ],
  ['five hours after the end, the new key read', waiting({ letters: 3 }, { read: true }), 7.2 * DAY, COMES],
  [
    'seven hours after the end, the new key read: told once more',
    waiting({ letters: 3 }, { read: true }),
    7.3 * DAY,
    AGAIN,
  ],
  [
    'after an outage longer than the time for its letter, the new key read',
    waiting({ letters: 3 }, { read: true, expiresAt: NOW + 8 * DAY }),
    11 * DAY,
    AGAIN,
  ],
  [
    'after an outage of a quarter of a year, the new key read',
    waiting({ letters: 3 }, { read: true, expiresAt: NOW + 8 * DAY }),
    97 * DAY,
    AGAIN,
  ],
  [
    'after an outage longer than the time for its letter, the new key unread',
    waiting({ letters: 3 }, { expiresAt: NOW + 8 * DAY }),
    11 * DAY,
    AGAIN,
  ],
  [
    'five hours after the time for its letter, the new key unread',
    waiting({ letters: 3 }, { expiresAt: NOW + 8 * DAY }),
    8.2 * DAY,
    'drop submission; end recovery; = done',
  ],
  [
    'after the time for its letter, a letter to the owner not sent yet: nothing ends before',
    waiting({ letters: 3, unsent: 1 }, { read: true, expiresAt: NOW + 8 * DAY }),
    9 * DAY,
    '= done',
  ],
  [
    'after an outage over the end of a recovery that turns sealing off',
    {
      ...keyed,
      recovery: aRecovery({ change: weaken.change, startedAt: NOW, dueAt: NOW + 7 * DAY, letters: 3 }),
    },
    9 * DAY,
    AGAIN,
  ],
  [
    'after an outage over the end of a recovery for a key that has gone',
    {
      ...keyed,
      recovery: aRecovery({
        change: { kind: 'remove key', fingerprint: K3 },
        startedAt: NOW,
        dueAt: NOW + 7 * DAY,
        letters: 3,
      }),
    },
    9 * DAY,
    'end recovery; = done',
  ],
  [
    'with the administrator, long after a new key was read',
    waiting({ letters: 3, state: 'administrator' }, { read: true, expiresAt: NOW + 8 * DAY }),
    60 * DAY,
    '= done',
  ],
  [
    'with the administrator, when the time for an unread letter is over',
    waiting({ letters: 3, state: 'administrator' }, { expiresAt: NOW + 8 * DAY }),
    8 * DAY,
    'drop submission; end recovery; = done',
  ],
  [
    'at the end, with the administrator',
    waiting({ letters: 3, state: 'administrator' }, { read: true }),
    9 * DAY,
    '= done',
  ],
  [
    'a day after the end, the new key unread',
    waiting({ letters: 3 }, { expiresAt: NOW + 8 * DAY }),
    8 * DAY,
    'drop submission; end recovery; = done',
  ],
  [
    'at the end of a recovery that turns sealing off',
    {
      ...keyed,
      recovery: aRecovery({ change: weaken.change, startedAt: NOW, dueAt: NOW + 7 * DAY, letters: 3 }),
    },
    7 * DAY,
    'set encrypt; end recovery; forget stops; = done',
  ],
  [
    'at the end of a recovery for a key that has gone',
    {
      ...keyed,
      recovery: aRecovery({
        change: { kind: 'remove key', fingerprint: K3 },
        startedAt: NOW,
        dueAt: NOW + 7 * DAY,
        letters: 3,
      }),
    },
    7 * DAY,
    'end recovery; = done',
  ],
  ['a key that nobody read', state({ submissions: [aSubmission()] }), DAY, 'drop submission; = done'],
  ['the seven days of a first key', { ...keyed, undoUntil: NOW + 7 * DAY }, 7 * DAY, 'close undo; = done'],
  ['the end of a pause', { ...keyed, pausedUntil: NOW + DAY }, DAY, 'unpause; = done'],
];

describe('the flow', () => {
  it.each(TABLE)('%s', (_name, before, event, proof, expected) => {
    expect(outcome(before, event, proof)).toBe(expected);
  });

  it.each(TIMES)('time passes: %s', (_name, before, later, expected) => {
    expect(outcome(before, { kind: 'time' }, mailbox, NOW + later)).toBe(expected);
  });

  it('moves the end of a recovery behind a last letter that came late', () => {
    const decided = decide(waiting({ letters: 2 }), { kind: 'time' }, mailbox, NOW + 9 * DAY, FLOW);
    expect(decided).toMatchObject({
      effects: [{ do: 'count letters', letters: 3, dueAt: NOW + 10 * DAY }, {}],
    });
  });

  it('of which the end was missed comes a day behind the letter that tells so, however long nobody was there', () => {
    for (const days of [8, 11, 97]) {
      const decided = decide(
        waiting({ letters: 3 }, { read: true, expiresAt: NOW + 8 * DAY }),
        { kind: 'time' },
        mailbox,
        NOW + days * DAY,
        FLOW,
      );
      const dueAt = NOW + (days + 1) * DAY;
      expect(decided).toMatchObject({
        effects: [{ do: 'count letters', letters: 3, dueAt, keepUntil: dueAt + DAY }, { do: 'letter' }],
      });
      // On that day it comes, and the owner could stop it until then.
      const told = waiting({ letters: 3, dueAt }, { read: true, expiresAt: NOW + 8 * DAY });
      expect(outcome(told, { kind: 'time' }, mailbox, dueAt - 1)).toBe('= done');
      expect(outcome(told, { kind: 'stop' }, key, dueAt - 1)).toBe('end recovery; forget stops; = stopped');
      expect(outcome(told, { kind: 'time' }, mailbox, dueAt)).toBe(COMES);
    }
  });

  it('gives an administrator who is asked as long as a wait takes', () => {
    expect(
      decide({ ...keyed, recovery: aRecovery(), stops: 1 }, { kind: 'stop' }, mailbox, NOW, FLOW),
    ).toMatchObject({ effects: [{ do: 'hand to administrator', keepUntil: NOW + 7 * DAY }, {}] });
  });

  it('lets the first key be taken back for seven days, and a recovery wait as configured', () => {
    expect(decide(state({ submissions: [aSubmission()] }), read, mailbox, NOW, FLOW)).toMatchObject({
      effects: [{}, {}, { do: 'open undo', until: NOW + 7 * DAY }, {}],
    });
    expect(decide(keyed, { kind: 'recover', change: weaken.change }, mailbox, NOW, FLOW)).toMatchObject({
      effects: [{ do: 'start recovery', dueAt: NOW + 7 * DAY }, {}],
    });
  });
});
