import { describe, expect, it } from 'vitest';
import type { Address } from '../../../src/address/address.ts';
import { configSchema } from '../../../src/config/schema.ts';
import type { SettingsOverride } from '../../../src/config/settings.ts';
import { planCopy } from '../../../src/delivery/plan.ts';
import { firstMatch, ruledMessage, ruleMatches, rulesInOrder } from '../../../src/delivery/rules.ts';
import type { Domain, Reader, Resolution, Rule, StoredKey } from '../../../src/directory/types.ts';
import type { KeyChoice } from '../../../src/keys/choose.ts';

const rule = (id: number, action: Rule['action'], conditions: Partial<Rule> = {}): Rule => ({
  id,
  action,
  sender: null,
  header: null,
  largerThan: null,
  ...conditions,
});
const from = (sender: string): Partial<Rule> => ({ sender });
const header = (name: string, pattern: string): Partial<Rule> => ({ header: { name, pattern } });

const MESSAGE = [
  'Subject: =?utf-8?Q?R=C3=BCckruf?= =?utf-8?B?IGRlciBCYW5r?=',
  'List-Id: The =?iso-8859-1?q?Sch=F6ne?=\r\n\tlist <announce.lists.example>',
  'X-Spam: YES',
  'X-Spam: second',
  'X-Raw: gr\xc3\xbc\xc3\x9fe',
  'X-Latin: gr\xfc\xdfe',
  'X-Word: =?no-such-charset?Q?abc?=',
  'X-Broken: =?utf-8?Q?=C3=?= =?utf-8?B?',
  '',
  'X-Body: not a field',
  '',
].join('\r\n');
const message = (sender: string | null) => ruledMessage(Buffer.from(MESSAGE, 'latin1'), sender);
const SIZE = Buffer.byteLength(MESSAGE, 'latin1');

describe('a rule matches mail', () => {
  const table: readonly (readonly [
    name: string,
    conditions: Partial<Rule>,
    sender: string | null,
    matches: boolean,
  ])[] = [
    ['from a domain', from('*@bank.example'), 'info@bank.example', true],
    ['whatever the case of its sender', from('*@bank.example'), 'Info@BANK.example', true],
    ['never from a subdomain that was not named', from('*@bank.example'), 'info@mail.bank.example', false],
    ['from every subdomain', from('*@*.bank.example'), 'info@mail.bank.example', true],
    ['never from a domain that ends alike', from('*@bank.example'), 'info@notbank.example', false],
    [
      'never where the domain stands in the local part',
      from('*@bank.example'),
      '"x@bank.example"@evil.example',
      false,
    ],
    ['never through a source route', from('*@bank.example'), '@bank.example:x@evil.example', false],
    ['from one address', from('billing@bank.example'), 'billing@bank.example', true],
    ['from that address alone', from('billing@bank.example'), 'abilling@bank.example', false],
    ['from a domain in Unicode', from('*@xn--bcher-kva.example'), 'a@b\xc3\xbccher.example', true],
    ['from the null sender, by its own name', from('<>'), '', true],
    ['never from the null sender by *', from('*@*'), '', false],
    ['never from anybody by <>', from('<>'), 'a@b.example', false],
    ['from anybody by *', from('*@*'), 'a@b.example', true],
    ['never by sender where it is not known', from('*@*'), null, false],
    ['never by sender where it is no address', from('*@*'), 'not an address', false],
    [
      'with a header, folded or not',
      header('list-id', '*list <announce.lists.example>'),
      'a@b.example',
      true,
    ],
    ['with a header, its words decoded', header('subject', 'rückruf der bank'), 'a@b.example', true],
    [
      'with a header as it stands',
      header('subject', '=[?]utf-8*'.replace('[?]', '\\?')),
      'a@b.example',
      true,
    ],
    ['with a header of another charset', header('list-id', '*schöne*'), 'a@b.example', true],
    ['with a second field of that name', header('x-spam', 'second'), 'a@b.example', true],
    ['with raw UTF-8', header('x-raw', 'grüße'), 'a@b.example', true],
    ['with raw Latin-1', header('x-latin', 'grüße'), 'a@b.example', true],
    ['with a charset that nobody knows, as it stands', header('x-word', '*abc*'), 'a@b.example', true],
    ['with words that end in the middle', header('x-broken', '*'), 'a@b.example', true],
    ['never with a part of a value', header('x-spam', 'YE'), 'a@b.example', false],
    ['never with a header that is not there', header('x-none', '*'), 'a@b.example', false],
    ['never with what stands in the body', header('x-body', '*'), 'a@b.example', false],
    ['that is larger', { largerThan: SIZE - 1 }, 'a@b.example', true],
    ['never that is just as large', { largerThan: SIZE }, 'a@b.example', false],
    ['that meets all of several conditions', { ...from('*@b.example'), largerThan: 10 }, 'a@b.example', true],
    ['never that meets only some', { ...from('*@b.example'), largerThan: 1e6 }, 'a@b.example', false],
    [
      'never that meets only some, header included',
      { ...from('*@c.example'), ...header('x-spam', 'yes') },
      'a@b.example',
      false,
    ],
  ];
  it.each(table)('%s', (_name, conditions, sender, matches) => {
    expect(ruleMatches(rule(1, 'pass', conditions), message(sender))).toBe(matches);
  });

  it('by the first 100 KB of the fields of a name, and no more', () => {
    const field = `X-Long: ${'a'.repeat(60_000)}\r\n`;
    const long = ruledMessage(Buffer.from(`${field}${field}X-Long: end\r\n\r\n`), 'a@b.example');
    expect(ruleMatches(rule(1, 'pass', header('x-long', 'end')), long)).toBe(false);
    expect(ruleMatches(rule(1, 'pass', header('x-long', 'aaa*')), long)).toBe(true);
  });

  it('without a header at all, or with nothing in it', () => {
    expect(ruleMatches(rule(1, 'pass', header('subject', '*')), ruledMessage(Buffer.alloc(0), ''))).toBe(
      false,
    );
    expect(ruleMatches(rule(1, 'pass', from('<>')), ruledMessage(Buffer.alloc(0), ''))).toBe(true);
  });
});

