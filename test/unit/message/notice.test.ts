import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { simpleParser } from 'mailparser';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../../src/config/package.ts';
import { buildNotice, type NoticeInput, parseTemplate } from '../../../src/notices/message.ts';

const VALUES: NoticeInput['values'] = {
  address: 'alice@example.org',
  administrator: 'postmaster@example.org',
  keys: '  AAAA BBBB\n    expires 2026-06-17 08:00 UTC',
  count: '1',
  date: '2026-06-17',
  consequence: 'Then nothing.',
};

function notice(template: string, more: Partial<NoticeInput> = {}): Buffer {
  const parsed = parseTemplate(template);
  if (typeof parsed === 'string') throw new Error(parsed);
  return buildNotice({
    template: parsed,
    values: VALUES,
    from: 'postmaster@example.org',
    to: 'alice@example.org',
    date: new Date(Date.UTC(2026, 5, 10, 8)),
    id: 'sealpost-notice-1',
    ...more,
  });
}

describe('a notice', () => {
  it('says that a program wrote it, and who may be asked', () => {
    expect(notice('Subject: Key of {{address}}\n\nHello,\n{{keys}}\n').toString('latin1')).toBe(
      [
        'From: postmaster@example.org',
        'To: alice@example.org',
        'Subject: Key of alice@example.org',
        'Date: Wed, 10 Jun 2026 08:00:00 +0000',
        'Message-ID: <sealpost-notice-1@example.org>',
        'Auto-Submitted: auto-generated',
        'MIME-Version: 1.0',
        'Content-Type: text/plain; charset=utf-8',
        'Content-Transfer-Encoding: 7bit',
        '',
        'Hello,',
        '  AAAA BBBB',
        '    expires 2026-06-17 08:00 UTC',
        '',
      ].join('\r\n'),
    );
  });

  it('in any language is read as it was written, and is 7-bit on the way', async () => {
    const subject = 'Ihr Schlüssel läuft ab: 鍵の有効期限が切れます, 鍵の有効期限が切れます';
    const message = notice(`Subject: ${subject}\r\n\r\nGrüße, ${'ж'.repeat(2000)}\r\n`);
    expect(message.every((byte) => byte < 0x80)).toBe(true);
    for (const line of message.toString('latin1').split('\r\n')) expect(line.length).toBeLessThan(79);
    const read = await simpleParser(message);
    expect(read.subject).toBe(subject);
    expect(read.text?.trimEnd()).toBe(`Grüße, ${'ж'.repeat(2000)}`);
  });

  it('is the same bytes for the same input, so that a second attempt is known', () => {
    expect(notice('Subject: a\n\nb').equals(notice('Subject: a\n\nb'))).toBe(true);
  });

  it('takes no line break into a header field', () => {
    const template = { subject: 'to {{address}}', body: 'x' };
    const message = notice('Subject: a\n\nb', {
      template,
      values: { ...VALUES, address: 'a\r\nBcc: b@c.example' },
    });
    expect(message.toString()).not.toContain('\nBcc:');
  });
});

describe('a template', () => {
  const table: readonly (readonly [text: string, error: RegExp])[] = [
    ['', /expected "Subject: \.\.\."/],
    ['Hello\n\nno subject', /expected "Subject: \.\.\."/],
    ['Subject: a\nno empty line', /expected "Subject: \.\.\."/],
    ['Subject: a\n\n', /expected "Subject: \.\.\."/],
    ['Subject: a\n\n{{adress}}', /found the placeholder \{\{adress\}\}, expected one of \{\{address\}\}/],
    ['Subject: {{x}}\n\ntext', /found the placeholder \{\{x\}\}/],
  ];
  it.each(table)('%j is refused with what is wrong', (text, error) => {
    expect(parseTemplate(text)).toMatch(error);
  });

  it.each(['user', 'administrator'])('of the package for the %s can be used', (audience) => {
    const text = readFileSync(join(packageRoot(), 'packaging', 'notices', `${audience}.txt`), 'utf8');
    const message = notice(text).toString('latin1');
    expect(message).not.toMatch(/\{\{|\}\}/);
    expect(message).toContain('AAAA BBBB');
  });
});
