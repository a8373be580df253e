import { describe, expect, it } from 'vitest';
import type { Address } from '../../../src/address/address.ts';
import type { Settings, SettingsOverride } from '../../../src/config/settings.ts';
import { type PlanInput, passesUnknown } from '../../../src/delivery/decision.ts';
import { directoryUnavailable, planCopy } from '../../../src/delivery/plan.ts';
import type { Domain, Reader, RecipientFacts, Resolution, StoredKey } from '../../../src/directory/types.ts';
import type { KeyChoice } from '../../../src/keys/choose.ts';

const GLOBAL: Settings = {
  encrypt: true,
  style: 'mime',
  subject: 'keep',
  header_policy: 'no_confidentiality',
  on_missing_key: 'pass',
  on_expired_key: 'encrypt',
  on_unusable_key: 'defer',
  hide_key_ids: false,
  prefer: 'openpgp',
  smime_cipher: 'gcm',
};

type State = KeyChoice['state'];

/** A key whose state is told by its fingerprint, so that the fake choice below can be pure. */
function key(state: Exclude<State, 'missing'>, name = 'A'): StoredKey {
  return {
    kind: 'openpgp',
    fingerprint: `${state}-${name}`,
    certificate: new Uint8Array(),
    status: 'active',
    source: 'cli',
    createdAt: new Date(0),
  };
}

function choose(keys: readonly StoredKey[]): KeyChoice {
  const inState = (state: string): readonly StoredKey[] =>
    keys.filter((one) => one.fingerprint.startsWith(state));
  const use = (chosen: readonly StoredKey[]) =>
    chosen.map((one) => ({ fingerprint: one.fingerprint, certificate: one.certificate, at: 0 }));
  const leftOut = (left: readonly StoredKey[]) =>
    left.map((one) => ({ fingerprint: one.fingerprint, because: 'told by the test' }));
  if (keys.length === 0) return { state: 'missing', kind: 'openpgp', use: [], leftOut: [], judged: [] };
  const usable = inState('usable');
  if (usable.length > 0) {
    return {
      state: 'usable',
      kind: 'openpgp',
      use: use(usable),
      leftOut: leftOut(keys.filter((one) => !usable.includes(one))),
      judged: [],
    };
  }
  const expired = inState('expired');
  if (expired.length === keys.length)
    return { state: 'expired', kind: 'openpgp', use: use(expired), leftOut: leftOut(expired), judged: [] };
  return { state: 'unusable', kind: 'openpgp', use: [], leftOut: leftOut(keys), judged: [] };
}

function domain(settings: SettingsOverride = {}): Domain {
  return {
    id: 1,
    name: 'example.org',
    class: 'virtual',
    foldLocalPart: true,
    settings,
    transport: null,
    rules: [],
  };
}

function user(keys: readonly StoredKey[], settings: SettingsOverride = {}, own: Domain = domain()): Reader {
  return {
    kind: 'user',
    user: {
      id: 7,
      address: 'a@example.org' as Address,
      status: 'active',
      settings,
      domain: own,
      quotaBytes: null,
      rules: [],
    },
    keys,
  };
}

function facts(
  resolution: Resolution,
  own: Domain | null = domain(),
  domainKeys: readonly StoredKey[] = [],
): RecipientFacts {
  return { address: 'a@example.org' as Address, resolution, domain: own, domainKeys };
}

function ofUser(keys: readonly StoredKey[], settings: SettingsOverride = {}, own = domain()): RecipientFacts {
  return facts({ kind: 'user', readers: [user(keys, settings, own)], via: [] }, own);
}

const plain = { encrypted: false as const, because: 'text/plain' };
const encrypted = {
  encrypted: true as const,
  how: 'pgp-mime' as const,
  because: 'multipart/encrypted',
  keyIds: [],
};

interface Case {
  readonly name: string;
  readonly facts: RecipientFacts;
  readonly global?: SettingsOverride;
  readonly detection?: PlanInput['detection'];
  readonly message?: PlanInput['message'];
  readonly expected: string;
}

/** action / because / reply code or keys. */
function summary(input: Case): string {
  const decision = planCopy({
    facts: input.facts,
    global: { ...GLOBAL, ...input.global } as Settings,
    detection: input.detection ?? plain,
    message: input.message ?? null,
    choose,
  });
  const detail =
    decision.action === 'seal'
      ? decision.keys.map((one) => one.fingerprint).join('+')
      : 'reply' in decision
        ? `${decision.reply.code} ${decision.reply.enhanced}`
        : decision.action === 'pass' && decision.plaintextByChoice
          ? 'by choice'
          : '';
  return [decision.action, decision.because, detail].join(' / ');
}

