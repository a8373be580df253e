// Answers kept beside the facts that they were made of: which ones, and until when.
import { describe, expect, it } from 'vitest';
import { type AddressFacts, found } from '../../../policy/facts.ts';
import { createKeptAnswers } from '../../../policy/kept-answers.ts';
import { createKeyReader } from '../../../policy/read-key.ts';
import { parsePath } from '../../../src/address/normalise.ts';
import type { StoredKey, User } from '../../../src/directory/types.ts';

const KEY = { fingerprint: 'A' } as unknown as StoredKey;

function factsOf({
  keys = [] as readonly StoredKey[],
  domainKeys = [] as readonly StoredKey[],
  quotaBytes = null as number | null,
  keysUnread = null as number | null,
} = {}): AddressFacts {
  const user = { id: 1, quotaBytes } as unknown as User;
  return {
    keysUnread,
    recipient: { domainKeys, resolution: { kind: 'user', readers: [{ kind: 'user', user, keys }], via: [] } },
  } as unknown as AddressFacts;
}

describe('an answer of check_recipient', () => {
  const answer = found('DUNNO', 'an active user');

  it.each([
    ['kept where nothing but the facts decides', factsOf(), true],
    ['made anew where the size of the message counts', factsOf({ quotaBytes: 1000 }), false],
    ['made anew where the keys have not been read', factsOf({ keysUnread: 1 }), false],
  ])('is %s', (_, facts, isKept) => {
    const kept = createKeptAnswers();
    kept.keepRecipient(facts, answer, 5000);
    expect(kept.recipient(facts, 9_999_999)).toBe(isKept ? answer : undefined);
  });

  it.each([
    ['a key', factsOf({ keys: [KEY] })],
    ["the domain's key", factsOf({ domainKeys: [KEY] })],
  ])(
    'is kept for a second where %s counts, which may expire, and not when the clock is set back',
    (_, facts) => {
      const kept = createKeptAnswers();
      kept.keepRecipient(facts, answer, 5000);
      expect([5000, 5999, 6000, 4999].map((now) => kept.recipient(facts, now))).toEqual([
        answer,
        answer,
        undefined,
        undefined,
      ]);
    },
  );

  it('is forgotten when the settings change, and of other facts nothing is known', () => {
    const kept = createKeptAnswers();
    const facts = factsOf();
    kept.keepRecipient(facts, answer, 0);
    expect(kept.recipient(factsOf(), 0)).toBeUndefined();
    kept.forget();
    expect(kept.recipient(facts, 0)).toBeUndefined();
  });
});

describe('an answer of another map', () => {
  it('is made once for the same facts, and once for each map', () => {
    const kept = createKeptAnswers();
    const facts = factsOf();
    const made: string[] = [];
    const ask = (map: 'virtual_alias' | 'transport', about = facts) =>
      kept.of(map, about, () => {
        made.push(map);
        return found(map, '');
      });
    expect([ask('virtual_alias'), ask('virtual_alias'), ask('transport')]).toMatchObject([
      { value: 'virtual_alias' },
      { value: 'virtual_alias' },
      { value: 'transport' },
    ]);
    ask('transport', factsOf());
    expect(made).toEqual(['virtual_alias', 'transport', 'transport']);
  });
});

describe('facts with the keys of their user', () => {
  it('are the same while facts and keys are, and others when the keys are read again', () => {
    const kept = createKeptAnswers();
    const unread = factsOf({ keysUnread: 1 });
    const keys = [KEY];
    const joined = kept.withKeys(unread, keys, () => factsOf({ keys }));
    expect(kept.withKeys(unread, keys, () => factsOf())).toBe(joined);
    const next = factsOf();
    expect(kept.withKeys(unread, [], () => next)).toBe(next);
  });
});

describe('a key that is asked again', () => {
  it('says the same, also where it says nothing, and however long it is', () => {
    const keys = createKeyReader();
    const long = `${'a'.repeat(400)}@example.org`;
    for (const path of ['Alice+x@Example.ORG', '"a b"@example.org', 'nobody', '', '@example.org', long]) {
      const first = keys.address(path);
      expect(first, path).toEqual(parsePath(path));
      expect(keys.address(path), path).toEqual(first);
    }
    expect([keys.domain('Example.ORG'), keys.domain('Example.ORG')]).toEqual(['example.org', 'example.org']);
    expect([keys.domain('a b'), keys.domain('a b')]).toEqual([null, null]);
    // The same text is no domain as an address, and no address as a domain.
    expect([keys.address('example.org'), keys.domain('example.org')]).toEqual([null, 'example.org']);
  });
});
