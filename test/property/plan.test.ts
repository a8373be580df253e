// The plan for any recipient, any settings, any rules and any message: it always decides, says why, and lets plaintext out
// only where a setting, a rule or the want of any key says so.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Address } from '../../src/address/address.ts';
import { effectiveSettings, type Settings, type SettingsOverride } from '../../src/config/settings.ts';
import type { PlanInput } from '../../src/delivery/decision.ts';
import { planCopy } from '../../src/delivery/plan.ts';
import { ruledMessage } from '../../src/delivery/rules.ts';
import type { Domain, Reader, RecipientFacts, Rule, StoredKey } from '../../src/directory/types.ts';
import type { KeyChoice } from '../../src/keys/choose.ts';
import { detectEncrypted } from '../../src/message/detect.ts';
import { anyMessage } from './any-message.ts';

const settings = fc.record({
  encrypt: fc.boolean(),
  style: fc.constantFrom('mime', 'inline'),
  subject: fc.constantFrom('keep', 'hide'),
  header_policy: fc.constantFrom('no_confidentiality', 'baseline', 'shy'),
  on_missing_key: fc.constantFrom('pass', 'defer', 'reject'),
  on_expired_key: fc.constantFrom('encrypt', 'defer', 'reject', 'pass'),
  on_unusable_key: fc.constantFrom('defer', 'reject', 'pass'),
  hide_key_ids: fc.boolean(),
  prefer: fc.constantFrom('openpgp', 'smime'),
  smime_cipher: fc.constantFrom('gcm', 'cbc', 'cbc-pkcs1'),
}) as fc.Arbitrary<Settings>;
const override = settings.chain((all) =>
  fc
    .subarray(Object.keys(all))
    .map((names) => Object.fromEntries(Object.entries(all).filter(([name]) => names.includes(name)))),
) as fc.Arbitrary<SettingsOverride>;

const rule: fc.Arbitrary<Rule> = fc.record({
  id: fc.integer({ min: 1, max: 99 }),
  action: fc.constantFrom('seal', 'pass', 'reject'),
  sender: fc.constantFrom(null, '*', '<>', '*@outside.example'),
  header: fc.constantFrom(null, { name: 'subject', pattern: '*' }, { name: 'x-a', pattern: 'b*' }),
  largerThan: fc.constantFrom(null, 0, 100),
});
const rules = fc.array(rule, { maxLength: 3 });

type State = 'usable' | 'expired' | 'unusable';
const key: fc.Arbitrary<StoredKey> = fc
  .tuple(fc.constantFrom<State>('usable', 'expired', 'unusable'), fc.nat(999))
  .map(([state, number]) => ({
    kind: 'openpgp',
    fingerprint: `${state}-${number}`,
    certificate: new Uint8Array(),
    status: 'active',
    source: 'cli',
    createdAt: new Date(0),
  }));
const keys = fc.array(key, { maxLength: 3 });

const domain: fc.Arbitrary<Domain> = fc.tuple(override, rules).map(([own, exceptions]) => ({
  id: 1,
  name: 'example.org',
  class: 'virtual',
  foldLocalPart: true,
  settings: own,
  transport: null,
  rules: exceptions,
}));
const address = 'a@example.org' as Address;

const user = (own: Domain): fc.Arbitrary<Reader> =>
  fc.tuple(override, rules, keys).map(([mine, exceptions, certificates]) => ({
    kind: 'user',
    user: {
      id: 7,
      address,
      status: 'active',
      settings: mine,
      domain: own,
      quotaBytes: null,
      rules: exceptions,
    },
    keys: certificates,
  }));

const facts: fc.Arbitrary<RecipientFacts> = fc.tuple(domain, keys).chain(([own, domainKeys]) =>
  fc
    .oneof(
      user(own).map((reader) => ({ kind: 'user' as const, readers: [reader] as const, via: [] })),
      fc
        .array(user(own), { maxLength: 3 })
        .map((readers) => ({ kind: 'alias' as const, readers, via: [address] })),
      fc.constant({ kind: 'nobody' as const }),
      fc.constant({ kind: 'loop' as const, via: [address] }),
    )
    .map((resolution) => ({ address, resolution, domain: own, domainKeys })),
);

