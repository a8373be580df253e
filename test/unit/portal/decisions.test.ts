// What the portal decides without asking anybody: hosts, trusted fields, forms, changes, languages, what is said first.
import { describe, expect, it } from 'vitest';
import { changeFields, type FormChange, readChange } from '../../../portal/frame/changes.ts';
import { field, fingerprintOf, numberOf } from '../../../portal/frame/form.ts';
import { isOwnHost, isOwnSource, ownOrigin } from '../../../portal/frame/hosts.ts';
import { shown } from '../../../portal/frame/render.ts';
import { stateOf } from '../../../portal/frame/state.ts';
import { chooseLanguage, formatsOf } from '../../../portal/frame/texts.ts';
import { proxyDoor } from '../../../portal/portal.ts';
import { canBeAsked, parseImapServer, verdictOf } from '../../../portal/sign-in/imap.ts';
import { toldUser } from '../../../portal/sign-in/trusted-header.ts';
import { configSchema } from '../../../src/config/schema.ts';
import type { Settings } from '../../../src/config/settings.ts';
import { grouped } from '../../../src/keys/fingerprint.ts';
import type { KeyView } from '../../../src/keys/view.ts';

describe('the address of the portal', () => {
  it.for([
    [
      'https://keys.example.org',
      { origin: 'https://keys.example.org', host: 'keys.example.org', secure: true },
    ],
    [
      'https://Keys.Example.ORG:443',
      { origin: 'https://keys.example.org', host: 'keys.example.org', secure: true },
    ],
    ['http://127.0.0.1:9323', { origin: 'http://127.0.0.1:9323', host: '127.0.0.1:9323', secure: false }],
    ['https://example.org/keys', null],
    ['ftp://example.org', null],
    ['keys.example.org', null],
    ['', null],
  ] as const)('of %j is %j', ([url, expected]) => expect(ownOrigin(url)).toEqual(expected));

  const own = { origin: 'https://keys.example.org', host: 'keys.example.org', secure: true };

  it.for([
    ['keys.example.org', true],
    ['KEYS.example.org', true],
    ['keys.example.org:443', true],
    ['keys.example.org:80', false],
    ['keys.example.org.', false],
    ['evil.keys.example.org', false],
    ['keys.example.org@evil.test', false],
    ['keys.example.org, evil.test', false],
    ['', false],
    [undefined, false],
  ] as const)('is named by Host %j: %s', ([host, expected]) => expect(isOwnHost(host, own)).toBe(expected));

  it.for([
    [{}, true],
    [{ origin: own.origin }, true],
    [{ 'sec-fetch-site': 'same-origin' }, true],
    [{ 'sec-fetch-site': 'same-origin', origin: own.origin }, true],
    [{ 'sec-fetch-site': 'none' }, false],
    [{ 'sec-fetch-site': 'cross-site', origin: own.origin }, false],
    [{ 'sec-fetch-site': 'same-site' }, false],
    [{ 'sec-fetch-site': 'same-origin,cross-site' }, false],
    [{ origin: 'https://evil.test' }, false],
    [{ origin: 'null' }, false],
    [{ origin: '' }, false],
  ] as const)('is where a change with %j comes from: %s', ([headers, expected]) =>
    expect(isOwnSource(headers, own)).toBe(expected),
  );
});