const outside = (address: string): Reader => ({ kind: 'outside', address: address as Address });
const alias = (readers: readonly Reader[]): RecipientFacts =>
  facts({ kind: 'alias', readers, via: ['l@example.org' as Address] });

const CASES: readonly Case[] = [
  {
    name: 'a user with a good key',
    facts: ofUser([key('usable')]),
    expected: 'seal / usable key / usable-A',
  },
  {
    name: 'several devices: every good key, in one copy',
    facts: ofUser([key('usable', 'A'), key('usable', 'B')]),
    expected: 'seal / usable key / usable-A+usable-B',
  },
  {
    name: 'a good and an expired key: the good one only',
    facts: ofUser([key('expired'), key('usable')]),
    expected: 'seal / usable key / usable-A',
  },
  {
    name: 'a good and a revoked key: the good one only',
    facts: ofUser([key('unusable'), key('usable')]),
    expected: 'seal / usable key / usable-A',
  },
  { name: 'no key, by default', facts: ofUser([]), expected: 'pass / no key / ' },
  {
    name: 'no key, defer',
    facts: ofUser([]),
    global: { on_missing_key: 'defer' },
    expected: 'defer / no key / 450 4.7.5',
  },
  {
    name: 'no key, reject',
    facts: ofUser([]),
    global: { on_missing_key: 'reject' },
    expected: 'reject / no key / 550 5.7.5',
  },
  {
    name: 'lesson 1: an expired key is used by default, never plaintext',
    facts: ofUser([key('expired')]),
    expected: 'seal / expired key used / expired-A',
  },
  {
    name: 'expired, defer',
    facts: ofUser([key('expired')]),
    global: { on_expired_key: 'defer' },
    expected: 'defer / key expired / 450 4.7.5',
  },
  {
    name: 'expired, reject',
    facts: ofUser([key('expired')]),
    global: { on_expired_key: 'reject' },
    expected: 'reject / key expired / 550 5.7.5',
  },
  {
    name: 'expired, pass: plaintext by choice',
    facts: ofUser([key('expired')]),
    global: { on_expired_key: 'pass' },
    expected: 'pass / key expired / by choice',
  },
  {
    name: 'expired is not missing: on_missing_key does not count',
    facts: ofUser([key('expired')]),
    global: { on_missing_key: 'reject' },
    expected: 'seal / expired key used / expired-A',
  },
  {
    name: 'a revoked key, by default',
    facts: ofUser([key('unusable')]),
    expected: 'defer / key unusable / 450 4.7.5',
  },
  {
    name: 'revoked, reject',
    facts: ofUser([key('unusable')]),
    global: { on_unusable_key: 'reject' },
    expected: 'reject / key unusable / 550 5.7.5',
  },
  {
    name: 'revoked, pass: plaintext by choice',
    facts: ofUser([key('unusable')]),
    global: { on_unusable_key: 'pass' },
    expected: 'pass / key unusable / by choice',
  },
  {
    name: 'lesson 1: a revoked key is not "no key": pass for missing keys does not leak it',
    facts: ofUser([key('unusable')]),
    global: { on_missing_key: 'pass' },
    expected: 'defer / key unusable / 450 4.7.5',
  },
  {
    name: 'the user overrides the domain and the global setting',
    facts: ofUser([], { on_missing_key: 'reject' }, domain({ on_missing_key: 'defer' })),
    expected: 'reject / no key / 550 5.7.5',
  },
  {
    name: 'the domain overrides the global setting',
    facts: ofUser([], {}, domain({ on_missing_key: 'defer' })),
    expected: 'defer / no key / 450 4.7.5',
  },
  {
    name: 'encrypt off for the user passes, with a key',
    facts: ofUser([key('usable')], { encrypt: false }),
    expected: 'pass / encryption off / ',
  },
  {
    name: 'encrypt on for the user beats encrypt off for the domain',
    facts: ofUser([key('usable')], { encrypt: true }, domain({ encrypt: false })),
    expected: 'seal / usable key / usable-A',
  },
  {
    name: 'already encrypted passes',
    facts: ofUser([key('usable')]),
    detection: encrypted,
    expected: 'pass / already encrypted / ',
  },
  {
    name: 'already encrypted passes, also without a key under reject',
    facts: ofUser([]),
    detection: encrypted,
    global: { on_missing_key: 'reject' },
    expected: 'pass / already encrypted / ',
  },
  {
    name: 'nobody in our domain: the domain key',
    facts: facts({ kind: 'nobody' }, domain(), [key('usable', 'D')]),
    expected: 'seal / usable key / usable-D',
  },
  {
    name: 'a user without a key: the domain key',
    facts: facts({ kind: 'user', readers: [user([])], via: [] }, domain(), [key('usable', 'D')]),
    expected: 'seal / usable key / usable-D',
  },
  {
    name: 'a user with a revoked key: never the domain key',
    facts: facts({ kind: 'user', readers: [user([key('unusable')])], via: [] }, domain(), [
      key('usable', 'D'),
    ]),
    expected: 'defer / key unusable / 450 4.7.5',
  },
  { name: 'nobody, a foreign domain', facts: facts({ kind: 'nobody' }, null), expected: 'pass / no key / ' },
  {
    name: 'nobody in our domain counts with the domain setting',
    facts: facts({ kind: 'nobody' }, domain({ on_missing_key: 'reject' })),
    expected: 'reject / no key / 550 5.7.5',
  },
  {
    name: 'a contact',
    facts: facts(
      {
        kind: 'contact',
        readers: [{ kind: 'contact', address: 'c@example.net' as Address, keys: [key('usable', 'C')] }],
        via: [],
      },
      null,
    ),
    expected: 'seal / usable key / usable-C',
  },
  {
    name: 'an alias of one user is that user',
    facts: alias([user([key('usable')])]),
    expected: 'seal / usable key / usable-A',
  },
  {
    name: 'an alias of two users: both keys',
    facts: alias([user([key('usable', 'A')]), user([key('usable', 'B')])]),
    expected: 'seal / usable key / usable-A+usable-B',
  },
  {
    name: 'an alias of users without keys passes',
    facts: alias([user([]), outside('x@example.net')]),
    expected: 'pass / no key / ',
  },
  {
    name: "an alias that leads outside: what its domain says of missing keys, but not the domain's key",
    facts: facts(
      { kind: 'alias', readers: [outside('x@example.net')], via: ['l@example.org' as Address] },
      domain({ on_missing_key: 'reject' }),
      [key('usable', 'DOMAIN')],
    ),
    expected: 'reject / no key / 550 5.7.5',
  },
  {
    name: 'an alias with a keyed and an unkeyed reader is deferred: neither leak nor loss',
    facts: alias([user([key('usable')]), outside('x@example.net')]),
    expected: 'defer / alias readers differ / 451 4.7.5',
  },
  {
    name: 'an alias with a reader that refuses is refused',
    facts: alias([user([key('usable')]), user([key('unusable')])]),
    expected: 'defer / key unusable / 450 4.7.5',
  },
  {
    name: 'an alias without readers is a temporary failure: nobody said that its mail may pass',
    facts: alias([]),
    expected: 'defer / alias without readers / 451 4.2.4',
  },
  {
    name: 'an alias loop is a temporary failure',
    facts: facts({ kind: 'loop', via: [] }),
    expected: 'defer / alias loop / 451 4.4.6',
  },
];