function choose(known: readonly StoredKey[]): KeyChoice {
  const inState = (state: State) => known.filter((one) => one.fingerprint.startsWith(`${state}-`));
  const use = (chosen: readonly StoredKey[]) =>
    chosen.map(({ fingerprint, certificate }) => ({ fingerprint, certificate, at: 0 }));
  const left = (used: readonly StoredKey[]) =>
    known
      .filter((one) => !used.includes(one))
      .map(({ fingerprint }) => ({ fingerprint, because: 'told by the test' }));
  for (const state of ['usable', 'expired'] as const) {
    const found = inState(state);
    if (found.length > 0)
      return { state, kind: 'openpgp', use: use(found), leftOut: left(found), judged: [] };
  }
  return {
    state: known.length === 0 ? 'missing' : 'unusable',
    kind: 'openpgp',
    use: [],
    leftOut: left([]),
    judged: [],
  };
}

const input: fc.Arbitrary<PlanInput> = fc
  .tuple(facts, settings, anyMessage(), fc.constantFrom('', 'c@outside.example', null))
  .map(([known, global, message, sender]) => ({
    facts: known,
    global,
    detection: detectEncrypted(message),
    message: ruledMessage(message, sender),
    choose,
  }));

interface ReaderFacts {
  readonly settings: Settings;
  readonly state: KeyChoice['state'];
  readonly rules: readonly Rule[];
}

/** What holds for each reader, found a second time and slowly. */
function readersOf({ facts: known, global }: PlanInput): readonly ReaderFacts[] {
  const own = known.domain;
  if (!('readers' in known.resolution)) {
    const values = effectiveSettings(global, own?.settings, undefined).values;
    return [{ settings: values, state: choose(known.domainKeys).state, rules: own?.rules ?? [] }];
  }
  return known.resolution.readers.map((reader) => {
    if (reader.kind !== 'user') throw new Error('the test makes users only');
    return {
      settings: effectiveSettings(global, reader.user.domain.settings, reader.user.settings).values,
      state: choose(reader.keys.length > 0 ? reader.keys : known.domainKeys).state,
      rules: [...reader.user.rules, ...reader.user.domain.rules],
    };
  });
}

const RUNS = { numRuns: 1500 };

describe('the plan, whatever it is given', () => {
  it('decides with a reason, and refuses with a reply of the right class', () => {
    fc.assert(
      fc.property(input, (given) => {
        const decision = planCopy(given);
        expect(decision.reason).not.toBe('');
        if (decision.action === 'defer')
          expect(decision.reply.code).toSatisfy((code) => code >= 400 && code < 500);
        if (decision.action === 'reject') expect(decision.reply.code).toSatisfy((code) => code >= 500);
        if (decision.action === 'seal') expect(decision.keys.length).toBeGreaterThan(0);
      }),
      RUNS,
    );
  });

  it('passes plaintext only for a reason that holds for a reader', () => {
    fc.assert(
      fc.property(input, (given) => {
        const decision = planCopy(given);
        if (decision.action !== 'pass') return;
        const readers = readersOf(given);
        const holds: Partial<Record<typeof decision.because, (reader: ReaderFacts) => boolean>> = {
          'encryption off': (reader) => !reader.settings.encrypt,
          rule: (reader) => reader.rules.some((one) => one.action === 'pass'),
          'already encrypted': () => given.detection.encrypted,
          'no key': (reader) => reader.state === 'missing' && reader.settings.on_missing_key === 'pass',
          'key expired': (reader) => reader.state === 'expired' && reader.settings.on_expired_key === 'pass',
          'key unusable': (reader) =>
            reader.state === 'unusable' && reader.settings.on_unusable_key === 'pass',
        };
        expect(readers.some((reader) => holds[decision.because]?.(reader) ?? false)).toBe(true);
      }),
      RUNS,
    );
  });

  it('seals only to keys of the readers or the domain, and never to one that is unusable', () => {
    fc.assert(
      fc.property(input, (given) => {
        const decision = planCopy(given);
        if (decision.action !== 'seal') return;
        const { resolution, domainKeys } = given.facts;
        const known = [
          ...domainKeys,
          ...('readers' in resolution
            ? resolution.readers.flatMap((reader) => (reader.kind === 'outside' ? [] : reader.keys))
            : []),
        ].map(({ fingerprint }) => fingerprint);
        for (const { fingerprint } of decision.keys) {
          expect(known).toContain(fingerprint);
          expect(fingerprint).not.toMatch(/^unusable/);
        }
      }),
      RUNS,
    );
  });
});
