import { describe, expect, it } from 'vitest';
import { countedName } from '../../../src/enrolment/named-user.ts';

describe('the name by which the limits of an address count', () => {
  it.each([
    'alice@example.org',
    'ALICE@Example.ORG.',
    ' <alice@example.org> ',
    '"alice"@example.org',
    'alice+news@example.org',
    'alice+a+b@example.org',
    '"alice+a b"@example.org',
  ])('is one for %s', (typed) => expect(countedName(typed, '+')).toBe('alice@example.org'));

  it.each([
    ['alice+news@example.org', '', 'alice+news@example.org'],
    ['alice-news@example.org', '+-', 'alice@example.org'],
    ['+news@example.org', '+', '+news@example.org'],
    ['STRASSE@example.org', '+', 'strasse@example.org'],
    ['Straße@example.org', '+', 'strasse@example.org'],
    ['a@MÜNCHEN.example', '+', 'a@xn--mnchen-3ya.example'],
    ['No Address', '+', 'no address'],
    [`${'A'.repeat(400)}@example.org`, '+', `${'a'.repeat(400)}@example.org`],
  ])('of %s with %j as delimiters is %s', (typed, delimiters, counted) =>
    expect(countedName(typed, delimiters)).toBe(counted),
  );

  it('is no other one’s', () => {
    const names = [
      'alıce@example.org',
      'аlice@example.org',
      'alice@example.com',
      'alice@example.org@evil.test',
    ];
    for (const name of names) expect(countedName(name, '+')).not.toBe('alice@example.org');
  });
});
