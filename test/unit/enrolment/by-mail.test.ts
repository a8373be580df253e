// What the flow decides on keys that came by letters: whoever knows a key, and somebody's address, can write one.
import { describe, expect, it } from 'vitest';
import { configSchema } from '../../../src/config/schema.ts';
import { decide } from '../../../src/enrolment/decide.ts';
import type { EnrolmentState, FlowEvent, StateSubmission } from '../../../src/enrolment/state.ts';

const NOW = Date.UTC(2026, 0, 1);
const DAY = 86_400_000;
const K1 = 'A'.repeat(40);
const K2 = 'B'.repeat(40);
const SETTINGS = configSchema.parse({}).encryption;

function aSubmission(more: Partial<StateSubmission> = {}): StateSubmission {
  return {
    id: 1,
    fingerprint: K1,
    intent: 'add',
    proof: { level: 'mailbox' },
    read: false,
    byMail: true,
    letterSent: true,
    recoveryId: null,
    expiresAt: NOW + DAY,
    ...more,
  };
}

function state(submissions: readonly StateSubmission[], more: Partial<EnrolmentState> = {}): EnrolmentState {
  return {
    keys: [],
    submissions,
    recovery: null,
    undoUntil: null,
    stops: 0,
    pausedUntil: null,
    settings: SETTINGS,
    inherited: SETTINGS,
    ...more,
  };
}

function submit(of: EnrolmentState, fingerprint: string, byMail = true): string {
  const event: FlowEvent = {
    kind: 'submit',
    fingerprint,
    keyKind: 'openpgp',
    intent: 'add',
    relation: 'new',
    byMail,
  };
  const settings = { recoveryMs: 7 * DAY, tokenLifetimeMs: DAY };
  const decided = decide(of, event, { level: 'mailbox' }, NOW, settings);
  return decided.ok ? decided.effects.map((effect) => effect.do).join(', ') || 'nothing' : decided.because;
}

const KEPT = 'keep submission, letter';

describe('a key by a letter', () => {
  it('waits beside those of the portal, and is one of two at most', () => {
    const byMail = ['C', 'D'].map((digit, id) => aSubmission({ id, fingerprint: digit.repeat(40) }));
    const byPortal = ['1', '2', '3', '4', '5'].map((digit, id) =>
      aSubmission({ id: id + 9, fingerprint: digit.repeat(40), byMail: false }),
    );
    expect(submit(state(byPortal), K1)).toBe(KEPT);
    expect(submit(state(byMail.slice(1)), K1)).toBe(KEPT);
    expect(submit(state(byMail), K1)).toBe('limited');
    expect(submit(state(byMail), K1, false)).toBe(KEPT);
    expect(submit(state([...byMail, ...byPortal.slice(1)]), K1, false)).toBe(KEPT);
    expect(submit(state(byPortal), K1, false)).toBe('limited');
  });

  it.each<[string, Partial<StateSubmission>, string]>([
    ['is told of again, where a letter had brought it', {}, 'letter'],
    ['changes nothing, where its letter has not left', { letterSent: false }, 'nothing'],
    ['changes nothing, where it was read', { read: true }, 'nothing'],
    ['changes nothing, where the portal had it', { byMail: false }, 'nothing'],
    ['changes nothing, where it waits by a recovery', { recoveryId: 9 }, 'nothing'],
    [
      'changes nothing, where an administrator had it',
      { byMail: false, proof: { level: 'administrator' } },
      'nothing',
    ],
    [
      'is taken anew, where it had expired',
      { expiresAt: NOW - 1 },
      'drop submission, keep submission, letter',
    ],
  ])('that waits already %s', (_what, more, expected) => {
    expect(submit(state([aSubmission(more)]), K1)).toBe(expected);
  });

  it('needs more than a letter, where the user has a key', () => {
    const key = {
      fingerprint: K2,
      kind: 'openpgp',
      source: 'portal',
      current: true,
      revoked: false,
    } as const;
    expect(submit(state([], { keys: [key] }), K1)).toBe('needs key');
    expect(submit(state([aSubmission()], { keys: [key] }), K1)).toBe('needs key');
    expect(submit(state([], { keys: [{ ...key, current: false }] }), K1)).toBe('needs key');
    expect(submit(state([], { keys: [{ ...key, current: false, revoked: true }] }), K1)).toBe(KEPT);
  });
});
