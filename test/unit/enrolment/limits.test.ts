import { describe, expect, it } from 'vitest';
import { countedAs, countedAsker } from '../../../src/enrolment/limits.ts';

describe('what a limit counts', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['alice@example.org', 'alice@example.org'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['1::', '1:0:0:0::/64'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:192.0.2.8', '192.0.2.8'],
  ])('%s counts as %s', (subject, counted) => {
    expect(countedAs(subject)).toBe(counted);
  });
});

describe('who asks', () => {
  const client = '192.0.2.7';
  const mailbox = { userId: 7, proof: { level: 'mailbox' }, client } as const;
  const key = { ...mailbox, proof: { level: 'key', fingerprints: ['A'] } } as const;

  it('by the mailbox uses up nothing of who asks by the key, nor of another client', () => {
    const counted = [mailbox, key, { ...mailbox, client: '192.0.2.8' }, { ...mailbox, userId: 8 }].map(
      countedAsker,
    );
    expect(new Set(counted).size).toBe(4);
    expect(countedAsker({ ...mailbox, client: '2001:db8::1' })).toBe(
      countedAsker({ ...mailbox, client: '2001:db8::2' }),
    );
  });

  it('as an administrator is not counted', () => {
    expect(countedAsker({ ...mailbox, proof: { level: 'administrator' } })).toBeNull();
  });
});
