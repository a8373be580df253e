// Letters that are made to hold up everybody else's: each is small to send, or just within the limits, and was dear to read once.
// Every parser that reads what a stranger sent has some here.
import type { SettingsOverride } from '../../src/config/settings.ts';

/** One hostile letter, and who gets it. */
export interface Bomb {
  /** What it is made of, as the report names it. */
  readonly name: string;
  /** Of every recipient; default: PGP/MIME, everything outside. */
  readonly settings?: SettingsOverride;
  /** A header rule that every recipient has, as `rule add` takes it. */
  readonly rule?: { readonly name: string; readonly pattern: string };
  /** How many recipients with a key; default 1. */
  readonly recipients?: number;
  /** MAIL FROM; default an ordinary one. */
  readonly sender?: string;
  /** The envelope recipients' local parts, for the parsers of addresses; default `user`. */
  readonly local?: (index: number) => string;
  /** @param bytes how large it may become */
  readonly letter: (bytes: number) => Buffer;
}

const FROM = 'From: <carol@example.net>\r\nTo: <alice@example.org>\r\nSubject: a letter\r\n';
const SHY: SettingsOverride = { header_policy: 'shy' };
const INLINE: SettingsOverride = { style: 'inline' };
const RULE = { name: 'list-id', pattern: '*announce*of*the*club*' };

/** As often as it fits. */
function filled(bytes: number, unit: string | Buffer): Buffer {
  return Buffer.alloc(Math.floor(bytes / unit.length) * unit.length, unit);
}

function simple(header: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${FROM}${header}\r\n`, 'latin1'), body]);
}

function inHeader(field: string, value: Buffer | string): Buffer {
  return Buffer.concat([
    Buffer.from(`${FROM}${field}: `, 'latin1'),
    typeof value === 'string' ? Buffer.from(value, 'latin1') : value,
    Buffer.from('\r\n\r\nHello.\r\n', 'latin1'),
  ]);
}

/** No field that is read for what it says is longer (header_size_limit of Postfix). */
const FIELD = 99_000;

const times = (count: number, text: (index: number) => string): string =>
  Array.from({ length: Math.max(1, Math.floor(count)) }, (_, index) => text(index)).join('');

const marks = Buffer.from('\u0301\u0323', 'utf8');

/** Bytes that no armor checksum and no MIME structure says anything about. */
function armored(packets: Buffer): Buffer {
  const text = packets.toString('base64').replace(/.{76}/g, '$&\r\n');
  return Buffer.from(`-----BEGIN PGP MESSAGE-----\r\n\r\n${text}\r\n-----END PGP MESSAGE-----\r\n`, 'latin1');
}

function pgpMime(encrypted: Buffer, encoding = '7bit'): Buffer {
  return Buffer.concat([
    Buffer.from(
      `${FROM}MIME-Version: 1.0\r\nContent-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b\r\n\r\n` +
        '--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--b\r\n' +
        `Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n`,
      'latin1',
    ),
    encrypted,
    Buffer.from('\r\n--b--\r\n', 'latin1'),
  ]);
}

/** RFC 9580, section 5.8, in the new format. */
const MARKER = Buffer.from([0xca, 3, 0x50, 0x47, 0x50]);
/** A PKESK of version 3 for an RSA key, 16 octets of number. */
const SESSION_KEY = Buffer.concat([
  Buffer.from([0xc1, 28, 3, 1, 2, 3, 4, 5, 6, 7, 8, 1, 0, 128]),
  Buffer.alloc(16, 0xaa),
]);
/** SEIPD in partial lengths of 512 octets. */
const PARTIAL = Buffer.concat([Buffer.from([0xe9]), Buffer.alloc(512, 0x5a)]);

function nested(depth: number): string {
  const open = times(
    depth,
    (index) =>
      `${index === 0 ? '' : `--b${index - 1}\r\n`}Content-Type: multipart/mixed; boundary=b${index}\r\n\r\n`,
  );
  return `${FROM}MIME-Version: 1.0\r\n${open}`;
}

function manyParts(bytes: number, part: string, type = 'multipart/mixed'): Buffer {
  const head = `${FROM}MIME-Version: 1.0\r\nContent-Type: ${type}; boundary=b\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), filled(bytes, `--b\r\n${part}`), Buffer.from('--b--\r\n')]);
}

const HEADER_BOMBS: readonly Bomb[] = [
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
];

