// One event for each way in which a recipient's outcome may come about.
import { describe, expect, it } from 'vitest';
import type { Verdict } from '../../../src/delivery/decision.ts';
import { type Ending, fateOf, type Hindrance } from '../../../src/delivery/fate.ts';
import type { Reply } from '../../../src/smtp/types.ts';

const OK: Reply = { code: 250, enhanced: '2.0.0', text: 'Ok' };
const LATER: Reply = { code: 451, enhanced: '4.3.0', text: 'later' };
const NEVER: Reply = { code: 550, enhanced: '5.1.1', text: 'never' };
const reasoned = { reason: 'a sentence', leftOut: [] };
const seal = {
  ...reasoned,
  action: 'seal',
  because: 'usable key',
  keys: [{ fingerprint: 'AB', certificate: new Uint8Array(), at: 0 }],
} as unknown as Verdict;
const pass: Verdict = { ...reasoned, action: 'pass', because: 'no key', plaintextByChoice: false };
const defer: Verdict = { ...reasoned, action: 'defer', because: 'key expired', reply: LATER };
const reject: Verdict = { ...reasoned, action: 'reject', because: 'no key', reply: NEVER };

describe('the event of a recipient', () => {
  const cases: readonly (readonly [Reply, Ending | undefined, string, string, readonly string[]])[] = [
    [OK, { by: 'next hop', verdict: seal }, 'sealed', 'usable key', ['AB']],
    [OK, { by: 'next hop', verdict: pass }, 'passed', 'no key', []],
    [LATER, { by: 'next hop', verdict: seal }, 'deferred', 'next hop', ['AB']],
    [NEVER, { by: 'next hop', verdict: pass }, 'refused', 'next hop', []],
    [LATER, { by: 'decision', verdict: defer }, 'deferred', 'key expired', []],
    [NEVER, { by: 'decision', verdict: reject }, 'refused', 'no key', []],
    [OK, { by: 'us', because: 'accepted before' }, 'duplicate', 'accepted before', []],
    [LATER, { by: 'us', because: 'under way' }, 'deferred', 'under way', []],
    [NEVER, { by: 'us', because: 'mail loop' }, 'refused', 'mail loop', []],
    [LATER, { by: 'us', because: 'sealing failed' }, 'deferred', 'sealing failed', []],
    [LATER, undefined, 'deferred', 'internal error', []],
  ];
  it.each(cases)('%j, %j: %s because of %s', (reply, ending, event, because, keys) => {
    expect(fateOf(reply, ending)).toMatchObject({ event, because, keys, ours: false });
  });

  it('is never "sealed" or "passed" where nothing was accepted', () => {
    for (const reply of [LATER, NEVER])
      for (const ending of [
        { by: 'next hop', verdict: seal },
        { by: 'next hop', verdict: pass },
      ] as const)
        expect(['deferred', 'refused']).toContain(fateOf(reply, ending).event);
  });

  it('has a sentence for every hindrance', () => {
    const all: readonly Hindrance[] = [
      'accepted before',
      'under way',
      'mail loop',
      'database away',
      'no turn in time',
    ];
    for (const because of all) expect(fateOf(LATER, { by: 'us', because }).reason).toMatch(/\w+ \w+/);
  });
});