it("the first rule that matches decides, the user's before the domain's", () => {
  const rules = rulesInOrder(
    { rules: [rule(7, 'seal', from('*@x.example')), rule(3, 'pass', from('*@b.example'))] },
    { rules: [rule(1, 'reject', from('*@*'))] },
  );
  expect(firstMatch(rules, message('a@b.example'))).toMatchObject({ rule: { id: 3 }, level: 'user' });
  expect(firstMatch(rules, message('a@c.example'))).toMatchObject({ rule: { id: 1 }, level: 'domain' });
  expect(firstMatch(rules, message(''))).toBeNull();
});

const GLOBAL = configSchema.parse({}).encryption;

/** A key whose state is its fingerprint. */
function key(state: 'usable' | 'expired' | 'unusable', name = ''): StoredKey {
  return {
    kind: 'openpgp',
    fingerprint: `${state}${name}`,
    certificate: new Uint8Array(),
    status: 'active',
    source: 'cli',
    createdAt: new Date(0),
  };
}

function choose(keys: readonly StoredKey[]): KeyChoice {
  const [first] = keys;
  const state = (['usable', 'expired', 'unusable'] as const).find((each) =>
    first?.fingerprint.startsWith(each),
  );
  const use = state === 'unusable' ? [] : keys.map((one) => ({ ...one, at: 0 }));
  return { state: state ?? 'missing', kind: 'openpgp', use, leftOut: [], judged: [] };
}

interface Person {
  readonly keys?: readonly StoredKey[];
  readonly rules?: readonly Rule[];
  readonly domainRules?: readonly Rule[];
  readonly settings?: SettingsOverride;
}

function domainWith(rules: readonly Rule[] = []): Domain {
  return {
    id: 1,
    name: 'example.org',
    class: 'virtual',
    foldLocalPart: true,
    settings: {},
    transport: null,
    rules,
  };
}

function person({ keys = [key('usable')], rules = [], domainRules, settings = {} }: Person): Reader {
  return {
    kind: 'user',
    user: {
      id: 7,
      address: 'a@example.org' as Address,
      status: 'active',
      settings,
      domain: domainWith(domainRules),
      quotaBytes: null,
      rules,
    },
    keys,
  };
}

function decide(
  resolution: Resolution,
  options: {
    readonly domain?: Domain | null;
    readonly encrypted?: boolean;
    readonly unseen?: boolean;
    readonly domainKeys?: readonly StoredKey[];
  } = {},
): string {
  const decision = planCopy({
    facts: {
      address: 'a@example.org' as Address,
      resolution,
      domain: options.domain ?? null,
      domainKeys: options.domainKeys ?? [],
    },
    global: GLOBAL,
    detection:
      options.encrypted === true
        ? { encrypted: true, how: 'pgp-mime', because: 'multipart/encrypted', keyIds: [] }
        : { encrypted: false, because: 'text/plain' },
    message: options.unseen === true ? null : message('a@b.example'),
    choose,
  });
  const detail =
    decision.action === 'seal'
      ? decision.keys.map(({ fingerprint }) => fingerprint).join('+')
      : 'reply' in decision
        ? `${decision.reply.code} ${decision.reply.enhanced}`
        : decision.action === 'pass' && decision.plaintextByChoice
          ? 'by choice'
          : '';
  expect(decision.reason).not.toMatch(/@/);
  return [decision.action, decision.because, detail].join(' / ');
}

