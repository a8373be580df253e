// key=value arguments: what they become, and every error at once.
import { describe, expect, it } from 'vitest';
import { applySettings, parseAssignments } from '../../../src/directory/assignments.ts';

describe('assignments', () => {
  it('set, and an empty value removes', () => {
    const changes = parseAssignments(['style=inline', 'encrypt=off', 'hide_key_ids=yes', 'subject='], 'user');
    expect(applySettings({ subject: 'hide', style: 'mime', on_missing_key: 'defer' }, changes)).toEqual({
      style: 'inline',
      encrypt: false,
      hide_key_ids: true,
      on_missing_key: 'defer',
    });
  });

  it('change the transport, or remove it, or leave it', () => {
    expect(parseAssignments(['transport=lmtp:unix:/run/x'], 'user').transport).toBe('lmtp:unix:/run/x');
    expect(parseAssignments(['transport='], 'user').transport).toBeNull();
    expect(parseAssignments([], 'user').transport).toBeUndefined();
  });

  it('know the class and the case rule of domains', () => {
    expect(parseAssignments(['class=relay', 'fold_local_part=off'], 'domain')).toMatchObject({
      class: 'relay',
      foldLocalPart: false,
    });
  });

  it('know the Web Key Service of domains, and publishing of both', () => {
    expect(parseAssignments(['wks=on', 'publish=ask'], 'domain')).toMatchObject({
      wks: true,
      publish: 'ask',
    });
    expect(parseAssignments(['wks=', 'publish='], 'domain')).toMatchObject({ wks: false, publish: 'ask' });
    expect(parseAssignments(['publish=off'], 'user')).toMatchObject({ wks: undefined, publish: 'off' });
    expect(parseAssignments(['publish='], 'user').publish).toBeNull();
    expect(parseAssignments([], 'user').publish).toBeUndefined();
  });

  const ALL =
    'encrypt, style, subject, header_policy, on_missing_key, on_expired_key, on_unusable_key, hide_key_ids, prefer, smime_cipher, transport';
  const table: readonly (readonly [words: readonly string[], level: 'domain' | 'user', message: string])[] = [
    [['style=html'], 'user', 'style: found "html", expected mime or inline'],
    [['encrypt=maybe'], 'user', 'encrypt: found "maybe", expected on or off'],
    [
      ['on_expired_key=bounce'],
      'user',
      'on_expired_key: found "bounce", expected encrypt, defer, reject or pass',
    ],
    [
      ['header_policy=hcp_shy'],
      'user',
      'header_policy: found "hcp_shy", expected no_confidentiality, baseline or shy',
    ],
    [['style'], 'user', 'found "style", expected NAME=VALUE such as style=inline'],
    [['colour=red'], 'user', `found the setting "colour", expected one of ${ALL}`],
    [['class=relay'], 'user', `found the setting "class", expected one of ${ALL}`],
    [['class=both'], 'domain', 'class: found "both", expected virtual or relay'],
    [['fold_local_part=2'], 'domain', 'fold_local_part: found "2", expected on or off'],
    [['publish=ask'], 'user', 'publish: found "ask", expected on or off'],
    [['publish=yes'], 'domain', 'publish: found "yes", expected ask, on or off'],
    [['wks=2'], 'domain', 'wks: found "2", expected on or off'],
    [['wks=on'], 'user', `found the setting "wks", expected one of ${ALL}`],
    [['transport=a b'], 'user', 'transport=a b: expected a transport such as lmtp:unix:/run/dovecot/lmtp'],
    [
      ['style=html', 'subject=show'],
      'user',
      'style: found "html", expected mime or inline; subject: found "show", expected keep or hide',
    ],
  ];
  it.each(table)('%j for a %s: refused', (words, level, message) => {
    expect(() => parseAssignments(words, level)).toThrow(message);
  });
});