const BODY_BOMBS: readonly Bomb[] = [
  { name: 'marker packets', letter: (bytes) => pgpMime(armored(filled(bytes * 0.72, MARKER))) },
  { name: 'session key packets', letter: (bytes) => pgpMime(armored(filled(bytes * 0.72, SESSION_KEY))) },
  {
    name: 'partial lengths',
    letter: (bytes) =>
      pgpMime(armored(Buffer.concat([SESSION_KEY, Buffer.from([0xd2]), filled(bytes * 0.72, PARTIAL)]))),
  },
  {
    name: 'an armored letter with a text at its end',
    letter: (bytes) =>
      simple('', Buffer.concat([armored(filled(bytes * 0.72, PARTIAL)), Buffer.from('P.S. See you.\r\n')])),
  },
  {
    name: 'quoted-printable that may be armor',
    letter: (bytes) => pgpMime(filled(bytes, '=2D'), 'quoted-printable'),
  },
  { name: 'base64 of base64', letter: (bytes) => pgpMime(filled(bytes, 'LS0tLS1C\r\n'), 'base64') },
  {
    name: 'an S/MIME message that is none',
    letter: (bytes) =>
      simple(
        'Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n',
        filled(bytes, `${'MIIB'.repeat(19)}\r\n`),
      ),
  },
  { name: 'parts without end', letter: (bytes) => manyParts(bytes, '\r\na\r\n') },
  { name: 'parts without end, inline', settings: INLINE, letter: (bytes) => manyParts(bytes, '\r\na\r\n') },
  {
    name: 'messages in a digest, inline',
    settings: INLINE,
    letter: (bytes) => manyParts(bytes, '\r\nSubject: x\r\n\r\ny\r\n', 'multipart/digest'),
  },
  {
    name: 'parts that are encrypted, and one that is not',
    letter: (bytes) =>
      manyParts(
        bytes,
        `Content-Type: application/octet-stream\r\n\r\n${armored(Buffer.concat([SESSION_KEY, PARTIAL]))}`,
      ),
  },
  {
    name: 'multiparts inside each other, each line nearly a boundary',
    letter: (bytes) => Buffer.concat([Buffer.from(nested(99)), filled(bytes, '--b9x\r\n')]),
  },
  {
    name: 'messages inside each other, inline',
    settings: INLINE,
    letter: (bytes) =>
      Buffer.concat([Buffer.from(FROM), filled(bytes, 'Content-Type: message/rfc822\r\n\r\n')]),
  },
  {
    name: 'lines that begin with two hyphens, inline',
    settings: INLINE,
    letter: (bytes) => Buffer.concat([Buffer.from(nested(20)), filled(bytes, '--\r\n--c')]),
  },
  {
    name: 'boundaries in pieces of RFC 2231, inline',
    settings: INLINE,
    letter: (bytes) =>
      Buffer.concat([
        Buffer.from(`${FROM}MIME-Version: 1.0\r\nContent-Type: multipart/mixed`),
        Buffer.from(times(5000, (index) => `;\r\n boundary*${index}=b`)),
        Buffer.from('\r\n\r\n'),
        filled(bytes * 0.9, `--${'b'.repeat(60)}\r\n\r\na\r\n`),
      ]),
  },
  {
    name: 'base64 with a stray character on every line, inline',
    settings: INLINE,
    letter: (bytes) =>
      simple(
        'Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n',
        filled(bytes, `${'QUJD'.repeat(18)}!\r\n`),
      ),
  },
  {
    name: 'base64 in padded pieces of one octet, inline',
    settings: INLINE,
    letter: (bytes) =>
      simple('Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n', filled(bytes, 'QQ==\r\n')),
  },
  {
    name: 'base64 that is just read in the main thread, with a text on every other line, inline',
    settings: INLINE,
    letter: (bytes) =>
      simple(
        'Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n',
        filled(Math.min(bytes, 127_000), 'QUJD\r\n- a word -\r\n'),
      ),
  },
  { name: 'nothing but bare line feeds', letter: (bytes) => simple('', filled(bytes * 0.45, '\n')) },
  { name: 'nothing but line endings', letter: (bytes) => simple('', filled(bytes, '\r\n')) },
  { name: 'a dot on every line', letter: (bytes) => simple('', filled(bytes, '.\r\n')) },
  {
    name: 'white space without end',
    letter: (bytes) =>
      simple('', Buffer.concat([filled(bytes, ' \t'), Buffer.from('-----BEGIN PGP MESSAGE-----\r\n')])),
  },
  {
    name: 'one line of text, inline',
    settings: INLINE,
    letter: (bytes) => simple('Content-Transfer-Encoding: quoted-printable\r\n', filled(bytes, '=')),
  },
];

const ENVELOPE_BOMBS: readonly Bomb[] = [
  {
    name: 'a sender of combining marks',
    rule: { name: 'x', pattern: '*' },
    sender: `${filled(380, marks).toString('utf8')}@example.net`,
    recipients: 28,
    letter: () => simple('', Buffer.from('Hello.\r\n')),
  },
  {
    name: 'a thousand recipients of combining marks',
    recipients: 1000,
    local: (index) => `user+${index}${filled(380, marks).toString('utf8')}`,
    letter: () => simple('', Buffer.from('Hello.\r\n')),
  },
];

export const BOMBS: readonly Bomb[] = [...HEADER_BOMBS, ...BODY_BOMBS, ...ENVELOPE_BOMBS];
