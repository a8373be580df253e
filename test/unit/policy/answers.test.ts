// The pure answers of every map, asked of the directory in questions.ts.
import { describe, expect, it } from 'vitest';
import {
  clientFingerprint,
  domainClass,
  domainTransport,
  senderLogin,
  transport,
  virtualAlias,
  virtualMailbox,
} from '../../../policy/answers.ts';
import { checkRecipient, isOverQuota } from '../../../policy/check-recipient.ts';
import type { AddressFacts, Answer, AnswerOptions, MapName } from '../../../policy/facts.ts';
import { pathOfKey } from '../../../policy/internal-form.ts';
import { normaliseDomain, parsePath } from '../../../src/address/normalise.ts';
import { configSchema } from '../../../src/config/schema.ts';
import { type EachDecided, eachOf } from '../../../src/delivery/decide.ts';
import type { PlanInput } from '../../../src/delivery/decision.ts';
import { normaliseFingerprint } from '../../../src/directory/fingerprint.ts';
import { chooseKeys } from '../../../src/keys/choose.ts';
import { QUESTIONS, TEMPORARY } from '../../support/questions.ts';
import { storedKey } from '../directory/rows.ts';
import { domainFactsOf, expiryOf, factsOf, grantsOf, keysOfUsers } from './in-memory.ts';

const global = configSchema.parse({}).encryption;
const OPTIONS: AnswerOptions = {
  mailboxDomain: '',
  delimiters: '+',
  propagateExtension: false,
  keyAddress: null,
};
type Choose = PlanInput['choose'];
const noKeys: Choose = () => chooseKeys([], 0);

/** What the key settings say before there is a message. */
function beforehand(
  { recipient }: AddressFacts,
  choose: Choose,
  settings: Partial<typeof global> = {},
): EachDecided {
  return eachOf({
    facts: recipient,
    global: { ...global, ...settings },
    detection: { encrypted: false, because: 'not seen' },
    message: null,
    choose,
  });
}

const NO_FACTS: AddressFacts = {
  asked: null,
  recipient: { address: null, resolution: { kind: 'nobody' }, domain: null, domainKeys: [] },
  domain: null,
  mailboxes: new Map(),
  strangers: new Set(),
  keysUnread: null,
};

function facts(key: string, options: AnswerOptions, pathOf = pathOfKey): AddressFacts {
  const parts = parsePath(pathOf(Buffer.from(key, 'utf8').toString('latin1')));
  return parts === null ? NO_FACTS : factsOf(parts, options);
}

function ask(
  map: MapName,
  key: string,
  options: AnswerOptions = OPTIONS,
  size: number | null = null,
): Answer {
  const known = map === 'check_recipient' ? facts(key, options, (path) => path) : facts(key, options);
  switch (map) {
    case 'check_recipient':
      return checkRecipient(known, size, beforehand(known, noKeys), options);
    case 'virtual_alias':
      return virtualAlias(known, options);
    case 'virtual_mailbox':
      return virtualMailbox(known, options);
    case 'virtual_domains':
    case 'relay_domains': {
      const name = normaliseDomain(key);
      return domainClass(
        name,
        domainFactsOf(name ?? ''),
        map === 'relay_domains' ? 'relay' : 'virtual',
        options,
      );
    }
    case 'transport': {
      const name = known.asked === null ? normaliseDomain(key) : null;
      return name === null ? transport(known) : domainTransport(domainFactsOf(name));
    }
    case 'sender_login':
      return senderLogin(known, known.asked === null ? [] : grantsOf(known.asked, '+'));
    case 'client_fingerprint': {
      const canonical = normaliseFingerprint(key);
      return clientFingerprint(canonical, canonical === null ? null : expiryOf(canonical), '2026-11-21');
    }
  }
}

function valueIn(answer: Answer): string | null {
  return answer.kind === 'found' ? answer.value : answer.kind === 'temporary' ? TEMPORARY : null;
}

