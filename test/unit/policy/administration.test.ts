// What an administrator types for the lookups: forwards, sender logins, texts and actions of a domain, fingerprints, dates.
import { describe, expect, it } from 'vitest';
import { applyRefusals, parseAssignments } from '../../../src/directory/assignments.ts';
import { normaliseFingerprint } from '../../../src/directory/fingerprint.ts';
import { readDate } from '../../../src/directory/fingerprints.ts';
import { ChangeRefused } from '../../../src/directory/refused.ts';

describe('assignments of a user', () => {
  it.each([
    ['forward=a@x.test', ['a@x.test']],
    ['forward=a@x.test, b@x.test', ['a@x.test', 'b@x.test']],
    ['forward="a,b"@x.test,c@x.test', ['"a,b"@x.test', 'c@x.test']],
    ['forward=', []],
  ])('%s', (word, forwards) => {
    expect(parseAssignments([word], 'user').forwards).toEqual(forwards);
  });
  it('leave forwards and sender logins alone when they name none', () => {
    const { forwards, sendAs } = parseAssignments(['style=inline'], 'user');
    expect([forwards, sendAs]).toEqual([undefined, undefined]);
  });
  it('have no texts of a domain', () => {
    expect(() => parseAssignments(['unknown_text=x'], 'user')).toThrow(ChangeRefused);
  });
});

describe('assignments of a domain', () => {
  it('set and remove texts and actions one by one', () => {
    const first = applyRefusals(
      {},
      parseAssignments(['unknown_text=Ask me', 'unknown_action=defer'], 'domain'),
    );
    expect(first).toEqual({ unknown: { text: 'Ask me', action: 'defer' } });
    const second = applyRefusals(
      first,
      parseAssignments(['unknown_text=', 'over_quota_action=reject'], 'domain'),
    );
    expect(second).toEqual({ unknown: { action: 'defer' }, over_quota: { action: 'reject' } });
    expect(applyRefusals(second, parseAssignments(['unknown_action='], 'domain'))).toEqual({
      over_quota: { action: 'reject' },
    });
  });
  it.each([
    'unknown_action=drop',
    'disabled_text=Gr\u00fc\u00dfe',
    'disabled_text=a\nb',
    `over_quota_text=${'x'.repeat(301)}`,
  ])('%j is refused', (word) => {
    expect(() => parseAssignments([word], 'domain')).toThrow(ChangeRefused);
  });
});

describe('a fingerprint', () => {
  const canonical = '8D:2A:5C:10:7F:0E:93:41:B6:6D:58:C2:1A:E4:77:3B';
  it.each([canonical, canonical.toLowerCase(), canonical.replaceAll(':', ''), ` ${canonical}\n`])(
    '%j is %s',
    (text) => {
      expect(normaliseFingerprint(text)).toBe(canonical);
    },
  );
  it.each([
    '',
    'xyz',
    canonical.slice(0, -1),
    canonical.slice(0, -3),
    `${canonical}:`,
    canonical.replace(':', ''),
    'SHA256:abc',
  ])('%j is none', (text) => {
    expect(normaliseFingerprint(text)).toBeNull();
  });
});

describe('a date', () => {
  it('is a day of the calendar', () => {
    expect(readDate('2028-02-29')).toBe('2028-02-29');
    for (const text of ['2027-02-29', '2027-13-01', '31.12.2027', '2027-1-1', 'tomorrow', '']) {
      expect(() => readDate(text)).toThrow(ChangeRefused);
    }
  });
});
