// A restored database that nobody has accepted yet: what would go out in plaintext, or come back for good, waits.
import { describe, expect, it } from 'vitest';
import { type AddressFacts, type Answer, found, notFound } from '../../../policy/facts.ts';
import { untilAccepted as lookupUntilAccepted } from '../../../policy/until-accepted.ts';
import type { Because, Decision } from '../../../src/delivery/decision.ts';
import { untilAccepted } from '../../../src/delivery/until-accepted.ts';
import type { RecipientFacts } from '../../../src/directory/types.ts';

const FROM = '2026-11-29T03:00:00Z';
const facts: RecipientFacts = { address: null, resolution: { kind: 'nobody' }, domain: null, domainKeys: [] };

function decision(action: Decision['action'], because: Because, restoredFrom?: string): Decision {
  return {
    action,
    because,
    reason: 'as it was decided',
    leftOut: [],
    readers: [],
    facts: restoredFrom === undefined ? facts : { ...facts, restoredFrom },
  } as unknown as Decision;
}

describe('a decision on a restored state that nobody has accepted', () => {
  it.each([
    ['pass', 'no key'],
    ['pass', 'key expired'],
    ['pass', 'key unusable'],
    ['pass', 'encryption off'],
    ['pass', 'rule'],
    ['reject', 'no key'],
    ['reject', 'key unusable'],
  ] as const)('defers what would %s because of "%s"', (action, because) => {
    const held = untilAccepted(decision(action, because, FROM));
    expect(held).toMatchObject({
      action: 'defer',
      because: 'restored from a backup',
      reply: { code: 450, enhanced: '4.7.5' },
    });
    expect(held.reason).toMatch(/^as it was decided; .*2026-11-29T03:00:00Z .*restore --accept/);
    // Without a restore it is what it was.
    expect(untilAccepted(decision(action, because))).toEqual(decision(action, because));
  });

  it.each([
    ['seal', 'usable key'],
    ['seal', 'expired key used'],
    ['pass', 'already encrypted'],
    ['reject', 'rule'],
    ['defer', 'alias loop'],
    ['defer', 'no key'],
  ] as const)('leaves alone what would %s because of "%s"', (action, because) => {
    const same = decision(action, because, FROM);
    expect(untilAccepted(same)).toBe(same);
  });
});

describe('a lookup in a restored state that nobody has accepted', () => {
  const asked = (domain: string, restoredFrom?: string): AddressFacts =>
    ({
      asked: { local: 'new', domain },
      recipient: restoredFrom === undefined ? facts : { ...facts, restoredFrom },
    }) as unknown as AddressFacts;
  const options = { mailboxDomain: 'mailboxes.example' };
  const nobody: Answer = { kind: 'not found', reason: 'nobody has this address', nobody: true };

  it.each([
    ['an unknown mailbox', nobody, 'example.org', 'temporary'],
    ['a refusal', found('REJECT 5.1.1 unknown', 'nobody'), 'example.org', 'temporary'],
    ['a transport that refuses', found('error:5.2.1 disabled', 'disabled'), 'example.org', 'temporary'],
    ['an unknown id of mailbox_domain', notFound('the domain is not ours'), 'mailboxes.example', 'temporary'],
    ['a domain that is not ours', notFound('the domain is not ours'), 'outside.example', 'not found'],
    ['a deferral', found('DEFER_IF_PERMIT 4.2.2 full', 'full'), 'example.org', 'found'],
    ['a mailbox', found('id_1/', 'a user'), 'example.org', 'found'],
  ] as const)('answers %s with what may still change', (_what, answer, domain, kind) => {
    expect(lookupUntilAccepted(asked(domain, FROM), answer, options).kind).toBe(kind);
    expect(lookupUntilAccepted(asked(domain), answer, options)).toBe(answer);
  });
});
