import { describe, expect, it } from 'vitest';
import { acceptanceName, type Parcel, planFiling, type UserState } from '../../../receiver/queue/filing.ts';

const user = (over: Partial<UserState> = {}): UserState => ({
  quotaBytes: null,
  quotaMessages: null,
  bytes: 0,
  messages: 0,
  lastNumber: 7,
  ...over,
});
const parcel = (id: string, userId = 1, size = 10): Parcel => ({
  copies: [{ id, userId, ciphertext: new Uint8Array(size) }],
});
const state = (users: Record<number, UserState>, known: string[] = [], accepted: string[] = []) => ({
  users: new Map(Object.entries(users).map(([id, each]) => [Number(id), each])),
  knownIds: new Set(known),
  accepted: new Set(accepted),
});

describe('filing', () => {
  it('numbers messages on from the last number of their user', () => {
    const plan = planFiling(
      [parcel('a'), parcel('b'), parcel('c', 2)],
      state({ 1: user(), 2: user({ lastNumber: 0 }) }),
    );
    expect(plan.outcomes).toEqual(['filed', 'filed', 'filed']);
    expect(plan.copies.map(({ id, number }) => [id, number])).toEqual([
      ['a', 8],
      ['b', 9],
      ['c', 1],
    ]);
  });

  it('files an id once, within one batch too', () => {
    const plan = planFiling([parcel('a'), parcel('b'), parcel('b')], state({ 1: user() }, ['a']));
    expect(plan.outcomes).toEqual(['filed before', 'filed', 'filed before']);
    expect(plan.copies).toHaveLength(1);
  });

  it('counts what the first messages of a batch take against the quota of the next', () => {
    const full = state({ 1: user({ quotaMessages: 3, messages: 1 }) });
    expect(planFiling([parcel('a'), parcel('b'), parcel('c')], full).outcomes).toEqual([
      'filed',
      'filed',
      'over quota',
    ]);
    const bytes = state({ 1: user({ quotaBytes: 25, bytes: 5 }) });
    expect(planFiling([parcel('a'), parcel('b'), parcel('c', 1, 1)], bytes).outcomes).toEqual([
      'filed',
      'filed',
      'over quota',
    ]);
  });

  it('files all copies of a parcel or none', () => {
    const two: Parcel = { copies: [...parcel('a', 1).copies, ...parcel('b', 2).copies] };
    const plan = planFiling([two], state({ 1: user(), 2: user({ quotaMessages: 0 }) }));
    expect([plan.outcomes, plan.copies]).toEqual([['over quota'], []]);
  });

  it('completes a parcel of which one copy is there already', () => {
    const two: Parcel = { copies: [...parcel('a', 1).copies, ...parcel('b', 2).copies] };
    const plan = planFiling([two], state({ 1: user(), 2: user() }, ['a']));
    expect(plan.copies.map(({ id }) => id)).toEqual(['b']);
  });

  it('leaves alone what goes to a user who was removed', () => {
    expect(planFiling([parcel('a', 9)], state({ 1: user() })).outcomes).toEqual(['user gone']);
  });

  it('recognises an acceptance that was remembered, whatever its new id', () => {
    const acceptance = { message: 'm', recipient: 'r' };
    const known = state({ 1: user() }, [], [acceptanceName(acceptance)]);
    expect(planFiling([{ ...parcel('x'), acceptance }], known).outcomes).toEqual(['filed before']);
    const both = [
      { ...parcel('x'), acceptance },
      { ...parcel('y'), acceptance },
    ];
    const plan = planFiling(both, state({ 1: user() }));
    expect([plan.outcomes, plan.remember]).toEqual([['filed', 'filed before'], [0]]);
  });
});
