import { describe, expect, it } from 'vitest';
import type { Address } from '../../../src/address/address.ts';
import { explanationOf } from '../../../src/cli/explain-view.ts';
import { configSchema } from '../../../src/config/schema.ts';
import type { SettingsOverride } from '../../../src/config/settings.ts';
import { createDecider, type Seen } from '../../../src/delivery/decide.ts';
import { settingsOfCopy } from '../../../src/delivery/plan.ts';
import { ruledMessage } from '../../../src/delivery/rules.ts';
import type { Domain, Reader, RecipientFacts, Rule, StoredKey } from '../../../src/directory/types.ts';
import type { InspectedKey } from '../../../src/keys/choose.ts';

const NOW = Date.UTC(2026, 0, 1);
const DAY = 86_400_000;

const PLAIN: Seen = {
  detection: { encrypted: false, because: 'text/plain' },
  message: ruledMessage(Buffer.from('Subject: x\r\n\r\nHello\r\n'), 'c@outside.example'),
};
const ENCRYPTED: Seen = {
  ...PLAIN,
  detection: { encrypted: true, how: 'pgp-mime', because: 'multipart/encrypted', keyIds: [] },
};

/** The name tells what is found of it: `usable-...`, `expired-...`, `unreadable-...`. */
function key(fingerprint: string, kind: StoredKey['kind'] = 'openpgp'): StoredKey {
  const certificate = Buffer.from(fingerprint);
  return { kind, fingerprint, certificate, status: 'active', source: 'cli', createdAt: new Date(0) };
}

async function inspect(stored: StoredKey): Promise<InspectedKey> {
  if (stored.fingerprint.startsWith('unreadable')) return { key: stored, facts: null };
  const until = stored.fingerprint.startsWith('expired') ? NOW - DAY : null;
  return {
    key: stored,
    facts: {
      fingerprint: stored.fingerprint,
      flaw: null,
      sealing: stored.certificate,
      windows: [{ from: 0, until }],
      newestRevoked: false,
      encryptionKeys: [],
      userIds: [],
    } as unknown as InspectedKey['facts'],
  };
}

const decider = createDecider({ inspect, global: () => configSchema.parse({}).encryption, now: () => NOW });

function domain(settings: SettingsOverride = {}, rules: readonly Rule[] = []): Domain {
  return {
    id: 1,
    name: 'example.org',
    class: 'virtual',
    foldLocalPart: true,
    settings,
    transport: null,
    rules,
  };
}

function user(
  name: string,
  keys: readonly StoredKey[],
  settings: SettingsOverride = {},
  rules: readonly Rule[] = [],
): Reader {
  const address = `${name}@example.org` as Address;
  const id = name.charCodeAt(0);
  const owner = {
    id,
    address,
    status: 'active' as const,
    settings,
    domain: domain(),
    quotaBytes: null,
    rules,
  };
  return { kind: 'user', user: owner, keys };
}

const outside: Reader = { kind: 'outside', address: 'carol@outside.example' as Address };

function alias(...readers: readonly Reader[]): RecipientFacts {
  const via = ['team@example.org' as Address];
  const address = 'team@example.org' as Address;
  return {
    address,
    resolution: { kind: 'alias', readers, via },
    domain: domain(),
    domainKeys: [key('usable-D')],
  };
}

function ofUser(reader: Reader): RecipientFacts {
  const address = 'alice@example.org' as Address;
  const resolution = { kind: 'user' as const, readers: [reader] as const, via: [] };
  return { address, resolution, domain: domain(), domainKeys: [] };
}

const PASS: Rule = { id: 7, action: 'pass', sender: 'c@outside.example', header: null, largerThan: null };

