// Claims between nodes: whether a delivery may begin, and whether it may say its final dot.
import { describe, expect, it } from 'vitest';
import { beginning, type Claimed, finalDot, type LeaseFacts } from '../../../src/delivery/claim-rules.ts';
import { isGone } from '../../../src/delivery/node-rows.ts';
import { ownIdentity } from '../../../src/host/process-lock.ts';

const REPLY = '250 queued';

describe('a delivery of a message to a recipient', () => {
  it.each<[Claimed, string | undefined, string]>([
    ['alone', undefined, 'go on'],
    ['ours', undefined, 'go on'],
    ['taken over', undefined, 'take over'],
    ['elsewhere', undefined, 'wait'],
    // Accepted: whoever holds the claim, nothing is left to send.
    ['alone', REPLY, 'send nothing'],
    ['ours', REPLY, 'send nothing'],
    ['taken over', REPLY, 'send nothing'],
    ['elsewhere', REPLY, 'send nothing'],
    // An empty reply is one.
    ['elsewhere', '', 'send nothing'],
  ])('whose claim is %s, accepted before: %s: %s', (claimed, accepted, action) => {
    expect(beginning(accepted, claimed)).toEqual(
      accepted === undefined ? { action } : { action, reply: accepted },
    );
  });
});

describe('the final dot', () => {
  const LEASE = 30_000;
  it.each<[string, Partial<LeaseFacts>, string]>([
    ['a lease renewed a moment ago', { ageMs: 5 }, 'go on'],
    ['one of a third', { ageMs: LEASE / 3 }, 'go on'],
    ['an older one', { ageMs: LEASE / 3 + 1 }, 'ask'],
    ['one that has run out by our clock', { ageMs: 2 * LEASE }, 'ask'],
    ['one renewed for this dot', { ageMs: 3, asked: true }, 'go on'],
    ['one that the database was asked for in vain', { ageMs: LEASE / 2, asked: true }, 'go on'],
    ['in vain for two thirds', { ageMs: (LEASE * 2) / 3, asked: true }, 'go on'],
    ['in vain for longer', { ageMs: (LEASE * 2) / 3 + 1, asked: true }, 'stop'],
    ['one that ended', { unbroken: false }, 'stop'],
    ['one that ended and was begun anew', { unbroken: false, asked: true }, 'stop'],
  ])('with %s: %j: %s', (_what, facts, verdict) => {
    expect(finalDot({ unbroken: true, ageMs: 0, leaseMs: LEASE, asked: false, ...facts })).toBe(verdict);
  });
});

describe('a process of another row', () => {
  const here = (identity: object, place = 'boot pid:[1]'): string => `${place} ${JSON.stringify(identity)}`;
  const own = here(ownIdentity());
  // Above every pid_max.
  const dead = { pid: 4_194_305, start: null };

  it.each([
    ['gone, on this machine', here(dead), own, true],
    ['alive, on this machine', own, own, false],
    ['of that number, but another one', here({ pid: process.pid, start: '1 boot' }), own, true],
    ['on another machine', here(dead, 'other pid:[1]'), own, false],
    ['in another container', here(dead, 'boot pid:[2]'), own, false],
    ['of a system without /proc', '', own, false],
    ['seen from such a system', here(dead), '', false],
    ['whose row is no such thing', 'boot pid:[1] {', own, false],
  ])('is %s', (_what, row, asking, gone) => {
    expect(isGone(row, asking)).toBe(gone);
  });
});