describe('a trusted field', () => {
  const raw = (...pairs: readonly string[]) => toldUser(pairs, 'X-Remote-User', null);

  it.for([
    [['x-remote-user', 'alice@example.org'], { kind: 'user', name: 'alice@example.org' }],
    [['X-REMOTE-USER', ' alice@example.org '], { kind: 'user', name: 'alice@example.org' }],
    [['host', 'x-remote-user'], { kind: 'nobody' }],
    [[], { kind: 'nobody' }],
    [['x-remote-user', 'a@x.org', 'X-Remote-User', 'b@x.org'], { kind: 'refused', because: 'two fields' }],
    [['x-remote-user', 'a@x.org', 'x-remote-user', 'a@x.org'], { kind: 'refused', because: 'two fields' }],
    [['x-remote-user', 'a@x.org', 'X_Remote_User', 'b@x.org'], { kind: 'refused', because: 'two fields' }],
    [['x-remote-user', 'a@x.org,b@x.org'], { kind: 'refused', because: 'no name' }],
    [['x-remote-user', 'a@x.org b@x.org'], { kind: 'refused', because: 'no name' }],
    [['x-remote-user', ''], { kind: 'refused', because: 'no name' }],
    [['x-remote-user', 'a'.repeat(321)], { kind: 'refused', because: 'no name' }],
  ] as const)('as %j is %j', ([pairs, expected]) => expect(raw(...pairs)).toEqual(expected));

  it('with a secret counts beside exactly that secret, sent once', () => {
    const secret = 's'.repeat(40);
    const told = (...given: readonly string[]) =>
      toldUser(['X-Remote-User', 'a@x.org', ...given], 'X-Remote-User', secret).kind;
    expect(told('X-Sealpost-Proxy-Secret', secret)).toBe('user');
    expect(told()).toBe('refused');
    expect(told('X-Sealpost-Proxy-Secret', `${secret}s`)).toBe('refused');
    expect(told('X-Sealpost-Proxy-Secret', '')).toBe('refused');
    expect(told('X-Sealpost-Proxy-Secret', secret, 'x-sealpost-proxy-secret', secret)).toBe('refused');
  });
});

describe('the door of a proxy that signs users in', () => {
  const door = (portal: object, secret = 's'.repeat(32)) =>
    proxyDoor(configSchema.parse({ portal }).portal, () => `${secret}\n`);
  const unix = 'unix:/run/sealpost/portal-proxy.sock';

  it('is there on a unix socket, and on a port with a secret', () => {
    expect(door({})).toBeNull();
    expect(door({ trusted_header: 'X-User', trusted_listen: unix })).toEqual({
      field: 'X-User',
      secret: null,
    });
    expect(
      door({ trusted_header: 'X-User', trusted_listen: '127.0.0.1:1', trusted_secret_file: '/s' }),
    ).toEqual({ field: 'X-User', secret: 's'.repeat(32) });
  });

  it('is never one that every local user can open', () => {
    expect(() => door({ trusted_header: 'X-User' })).toThrow('on portal.trusted_listen only');
    expect(() => door({ trusted_header: 'X-User', trusted_listen: '127.0.0.1:1' })).toThrow(
      'it needs portal.trusted_secret_file',
    );
    expect(() => door({ trusted_listen: unix })).toThrow('needs portal.trusted_header');
    const short = { trusted_header: 'X-User', trusted_listen: unix, trusted_secret_file: '/s' };
    expect(() => door(short, 'short')).toThrow('fewer than 32');
  });
});

describe('the mail server that checks passwords', () => {
  it.for([
    ['imaps://127.0.0.1', { host: '127.0.0.1', port: 993, implicitTls: true }],
    ['imaps://[::1]:10993', { host: '::1', port: 10993, implicitTls: true }],
    ['imap://mail.example.org', { host: 'mail.example.org', port: 143, implicitTls: false }],
    ['imaps://user@mail.example.org', null],
    ['imaps://mail.example.org/INBOX', null],
    ['https://mail.example.org', null],
    ['', null],
  ] as const)('of %j is %j', ([url, expected]) => expect(parseImapServer(url)).toEqual(expected));

  it.for([
    ['alice@example.org', 'secret', true],
    ['alice@example.org', 'pass word "with" \\ all ä', true],
    ['', 'secret', false],
    ['alice@example.org', '', false],
    ['alice@example.org\r\nA1 LOGOUT', 'secret', false],
    ['alice@example.org', 'a\r\nA1 LOGOUT', false],
    ['alice@example.org', 'a\0b', false],
    ['a'.repeat(321), 'secret', false],
    ['alice@example.org', 'x'.repeat(1025), false],
  ] as const)('is asked for %j and %j: %s', ([login, password, expected]) =>
    expect(canBeAsked({ login, password })).toBe(expected),
  );

  const failed = (more: object) => Object.assign(new Error('Command failed'), more);
  it.for([
    [failed({ authenticationFailed: true }), 'wrong'],
    [failed({ authenticationFailed: true, serverResponseCode: 'AUTHENTICATIONFAILED' }), 'wrong'],
    [failed({ authenticationFailed: true, serverResponseCode: 'UNAVAILABLE' }), 'unavailable'],
    [failed({ authenticationFailed: true, serverResponseCode: 'LIMIT' }), 'unavailable'],
    [failed({ code: 'ECONNREFUSED' }), 'unavailable'],
    ['something', 'unavailable'],
  ] as const)('that answers %s says %s', ([error, expected]) => expect(verdictOf(error)).toBe(expected));
});