const one = (who: Person): Resolution => ({ kind: 'user', readers: [person(who)], via: [] });
const several = (...people: readonly Reader[]): Resolution => ({ kind: 'alias', readers: people, via: [] });
const outsider: Reader = { kind: 'outside', address: 'x@example.net' as Address };
const hit = from('*@b.example');
const miss = from('*@c.example');

describe('the plan under rules:', () => {
  const table: readonly (readonly [name: string, resolution: Resolution, expected: string])[] = [
    ['pass', one({ rules: [rule(1, 'pass', hit)] }), 'pass / rule / by choice'],
    ['pass of the domain', one({ domainRules: [rule(1, 'pass', hit)] }), 'pass / rule / by choice'],
    ['reject', one({ rules: [rule(1, 'reject', hit)] }), 'reject / rule / 550 5.7.1'],
    [
      'one that does not match changes nothing',
      one({ rules: [rule(1, 'pass', miss), rule(2, 'reject', miss)] }),
      'seal / usable key / usable',
    ],
    [
      'the first match decides',
      one({ rules: [rule(1, 'pass', miss), rule(2, 'reject', hit), rule(3, 'pass', hit)] }),
      'reject / rule / 550 5.7.1',
    ],
    [
      'the user’s pass stands above the domain’s reject',
      one({ rules: [rule(9, 'pass', hit)], domainRules: [rule(1, 'reject', hit)] }),
      'pass / rule / by choice',
    ],
    [
      'the user’s seal is an exception from the domain’s pass',
      one({ rules: [rule(9, 'seal', hit)], domainRules: [rule(1, 'pass', hit)] }),
      'seal / usable key / usable',
    ],
    [
      'seal stands above encrypt = off',
      one({ rules: [rule(1, 'seal', hit)], settings: { encrypt: false } }),
      'seal / usable key / usable',
    ],
    [
      'encrypt = off without a match stays off',
      one({ rules: [rule(1, 'seal', miss)], settings: { encrypt: false } }),
      'pass / encryption off / ',
    ],
    [
      'seal without a key waits: plaintext is no way out',
      one({ keys: [], rules: [rule(1, 'seal', hit)] }),
      'defer / no key / 450 4.7.5',
    ],
    [
      'seal without a key under on_missing_key = reject is refused',
      one({ keys: [], rules: [rule(1, 'seal', hit)], settings: { on_missing_key: 'reject' } }),
      'reject / no key / 550 5.7.5',
    ],
    [
      'seal with an expired key seals',
      one({ keys: [key('expired')], rules: [rule(1, 'seal', hit)] }),
      'seal / expired key used / expired',
    ],
    [
      'seal with an expired key under on_expired_key = pass waits',
      one({ keys: [key('expired')], rules: [rule(1, 'seal', hit)], settings: { on_expired_key: 'pass' } }),
      'defer / key expired / 450 4.7.5',
    ],
    [
      'seal with an unusable key under on_unusable_key = pass waits',
      one({ keys: [key('unusable')], rules: [rule(1, 'seal', hit)], settings: { on_unusable_key: 'pass' } }),
      'defer / key unusable / 450 4.7.5',
    ],
    [
      'pass without a key passes, whatever on_missing_key says',
      one({ keys: [], rules: [rule(1, 'pass', hit)], settings: { on_missing_key: 'reject' } }),
      'pass / rule / by choice',
    ],
    [
      'pass with a revoked key passes: it is an exception by an administrator, and no error',
      one({ keys: [key('unusable')], rules: [rule(1, 'pass', hit)] }),
      'pass / rule / by choice',
    ],
    [
      'an alias whose readers all pass by rule passes',
      several(person({ rules: [rule(1, 'pass', hit)] }), person({ rules: [rule(2, 'pass', hit)] })),
      'pass / rule / by choice',
    ],
    [
      'an alias with one reader who passes by rule and one without a key passes',
      several(person({ rules: [rule(1, 'pass', hit)] }), outsider),
      'pass / rule / by choice',
    ],
    [
      'an alias with one reader who passes by rule and one whose copy is sealed is sealed to both',
      several(
        person({ keys: [key('usable', 'A')], rules: [rule(1, 'pass', hit)] }),
        person({ keys: [key('usable', 'B')] }),
      ),
      'seal / usable key / usableA+usableB',
    ],
    [
      'an alias with a reader who passes by rule without a key and one whose copy is sealed is deferred',
      several(person({ keys: [], rules: [rule(1, 'pass', hit)] }), person({})),
      'defer / alias readers differ / 451 4.7.5',
    ],
    [
      'an alias with a reader whose rule rejects is refused',
      several(person({ rules: [rule(1, 'reject', hit)] }), person({ rules: [rule(2, 'pass', hit)] })),
      'reject / rule / 550 5.7.1',
    ],
  ];
  it.each(table)('%s', (_name, resolution, expected) => {
    expect(decide(resolution)).toBe(expected);
  });

  it("the domain's rules count for nobody in it, and for no stranger", () => {
    const domain = domainWith([rule(1, 'reject', hit)]);
    expect(decide({ kind: 'nobody' }, { domain })).toBe('reject / rule / 550 5.7.1');
    expect(decide({ kind: 'nobody' })).toBe('pass / no key / ');
  });

  it('what is encrypted already passes under seal, and a pass of it is no plaintext', () => {
    expect(decide(one({ rules: [rule(1, 'seal', hit)] }), { encrypted: true })).toBe(
      'pass / already encrypted / ',
    );
    expect(decide(one({ rules: [rule(1, 'pass', hit)] }), { encrypted: true })).toBe('pass / rule / ');
    expect(decide(one({ rules: [rule(1, 'reject', hit)] }), { encrypted: true })).toBe(
      'reject / rule / 550 5.7.1',
    );
  });

  it('without a message no rule is tried', () => {
    expect(decide(one({ rules: [rule(1, 'reject', hit)] }), { unseen: true })).toBe(
      'seal / usable key / usable',
    );
  });
});