describe('the table of questions', () => {
  it('has at least 120 questions', () => {
    expect(QUESTIONS.length).toBeGreaterThanOrEqual(120);
  });
  it.each(QUESTIONS)('%s %s is %s', (map, key, value) => {
    const answer = ask(map, key);
    expect(valueIn(answer), answer.reason).toBe(value);
    expect(answer.reason).not.toBe('');
  });
});

describe('the size of a message', () => {
  it.each([
    [1000, 'DUNNO'],
    [1001, 'DEFER_IF_PERMIT 4.2.2'],
    [null, 'DUNNO'],
  ])('of %s bytes for a mailbox with 1000 bytes left gives %s', (size, action) => {
    expect(valueIn(ask('check_recipient', 'dave@example.org', OPTIONS, size))).toMatch(
      new RegExp(`^${action}`),
    );
  });
  it('is not asked of a mailbox without quota', () => {
    const mailbox = { quotaMessages: null, usedBytes: 1e15, usedMessages: 1e9 };
    expect(isOverQuota({ quotaBytes: null }, mailbox, 1e15)).toBe(false);
  });
  it('makes a quota of zero refuse everything', () => {
    const mailbox = { quotaMessages: null, usedBytes: 0, usedMessages: 0 };
    expect(isOverQuota({ quotaBytes: 0 }, mailbox, null)).toBe(true);
  });
  it('counts messages as well as bytes', () => {
    const mailbox = { quotaMessages: 2, usedBytes: 0, usedMessages: 2 };
    expect(isOverQuota({ quotaBytes: null }, mailbox, 1)).toBe(true);
    expect(isOverQuota({ quotaBytes: null }, { ...mailbox, usedMessages: 1 }, 1)).toBe(false);
  });
});

describe('mailbox_domain', () => {
  const options = { ...OPTIONS, mailboxDomain: 'mail.internal' };
  it.each([
    ['virtual_alias', 'alice@example.org', 'id_1@mail.internal'],
    ['virtual_alias', 'team@example.org', 'id_1@mail.internal,id_2@mail.internal'],
    ['virtual_alias', 'id_1@mail.internal', null],
    ['virtual_mailbox', 'id_1@mail.internal', 'id_1/'],
    ['virtual_mailbox', 'id_99@mail.internal', null],
    ['virtual_domains', 'mail.internal', 'OK'],
    ['relay_domains', 'mail.internal', null],
    ['transport', 'id_7@mail.internal', 'smtp:[192.0.2.9]'],
    ['transport', 'id_15@mail.internal', 'lmtp:unix:/run/dovecot/lmtp'],
    ['check_recipient', 'id_1@mail.internal', 'DUNNO'],
    ['check_recipient', 'id_99@mail.internal', 'REJECT 5.1.1 No such recipient here'],
    ['check_recipient', 'alice@mail.internal', 'REJECT 5.1.1 No such recipient here'],
    ['check_recipient', 'id_12@mail.internal', 'REJECT 5.2.1 Moved away'],
  ] as const)('%s %s is %s', (map, key, value) => {
    expect(valueIn(ask(map, key, options))).toBe(value);
  });
});

describe('propagate_extension', () => {
  const options = { ...OPTIONS, propagateExtension: true };
  it.each([
    ['alice+work@example.org', 'id_1+work@example.org'],
    ['alice@example.org', 'id_1@example.org'],
    ['alice+lists@example.org', 'id_4@example.org'],
    ['team+x@example.org', 'id_1+x@example.org,id_2+x@example.org'],
    ['out+Tag@example.org', 'Some.One+Tag@outside.test'],
    // As in Postfix, a catch-all takes the extension with it.
    ['any+body@example.net', 'id_7@example.net'],
  ])('virtual_alias %s is %s', (key, value) => {
    expect(valueIn(ask('virtual_alias', key, options))).toBe(value);
  });
});