describe('a form', () => {
  it('holds texts of bounded length, once each', () => {
    expect(field({ a: 'text' }, 'a', 4)).toBe('text');
    expect(field({ a: 'texts' }, 'a', 4)).toBe('');
    expect(field({ a: ['x', 'y'] }, 'a', 4)).toBe('');
    expect(field({}, 'constructor', 100)).toBe('');
    expect(field(null, 'a', 4)).toBe('');
    expect([numberOf({ n: '12' }, 'n'), numberOf({ n: '0' }, 'n'), numberOf({ n: '1e3' }, 'n')]).toEqual([
      12,
      null,
      null,
    ]);
    expect(fingerprintOf({ f: 'ab'.repeat(20) }, 'f')).toBeNull();
    expect(fingerprintOf({ f: 'AB'.repeat(20) }, 'f')).toBe('AB'.repeat(20));
  });

  it.for<FormChange>([
    { kind: 'leave' },
    { kind: 'remove key', fingerprint: 'AB'.repeat(32) },
    { kind: 'settings', settings: { encrypt: false, subject: 'keep', on_missing_key: null } },
  ])('carries the change %j on, and back', (change) => {
    const body = Object.fromEntries(changeFields(change));
    expect(readChange(body, { on_missing_key: 'defer' })).toEqual(change);
  });

  it('asks for no change that is none', () => {
    expect(
      readChange({ kind: 'settings', subject: 'hide', style: 'inherited' }, { subject: 'hide' }),
    ).toBeNull();
    expect(readChange({ kind: 'settings', subject: 'everything', smime_cipher: 'gcm' }, {})).toBeNull();
    expect(readChange({ kind: 'remove key', fingerprint: 'x' }, {})).toBeNull();
    expect(readChange({ kind: 'pass rule' }, {})).toBeNull();
  });
});

describe('the language', () => {
  it.for([
    ['de', undefined, 'de'],
    [undefined, 'de-CH, en;q=0.8', 'de'],
    [undefined, 'en;q=0.8, de;q=0.9', 'de'],
    [undefined, 'fr, de;q=0', 'en'],
    ['xx', 'de', 'de'],
    [undefined, `${'fr,'.repeat(100_000)}de`, 'en'],
    [undefined, undefined, 'en'],
  ] as const)('for %j and %j is %s', ([chosen, accepted, expected]) =>
    expect(chooseLanguage(chosen, accepted)).toBe(expected),
  );

  it('writes moments in UTC and spans in whole numbers', () => {
    const now = Date.parse('2026-11-30T12:00:00Z');
    const earlier = (ms: number) => new Date(now - ms);
    expect(formatsOf('de').moment(new Date(now))).toMatch(/^30\. November 2026.*12:00 UTC$/);
    expect(formatsOf('en').ago(earlier(180_000), now)).toBe('3 minutes ago');
    expect(formatsOf('de').ago(earlier(7_200_000), now)).toBe('vor 2 Stunden');
    expect(formatsOf('en').ago(earlier(3 * 86_400_000), now)).toBe('3 days ago');
    expect(formatsOf('en').ago(earlier(-5000), now)).toBe('this minute');
  });
});