describe('a rule reads encoded words as mail programs do', () => {
  const subject = (value: string) =>
    ruledMessage(
      Buffer.from(`From: a@b.example\r\nSubject: ${value}\r\n\r\nbody\r\n`, 'latin1'),
      'a@b.example',
    );
  const wanted = { ...rule(1, 'seal'), ...header('subject', '*vertrauliche grüße*') };

  it.each([
    [
      'a character split between two B words',
      '=?UTF-8?B?U3RyZW5nIHZlcnRyYXVsaWNoZSBHcsM=?=\r\n =?UTF-8?B?vMOfZSBhbiBhbGxl?=',
    ],
    ['a Q word with a fold', '=?UTF-8?Q?Streng_vertrauliche_\r\n Gr=C3=BC=C3=9Fe_an_alle?='],
    ['a fold inside a syllable', '=?UTF-8?Q?Streng_vertrau\r\n liche_Gr=C3=BC=C3=9Fe?='],
    ['a Q word with blanks', '=?UTF-8?Q?Streng vertrauliche Gr=C3=BC=C3=9Fe?='],
    ['a character split between two Q words', '=?utf-8?q?vertrauliche_Gr=C3?= =?UTF-8?Q?=BC=C3=9Fe?='],
    ['a character split between B and Q', '=?utf-8?B?dmVydHJhdWxpY2hlIEdyww==?= =?utf-8?Q?=BC=C3=9Fe?='],
    [
      'a character split over three words',
      '=?utf-8?Q?vertrauliche_Gr=C3?= =?utf-8?Q?=BC=C3?= =?utf-8?Q?=9Fe?=',
    ],
    ['words without white space between', '=?utf-8?Q?vertrauliche_Gr=C3?==?utf-8?Q?=BC=C3=9Fe?='],
    ['words of two charsets', '=?utf-8?Q?vertrauliche_Gr=C3=BC?= =?iso-8859-1?Q?=DFe?='],
    ['a language tag', '=?utf-8*de?Q?vertrauliche_Gr=C3?= =?utf-8*de?Q?=BC=C3=9Fe?='],
    ['a blank inside a B word', '=?UTF-8?B?dmVydHJhdWxpY2hl\r\n IEdyw7zDn2U=?='],
    ['a question mark in a Q word', '=?UTF-8?Q?Was??vertrauliche_Gr=C3=BC=C3=9Fe?='],
    [
      'UTF-16 split in a character',
      '=?utf-16be?B?AHYAZQByAHQAcgBhAHUAbABpAGMAaABlACAARwByAA==?= =?utf-16be?B?/ADfAGU=?=',
    ],
    ['text around', 'Re: =?UTF-8?Q?vertrauliche_Gr=C3=BC=C3=9Fe?= (war: x)'],
    ['a broken word before', '=?x =?UTF-8?Q?vertrauliche_Gr=C3=BC=C3=9Fe?='],
    ['two blanks for one', '=?UTF-8?Q?vertrauliche_?= =?UTF-8?Q?_Gr=C3=BC=C3=9Fe?='],
  ])('%s', (_how, value) => {
    expect(ruleMatches(wanted, subject(value))).toBe(true);
  });

  it('leaves words of a charset that nobody knows, and what is no word', () => {
    for (const value of ['=?no-such?Q?vertrauliche_Gr=C3=BC=C3=9Fe?=', '=?utf-8?X?vertrauliche_Gr=C3=BC?='])
      expect(ruleMatches(wanted, subject(value))).toBe(false);
  });
});