describe('without a recipient delimiter', () => {
  it('an extension belongs to the name', () => {
    const options = { ...OPTIONS, delimiters: '' };
    expect(valueIn(ask('check_recipient', 'alice+x@example.org', options))).toMatch(/^REJECT 5\.1\.1/);
  });
});

describe('key settings', () => {
  it('let an alias pass whose readers differ, since Postfix expands it before the filter', () => {
    const choose: Choose = (keys) =>
      keys.length === 0
        ? chooseKeys([], 0)
        : { state: 'usable', kind: 'openpgp' as const, use: [], leftOut: [], judged: [] };
    const known = facts('team@example.org', OPTIONS);
    expect(valueIn(checkRecipient(known, null, beforehand(known, choose), OPTIONS))).toBe('DUNNO');
  });
  it.each([
    ['team@example.org', 'a disabled member', [2], 'DUNNO'],
    ['c3@example.org', 'one of two members', [6], 'DUNNO'],
    ['c3@example.org', 'every member', [1, 6], 'DEFER_IF_PERMIT 4.7.5'],
    ['sales@example.org', 'the member beside one outside', [1], 'DUNNO'],
    ['ghostly@example.org', 'the member beside an address that nobody has', [1], 'DEFER_IF_PERMIT 4.7.5'],
    ['mixed@example.org', 'members that are disabled or full anyway', [2, 3], 'DEFER_IF_PERMIT 4.2.2'],
  ] as const)('answer for the alias %s with a revoked key of %s', (key, _whose, badKeys, action) => {
    const choose: Choose = (keys) =>
      keys.length === 0
        ? chooseKeys([], 0)
        : { state: 'unusable', kind: 'openpgp' as const, use: [], leftOut: [], judged: [] };
    for (const id of badKeys) keysOfUsers.set(id, [storedKey(`of ${id}`)]);
    const known = facts(key, OPTIONS);
    keysOfUsers.clear();
    expect(valueIn(checkRecipient(known, null, beforehand(known, choose), OPTIONS))).toMatch(
      new RegExp(`^${action}`),
    );
  });
  it('reject where every key is unusable and the setting says so', () => {
    const choose: Choose = () => ({
      state: 'unusable',
      kind: 'openpgp' as const,
      use: [],
      leftOut: [],
      judged: [],
    });
    const known = facts('alice@example.org', OPTIONS);
    const decided = beforehand(known, choose, { on_unusable_key: 'reject' });
    const answer = checkRecipient(known, null, decided, OPTIONS);
    expect(valueIn(answer)).toMatch(/^REJECT 5\.7\.5 /);
  });
  it('defer where every key is unusable, by default', () => {
    const choose: Choose = () => ({
      state: 'unusable',
      kind: 'openpgp' as const,
      use: [],
      leftOut: [],
      judged: [],
    });
    expect(
      valueIn(
        checkRecipient(
          facts('alice@example.org', OPTIONS),
          null,
          beforehand(facts('alice@example.org', OPTIONS), choose),
          OPTIONS,
        ),
      ),
    ).toMatch(/^DEFER_IF_PERMIT 4\.7\.5 /);
  });
  it('take an expired key by default', () => {
    const choose: Choose = () => ({
      state: 'expired',
      kind: 'openpgp' as const,
      use: [{ fingerprint: 'A', certificate: new Uint8Array(), at: 0 }],
      leftOut: [],
      judged: [],
    });
    expect(
      valueIn(
        checkRecipient(
          facts('alice@example.org', OPTIONS),
          null,
          beforehand(facts('alice@example.org', OPTIONS), choose),
          OPTIONS,
        ),
      ),
    ).toBe('DUNNO');
  });
});

describe('client certificates', () => {
  it('count through the whole of their last day', () => {
    expect(clientFingerprint('AA:BB', '2026-11-21', '2026-11-21').kind).toBe('found');
    expect(clientFingerprint('AA:BB', '2026-11-21', '2026-11-22').kind).toBe('not found');
  });
});