it('what a stranger wrote is shown without what nobody sees, and bounded', () => {
  expect(shown('a\u0007\u200b\u2066b\u2028c')).toBe('a\ufffd\ufffd\ufffdb\ufffdc');
  expect(shown('x'.repeat(5000))).toHaveLength(201);
  expect(shown('Jürgen 🦭 <j@example.org>')).toBe('Jürgen 🦭 <j@example.org>');
  expect(grouped('ABCDEF0123')).toBe('ABCD EF01 23');
});

describe('the first sentence', () => {
  const NOW = Date.parse('2026-11-30T12:00:00Z');
  const key = { fingerprint: 'A', added: '2026-01-02T03:04:05Z', state: 'usable' } as KeyView;
  const { encryption } = configSchema.parse({});
  const home = {
    keys: [key],
    currentKeys: ['A'],
    pausedUntil: null,
    submissions: [],
    recovery: null,
    settings: { values: encryption },
  };
  const waits = { readAt: null } as never;
  const having = (state: KeyView['state'], settings: Partial<Settings> = {}) => ({
    keys: [{ ...key, state }],
    settings: { values: { ...encryption, ...settings } },
  });
  const without = { keys: [], currentKeys: [] };

  it.for([
    ['a key', {}, 'sealed', 'nothing'],
    ['no key', { keys: [], currentKeys: [] }, 'none', 'hand over'],
    ['a key that cannot be used', { currentKeys: [] }, 'unusable', 'hand over'],
    ['a key that cannot encrypt', having('unusable'), 'unusable', 'hand over'],
    ['a revoked key', { ...having('revoked'), currentKeys: [] }, 'unusable', 'hand over'],
    ['an expired key that mail is still sealed to', having('expired'), 'sealed', 'nothing'],
    ['an expired key', having('expired', { on_expired_key: 'pass' }), 'expired', 'hand over'],
    [
      'an expired key and another one',
      { ...having('expired', { on_expired_key: 'defer' }), keys: [{ ...key, state: 'expired' }, key] },
      'sealed',
      'nothing',
    ],
    ['a key that an administrator disabled', { ...having('disabled'), currentKeys: [] }, 'disabled', 'ask'],
    ['sealing switched off', having('usable', { encrypt: false }), 'off', 'seal again'],
    ['a pause', { pausedUntil: NOW + 1 }, 'paused', 'seal again'],
    ['a pause that is over', { pausedUntil: NOW }, 'sealed', 'nothing'],
    ['a letter to read', { keys: [], currentKeys: [], submissions: [waits] }, 'none', 'read letter'],
    ['a recovery', { recovery: {} as never, submissions: [waits] }, 'sealed', 'wait'],
  ] as const)('with %s says %s, and what is next', ([, more, kind, next]) => {
    expect(stateOf({ ...home, ...more }, NOW)).toMatchObject({ kind, next });
  });

  it.for([
    ['no key', without, 'pass'],
    [
      'no key, where mail is refused then',
      { ...having('usable', { on_missing_key: 'reject' }), ...without },
      'reject',
    ],
    [
      'no key and sealing switched off',
      { ...having('usable', { on_missing_key: 'reject', encrypt: false }), ...without },
      'pass',
    ],
    ['an expired key', having('expired', { on_expired_key: 'reject' }), 'reject'],
    ['a revoked key', { ...having('revoked'), currentKeys: [] }, 'defer'],
    ['sealing switched off', having('usable', { encrypt: false }), 'pass'],
    ['a key', {}, null],
  ] as const)('with %s says what happens to the mail', ([, more, meanwhile]) => {
    expect(stateOf({ ...home, ...more }, NOW).meanwhile).toBe(meanwhile);
  });

  it('names a key only where mail is sealed to it', () => {
    expect(stateOf(home, NOW).key).toEqual({ fingerprint: 'A', since: new Date(key.added) });
    expect(stateOf({ ...home, pausedUntil: NOW + 1 }, NOW).key).toBeNull();
  });
});