describe('a decision carries what it rests on', () => {
  it('each reader with settings and their level, the keys that were weighed, the rules and the one that matched', async () => {
    const reader = user(
      'alice',
      [key('usable-A'), key('expired-A'), key('unreadable-A')],
      { subject: 'hide' },
      [PASS],
    );
    const decision = await decider.copy(ofUser(reader), PLAIN);
    expect(decision).toMatchObject({ action: 'pass', because: 'rule' });
    expect(decision.readers).toHaveLength(1);
    const [basis] = decision.readers;
    expect(basis).toMatchObject({ reader, ownKeys: true, rule: { rule: PASS, level: 'user' } });
    expect([basis?.settings.values.subject, basis?.settings.levels.subject]).toEqual(['hide', 'user']);
    expect(basis?.settings.levels.style).toBe('global');
    expect(
      basis?.keys.map(({ key: { fingerprint }, state, because }) => [fingerprint, state, because]),
    ).toEqual([
      ['usable-A', 'usable', null],
      ['expired-A', 'expired', 'expired on 2025-12-31'],
      ['unreadable-A', 'unusable', 'the stored certificate cannot be read'],
    ]);
  });

  it.each([
    ['encryption is off', user('alice', [key('usable-A')], { encrypt: false }), PLAIN],
    ['the message is encrypted already', user('alice', [key('usable-A')]), ENCRYPTED],
  ])('the keys too where %s', async (_why, reader, seen) => {
    const decision = await decider.copy(ofUser(reader), seen);
    expect(decision.action).toBe('pass');
    expect(decision.readers[0]?.keys.map(({ state }) => state)).toEqual(['usable']);
  });

  it('the domain of an address that nobody has, and no reader', async () => {
    const facts: RecipientFacts = {
      address: 'nobody@example.org' as Address,
      resolution: { kind: 'nobody' },
      domain: domain({ on_missing_key: 'reject' }),
      domainKeys: [],
    };
    const decision = await decider.copy(facts, PLAIN);
    expect(decision).toMatchObject({ action: 'reject', because: 'no key' });
    expect(decision.readers.map(({ reader }) => reader)).toEqual([null]);
    expect(settingsOfCopy(decision).on_missing_key).toEqual({ value: 'reject', from: 'domain' });
  });

  it('no reader of a loop, and no setting', async () => {
    const facts: RecipientFacts = { ...alias(), resolution: { kind: 'loop', via: [] } };
    const decision = await decider.copy(facts, PLAIN);
    expect(decision).toMatchObject({ action: 'defer', because: 'alias loop', readers: [] });
    expect(settingsOfCopy(decision)).toEqual({});
  });
});

describe('explain tells of an alias what its copy gets', () => {
  it('hides the subject where one reader of several wants that, and says whose setting is another', async () => {
    const facts = alias(
      user('alice', [key('usable-A')]),
      user('bob', [key('usable-B')], { subject: 'hide' }),
    );
    const decision = await decider.copy(facts, PLAIN);
    expect(decision).toMatchObject({ action: 'seal', subject: 'hide' });
    const told = explanationOf(decision, null, null);
    expect(told.settings.subject).toEqual({ value: 'hide', from: 'readers' });
    expect(told.settings.hide_key_ids).toEqual({ value: true, from: 'readers' });
    expect(told.settings.encrypt).toEqual({ value: true, from: 'global' });
    expect(told.readers.map(({ address, settings }) => [address, settings.subject])).toEqual([
      ['alice@example.org', { value: 'keep', from: 'global' }],
      ['bob@example.org', { value: 'hide', from: 'user' }],
    ]);
    expect(told.keys.map(({ fingerprint, used }) => [fingerprint, used])).toEqual([
      ['usable-A', true],
      ['usable-B', true],
    ]);
  });

  it('shows no key of an alias to outside, whose domain has one that would help nobody', async () => {
    const told = explanationOf(await decider.copy(alias(outside), PLAIN), null, null);
    expect(told.keys).toEqual([]);
    expect(told.decision).toMatchObject({ action: 'pass', because: 'no key' });
  });

  it('says of a certificate beside an OpenPGP key that it is not used', async () => {
    const both = user('alice', [key('usable-A'), key('usable-C', 'x509')]);
    const told = explanationOf(await decider.copy(ofUser(both), PLAIN), null, null);
    expect(told.keys).toMatchObject([
      { fingerprint: 'usable-A', used: true, because: 'can be used' },
      { fingerprint: 'usable-C', used: false, because: 'not used beside keys of the other kind' },
    ]);
  });
});

describe('the queue', () => {
  const message = PLAIN.message;
  if (message === null) throw new Error('a message is there');

  it('seals to OpenPGP keys only, each reader alone, as if a rule that passes were not there', async () => {
    const both = user('alice', [key('usable-A'), key('usable-C', 'x509')], { prefer: 'smime' }, [PASS]);
    const { copies, whole } = await decider.forQueue(alias(both, user('bob', [key('usable-B')])), message);
    expect(whole).toBeNull();
    const keysOfEach = copies.map(({ decision }) =>
      decision.action === 'seal' ? decision.keys.map(({ fingerprint }) => fingerprint) : decision.action,
    );
    expect(keysOfEach).toEqual([['usable-A'], ['usable-B']]);
  });

  it('gets the decision on the whole address where nobody reads it', async () => {
    const { copies, whole } = await decider.forQueue(alias(), message);
    expect([copies, whole?.because]).toEqual([[], 'alias without readers']);
  });
});

describe('before there is a message', () => {
  it('the answer is there at once where no key is known', () => {
    const decided = decider.beforehand({ ...alias(outside), domainKeys: [] });
    expect(decided).not.toBeInstanceOf(Promise);
  });

  it('a key that cannot be inspected now is an error, and never "no key"', async () => {
    const failing = createDecider({
      inspect: async () => {
        throw new Error('not now');
      },
      global: () => configSchema.parse({}).encryption,
    });
    await expect(failing.beforehand(alias(user('alice', [key('usable-A')])))).rejects.toThrow('not now');
    await expect(failing.copy(alias(user('alice', [key('usable-A')])), PLAIN)).rejects.toThrow('not now');
  });
});