describe('a copy for readers with OpenPGP keys and X.509 certificates', () => {
  const certificate = (name: string): StoredKey => ({ ...key('usable', name), kind: 'x509' });
  /** Valid keys only; the preferred kind where there is one. */
  const chooseKind = (keys: readonly StoredKey[], prefer: StoredKey['kind']): KeyChoice => {
    const preferred = keys.filter(({ kind }) => kind === prefer);
    const use = preferred.length > 0 ? preferred : keys;
    return { ...choose(use), kind: use[0]?.kind ?? prefer };
  };
  const plan = (of: RecipientFacts, global: Partial<Settings> = {}) =>
    planCopy({
      facts: of,
      global: { ...GLOBAL, ...global },
      detection: plain,
      choose: chooseKind,
      message: null,
    });
  const used = (decision: ReturnType<typeof plan>) =>
    decision.action === 'seal'
      ? [decision.kind, ...decision.keys.map(({ fingerprint }) => fingerprint)]
      : [decision.because];

  it('is of the kind that the user prefers, with the cipher that the user can read', () => {
    const both = [key('usable', 'P'), certificate('S')];
    expect(used(plan(ofUser(both)))).toEqual(['openpgp', 'usable-P']);
    expect(used(plan(ofUser(both, { prefer: 'smime' })))).toEqual(['x509', 'usable-S']);
    expect(used(plan(ofUser(both, { prefer: 'openpgp' }), { prefer: 'smime' }))).toEqual([
      'openpgp',
      'usable-P',
    ]);
    expect(plan(ofUser([certificate('S')], { smime_cipher: 'cbc' }))).toMatchObject({
      action: 'seal',
      reason: '1 X.509 certificate of the recipient',
      smimeCipher: 'cbc',
    });
  });

  it('is OpenPGP for all readers of an alias where all have such a key', () => {
    const readers = ['A', 'B'].map((name) => user([key('usable', `P${name}`), certificate(`S${name}`)]));
    expect(used(plan(alias(readers), { prefer: 'smime' }))).toEqual(['openpgp', 'usable-PA', 'usable-PB']);
  });

  it.each([
    ['one has only a certificate', [[certificate('S')], [key('usable', 'P')]]],
    ['all have only certificates', [[certificate('S')], [certificate('T')]]],
  ])('is deferred for an alias where %s: S/MIME would tell each of the others', (_, keys) => {
    expect(used(plan(alias(keys.map((each) => user(each)))))).toEqual(['alias readers differ']);
  });

  it('is S/MIME for an alias of one user', () => {
    expect(used(plan(alias([user([certificate('S')])])))).toEqual(['x509', 'usable-S']);
  });
});

