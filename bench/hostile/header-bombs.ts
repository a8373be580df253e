// Hostile letters whose header is what costs.
import { type Bomb, FIELD, FROM, filled, inHeader, marks, SHY, simple, times } from './bomb.ts';

const RULE = { name: 'list-id', pattern: '*announce*of*the*club*' };

export const HEADER_BOMBS: readonly Bomb[] = [
  {
    name: 'combining marks in windows-1258, a header rule, 28 recipients',
    rule: RULE,
    recipients: 28,
    letter: () => inHeader('List-Id', `=?windows-1258?B?${filled(74_000, '\xec\xf2').toString('base64')}?=`),
  },
  {
    name: 'combining marks in UTF-8, a header rule, 28 recipients',
    rule: RULE,
    recipients: 28,
    letter: () => inHeader('List-Id', filled(FIELD, marks)),
  },
  {
    name: 'one mark between letters, 28 recipients',
    rule: RULE,
    recipients: 28,
    letter: () => inHeader('List-Id', filled(FIELD, Buffer.from('e\u0301', 'utf8'))),
  },
  {
    name: 'a text that nearly matches the pattern of a rule everywhere',
    rule: { name: 'subject', pattern: `*${'a'.repeat(120)}b*` },
    recipients: 28,
    letter: () => Buffer.from(`From: <c@example.net>\r\nSubject: ${'a'.repeat(FIELD)}\r\n\r\nHello.\r\n`),
  },
  {
    name: 'encoded words of two letters',
    rule: RULE,
    recipients: 28,
    letter: () => inHeader('List-Id', filled(FIELD, '=?utf-8?Q?=41?= ')),
  },
  {
    name: 'encoded words in a charset of many bytes',
    rule: RULE,
    recipients: 28,
    letter: () => inHeader('List-Id', filled(FIELD, '=?iso-2022-jp?B?GyRCJCIbKEI=?=\r\n ')),
  },
  {
    name: 'beginnings of encoded words that never end',
    rule: RULE,
    recipients: 28,
    letter: () => inHeader('List-Id', filled(FIELD, '=?a?Q?')),
  },
  {
    name: 'encoded words with blanks in them',
    rule: RULE,
    recipients: 28,
    letter: () => inHeader('List-Id', filled(FIELD, '=?utf-8?Q?=41 b =42?=\r\n ')),
  },
  {
    name: 'encoded words that each have another charset, a hidden Subject',
    settings: { subject: 'hide' },
    letter: (bytes) =>
      Buffer.concat([
        Buffer.from(
          `${FROM}Subject: ${times(FIELD / 24, (index) => `=?iso-8859-${index % 16}?B?w6Q=?= `)}\r\n`,
        ),
        filled(Math.min(bytes, 900_000), `X-Copy: ${'=?windows-1258?Q?=EC?= '.repeat(40)}\r\n`),
        Buffer.from('\r\nHello.\r\n'),
      ]),
  },
  {
    name: 'ten thousand fields that a rule asks for',
    rule: { name: 'x', pattern: '*announce*' },
    recipients: 28,
    letter: (bytes) =>
      Buffer.concat([filled(Math.min(bytes, 90_000), 'X: aaaa\r\n'), Buffer.from('\r\nHello.\r\n')]),
  },
  {
    name: 'To fields of 100 KB under shy',
    settings: SHY,
    letter: (bytes) =>
      Buffer.concat([
        filled(bytes, `To: ${times(FIELD / 6, () => 'a@b.c,')}z@example.org\r\n`),
        Buffer.from('\r\nHello.\r\n'),
      ]),
  },
  {
    name: 'one To field as large as a message under shy',
    settings: SHY,
    letter: (bytes) => inHeader('To', filled(bytes, 'a@b.c,')),
  },
  {
    name: 'names in comments in quotes under shy',
    settings: SHY,
    letter: (bytes) => inHeader('Cc', filled(bytes, '"a\\"b" (c(d)) <a@b.c>, ')),
  },
  {
    name: 'comments that never close',
    settings: SHY,
    letter: (bytes) => inHeader('Cc', filled(bytes, '(')),
  },
  {
    name: 'groups and routes in an address list under shy',
    settings: SHY,
    letter: (bytes) => inHeader('To', filled(bytes, 'g:<@a,@b:c@d.e>,(x)"y"@[1.2.3.4];,')),
  },
  {
    name: 'user-facing fields of 60 KB in a letter of 100 KB',
    letter: () =>
      Buffer.concat([
        Buffer.from(`${FROM}Cc: ${'<a@b.example>,\r\n '.repeat(1200)}<z@b.example>\r\n`),
        filled(40_000, `References: ${'<a@b.example>\r\n '.repeat(60)}\r\n`),
        Buffer.from('\r\n'),
        filled(40_000, 'Hello.\r\n'),
      ]),
  },
  {
    name: 'a long user-facing field',
    letter: (bytes) => inHeader('References', filled(bytes, '<a@b.c>\r\n ')),
  },
  {
    name: 'nothing but user-facing fields',
    letter: (bytes) =>
      Buffer.concat([filled(bytes, `List-Post: ${'a'.repeat(4400)}\r\n`), Buffer.from('\r\nx\r\n')]),
  },
  {
    name: 'a header as large as a message',
    settings: { subject: 'hide' },
    letter: (bytes) => Buffer.concat([filled(bytes, 'A:\r\n'), Buffer.from('\r\nHello.\r\n')]),
  },
  {
    name: 'folded lines without end',
    settings: { subject: 'hide' },
    letter: (bytes) => inHeader('Subject', filled(bytes, 'a\r\n ')),
  },
  {
    name: 'bare carriage returns in a field',
    letter: (bytes) => inHeader('Subject', filled(bytes * 0.7, 'a\r b\r ')),
  },
  {
    name: 'parameters of a Content-Type',
    letter: (bytes) =>
      simple(
        `Content-Type: text/plain; ${times(FIELD / 8, (index) => `a${index}=b; `)}\r\n`,
        filled(bytes, 'a\r\n'),
      ),
  },
  {
    name: 'Sealpost fields of somebody else',
    letter: (bytes) =>
      Buffer.concat([filled(bytes, 'Sealpost-Status: sealed\r\n'), Buffer.from('\r\nHello.\r\n')]),
  },
  {
    name: 'a Message-ID as large as a message',
    letter: (bytes) => inHeader('Message-ID', filled(bytes, '<a')),
  },
  {
    name: 'a result of rspamd whose symbols never end, 28 recipients',
    settings: { subject: 'hide' },
    recipients: 28,
    letter: () =>
      Buffer.concat([
        Buffer.from(`${FROM}${`X-Spamd-Result: ${'URL'.repeat(FIELD / 3)}\r\n`.repeat(10)}`),
        Buffer.from('\r\nHello.\r\n'),
      ]),
  },
  {
    name: 'Subjects that nearly stand in every field, 28 recipients',
    settings: { subject: 'hide' },
    recipients: 28,
    letter: () =>
      Buffer.concat([
        Buffer.from(times(7, (index) => `Subject: ${'a'.repeat(20 * index)}b${'a'.repeat(127)}\r\n`)),
        Buffer.from(`${FROM}${`X-Copy: ${'a'.repeat(9000)}\r\n`.repeat(100)}\r\nHello.\r\n`),
      ]),
  },
  {
    name: 'letters that are no ASCII in every field, a hidden Subject, 28 recipients',
    settings: { subject: 'hide' },
    recipients: 28,
    letter: () =>
      Buffer.from(`${FROM}${`X-Copy: ${'\u00c4\u1e9e\u0390'.repeat(140)}\r\n`.repeat(900)}\r\nHello.\r\n`),
  },
  {
    name: 'ten thousand fields, a hidden Subject, 300 recipients',
    settings: { subject: 'hide' },
    recipients: 300,
    letter: () => Buffer.from(`${FROM}${'X: =?utf-8?Q?=41?=\r\n'.repeat(9900)}\r\nHello.\r\n`),
  },
  {
    name: 'fields of a few bytes that stand outside and inside, 200 KB',
    letter: () => Buffer.from(`${FROM}${'Cc:\r\n'.repeat(6000)}\r\n${'Hello.\r\n'.repeat(20_000)}`),
  },
  {
    name: 'an address list that shy makes longer, 70 KB',
    settings: SHY,
    letter: () =>
      Buffer.from(
        `From: ${'a@b,'.repeat(600)}c@d\r\nTo: ${'a@b,'.repeat(900)}c@d\r\n\r\n${'Hello.\r\n'.repeat(8000)}`,
      ),
  },
  {
    name: 'comments in a Date under shy',
    settings: SHY,
    letter: (bytes) => inHeader('Date', filled(Math.min(bytes, 900_000), '(((\\))) ')),
  },
  {
    name: 'Received fields as long as a field may be',
    letter: () =>
      Buffer.from(
        `${`Received: from ${'a.'.repeat(9000)} by b; (${'('.repeat(900)}\r\n`.repeat(45)}${FROM}\r\nHello.\r\n`,
      ),
  },
];
