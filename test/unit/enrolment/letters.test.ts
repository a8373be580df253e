// The letters as messages: what their header says, and that nobody's text gets out of its place.
import { simpleParser } from 'mailparser';
import { describe, expect, it } from 'vitest';
import { CATALOGUES } from '../../../src/enrolment/letters/catalogue.ts';
import { composeLetter } from '../../../src/enrolment/letters/compose.ts';
import { LANGUAGES } from '../../../src/enrolment/letters/language.ts';
import { LETTER_KINDS, type LetterDetails } from '../../../src/enrolment/letters/texts.ts';

const LINK = 'https://keys.example.org/confirm/0123456789012345678901234567890123456789012';
const DETAILS: LetterDetails = {
  fingerprint: 'ABCD'.repeat(10),
  at: Date.UTC(2026, 10, 30, 9, 5),
  until: Date.UTC(2026, 11, 7, 9, 5),
  change: 'key',
  actor: 'cli:root',
  subkey: 'D'.repeat(40),
  news: [
    { what: 'key added', fingerprint: 'A'.repeat(40) },
    { what: 'key removed', fingerprint: 'B'.repeat(40) },
    { what: 'subkey added', fingerprint: 'C'.repeat(40) },
    { what: 'setting', name: 'encrypt', value: 'off' },
    { what: 'forward', address: 'bob@outside.example' },
    { what: 'pass rule' },
    { what: 'seal rule gone' },
  ],
};

function compose(
  kind: (typeof LETTER_KINDS)[number],
  language: (typeof LANGUAGES)[number],
  more: { readonly to?: string; readonly details?: LetterDetails; readonly portal?: string } = {},
): Promise<Buffer> {
  const { to = 'bob@example.org', details = DETAILS, portal = 'https://keys.example.org' } = more;
  return composeLetter({
    kind,
    language,
    frame: { address: to, portal, link: LINK, linkUntil: DETAILS.until ?? null },
    details,
    from: 'keys@example.org',
    to,
    date: new Date(DETAILS.at ?? 0),
    id: 'sealpost-1',
  });
}

describe.each(LANGUAGES)('a letter in %s', (language) => {
  it.each(LETTER_KINDS)('%s: is complete, automatic, and fits every next hop', async (kind) => {
    const letter = await compose(kind, language);
    const text = letter.toString('latin1');
    expect(text).toMatch(/^[\x20-\x7e\r\n]*$/);
    expect(text.split('\r\n').every((line) => line.length <= 998 && !line.includes('\n'))).toBe(true);
    const parsed = await simpleParser(letter);
    expect(parsed.headers.get('auto-submitted')).toBe('auto-generated');
    expect(parsed.messageId).toBe('<sealpost-1@example.org>');
    expect(parsed.date?.toISOString()).toBe('2026-11-30T09:05:00.000Z');
    expect(parsed.from?.value[0]).toEqual({
      address: 'keys@example.org',
      name: CATALOGUES[language].senderName,
    });
    expect(parsed.subject?.length).toBeGreaterThan(10);
    expect(parsed.text).not.toMatch(/undefined|null|\[object/);
    expect(parsed.text?.length).toBeGreaterThan(150);
  });

  it('names what its reader has to know', async () => {
    const text = async (kind: (typeof LETTER_KINDS)[number]) =>
      (await simpleParser(await compose(kind, language))).text ?? '';
    for (const kind of ['sign in', 'confirm', 'first key', 'recovery'] as const) {
      expect(await text(kind)).toContain(`${LINK}\n`);
    }
    expect(await text('confirm')).toContain('ABCD ABCD ABCD');
    expect(await text('administrator')).toContain('sealpost key recovery bob@example.org --allow');
    const readers = await text('readers');
    for (const word of ['AAAA AAAA', 'BBBB BBBB', 'CCCC CCCC', 'encrypt', 'bob@outside.example', 'root']) {
      expect(readers).toContain(word);
    }
    const subkey = await text('subkey');
    for (const word of ['ABCD ABCD', 'DDDD DDDD', '2026', 'keys.example.org']) expect(subkey).toContain(word);
    for (const kind of ['readers', 'subkey'] as const) {
      const { text: without } = await simpleParser(await compose(kind, language, { portal: '' }));
      expect(without).not.toContain('http');
    }
  });
});

describe('what other people wrote', () => {
  it.each([
    'bob@example.org\r\nBcc: eve@example.net',
    'bob\n@example.org',
    'bob\u2028@example.org',
    'bob\0@example.org',
  ])('makes no header field of an address: %j', async (to) => {
    await expect(compose('test', 'en', { to })).rejects.toThrow('control character');
  });

  it('makes no line and no direction of its own in a text', async () => {
    const address = 'bob@outside.example\r\n\r\n-- \r\nhttps://evil.example\u202e';
    const letter = await compose('readers', 'en', {
      details: { ...DETAILS, actor: 'cli:a\r\nb', news: [{ what: 'forward', address }] },
    });
    const { text = '' } = await simpleParser(letter);
    expect(text).toMatch(
      /^- A copy of your mail goes to bob@outside\.example\ufffd+-- \ufffd+https:.*\ufffd$/m,
    );
    expect(text).toContain('(a\ufffd\ufffdb)');
  });

  it.each(LANGUAGES)(
    'makes no command of its own in one that an administrator pastes, in %s',
    async (language) => {
      const to = "a$(reboot)`id`;'b@example.org";
      const { text = '' } = await simpleParser(await compose('administrator', language, { to }));
      expect(text).toContain(
        String.raw`sealpost key recovery 'a$(reboot)${'`id`'};'\''b@example.org' --allow`,
      );
    },
  );

  it('keeps a strange address whole', async () => {
    for (const to of ['"a, b <x@y>"@example.org', "o'brien+tag@example.org"]) {
      const parsed = await simpleParser(await compose('test', 'en', { to }));
      const recipients = [parsed.to ?? []].flat().flatMap(({ value }) => value);
      expect(recipients).toHaveLength(1);
      expect(parsed.headers.has('bcc')).toBe(false);
    }
  });
});