describe('the plan for one copy', () => {
  it.each(CASES)('$name', (input) => {
    expect(summary(input)).toBe(input.expected);
  });

  it('hides key IDs where a copy has several readers, so that none learns of the other', () => {
    const decision = planCopy({
      facts: alias([user([key('usable', 'A')]), user([key('usable', 'B')])]),
      global: GLOBAL,
      detection: plain,
      message: null,
      choose,
    });
    expect(decision).toMatchObject({ action: 'seal', hideKeyIds: true });
  });

  it('carries the settings of the reader', () => {
    const decision = planCopy({
      facts: ofUser([key('usable')], { subject: 'hide', hide_key_ids: true }),
      global: GLOBAL,
      detection: plain,
      message: null,
      choose,
    });
    expect(decision).toMatchObject({ action: 'seal', subject: 'hide', hideKeyIds: true, style: 'mime' });
  });

  it('lets the stricter reader of an alias decide what is hidden, and says where the inline style hides nothing', () => {
    const decide = (...settings: readonly SettingsOverride[]) =>
      planCopy({
        facts: alias(settings.map((each, index) => user([key('usable', String(index))], each))),
        global: GLOBAL,
        detection: plain,
        choose,
        message: null,
      });
    expect(
      decide({ style: 'inline', header_policy: 'baseline' }, { subject: 'hide' }, { header_policy: 'shy' }),
    ).toMatchObject({ style: 'mime', subject: 'hide', headerPolicy: 'shy' });
    expect(decide({ style: 'inline' }, { style: 'inline' })).toMatchObject({ style: 'inline' });
    expect(decide({ style: 'inline', header_policy: 'baseline' }).reason).toBe(
      '1 key of the recipient; the inline style leaves the header visible, Subject included',
    );
    expect(decide({ style: 'inline' }).reason).toBe('1 key of the recipient');
  });

  it('lesson 11: a directory that cannot be asked is a temporary failure, never "no key"', () => {
    expect(directoryUnavailable()).toMatchObject({
      action: 'defer',
      reply: { code: 451, enhanced: '4.4.3' },
    });
  });

  it('never shows an address in a reply', () => {
    for (const input of CASES) {
      const decision = planCopy({
        facts: input.facts,
        global: { ...GLOBAL, ...input.global } as Settings,
        detection: input.detection ?? plain,
        message: input.message ?? null,
        choose,
      });
      if ('reply' in decision) expect(decision.reply.text).not.toContain('@');
    }
  });
});

describe('plaintext to an address that nobody has', () => {
  const ours = { name: 'example.org' } as unknown as Domain;
  it.each([
    ['in a domain of ours', 'no key', 'nobody', ours, false, true],
    ['in a domain of ours that does not seal', 'encryption off', 'nobody', ours, false, true],
    ['by a rule', 'rule', 'nobody', ours, false, true],
    ['outside', 'no key', 'nobody', null, false, false],
    ['that somebody has', 'no key', 'user', ours, false, false],
    ['that an alias has', 'no key', 'alias', ours, false, false],
    ['of a message that is encrypted', 'already encrypted', 'nobody', ours, true, false],
    ['of one that is encrypted, where nothing is sealed', 'encryption off', 'nobody', ours, true, false],
  ] as const)('is told: %s', (_name, because, kind, domain, encrypted, told) => {
    const facts = { resolution: { kind } as RecipientFacts['resolution'], domain };
    expect(passesUnknown({ action: 'pass', because }, facts, { encrypted })).toBe(told);
    expect(passesUnknown({ action: 'defer', because }, facts, { encrypted })).toBe(false);
  });

  it('is told at a name of this machine, where Postfix may have an alias of that name', () => {
    const facts = { resolution: { kind: 'nobody' }, domain: null, unknownHere: true } as const;
    const passes = { action: 'pass', because: 'no key' } as const;
    expect(passesUnknown(passes, facts, { encrypted: false })).toBe(true);
    expect(passesUnknown(passes, facts, { encrypted: true })).toBe(false);
  });
});
