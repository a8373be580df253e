// The inline style, where a message is written in a way that strict parsers refuse and every mail program reads: its parts are
// sealed one by one, and each byte of each is kept.
import { describe, expect, it } from 'vitest';
import { detectEncrypted } from '../../../src/message/detect.ts';
import { decodeBase64AsReaders } from '../../../src/message/lenient-base64.ts';
import { readTree } from '../../../src/message/mime-tree.ts';
import { parameterReadings } from '../../../src/message/parameter.ts';
import { createEngine } from '../../../src/openpgp/engine.ts';
import { wholePlaintext } from '../../../src/openpgp/types.ts';
import { sealInline } from '../../../src/sealing/seal-inline.ts';
import { quickest } from '../../fixtures/processor-time.ts';
import { lines, OPTIONS, recordingEncrypt } from '../../support/inline-support.ts';
import { makeKey } from '../../support/make-keys.ts';

async function seal(message: Buffer) {
  const { encrypt, jobs } = recordingEncrypt();
  const sealed = await sealInline(message, OPTIONS, encrypt);
  return {
    sealed: sealed?.toString('latin1') ?? '',
    texts: jobs.map(({ plaintext }) => Buffer.from(wholePlaintext(plaintext)).toString('latin1')),
  };
}

const NOTE = 'This message is in the encrypted file beside this note.\r\n';
const PDF = [
  'Content-Type: application/pdf; name=a.pdf',
  'Content-Transfer-Encoding: base64',
  '',
  'JVBERg==',
];

/** A text and a PDF between delimiters of this boundary, under these fields. */
function twoParts(boundary: string, ...fields: readonly string[]): Buffer {
  const delimiter = `--${boundary}`;
  return lines(
    ...fields,
    '',
    delimiter,
    'Content-Type: text/plain',
    '',
    'one',
    delimiter,
    ...PDF,
    `${delimiter}--`,
  );
}

describe('a multipart that claims a transfer encoding: each part is sealed where it stands', () => {
  it.each([
    'quoted-printable',
    'QUOTED-PRINTABLE',
    'base64',
    'Base64',
    'x-uuencode',
    'binary',
    '8bit',
    '7bit',
    'quoted-printable; x=y',
    '(a comment) base64',
    'none',
    'utf-8',
  ])('%s', async (encoding) => {
    const type = 'Content-Type: multipart/mixed;charset="utf-8";boundary="BrokenBoundary=="';
    const message = lines(
      type,
      `Content-Transfer-Encoding: ${encoding}`,
      '',
      '--BrokenBoundary==',
      'Content-Type: text/html;charset="utf-8"',
      'Content-Transfer-Encoding: quoted-printable',
      '',
      '<p class=3D"a">caf=C3=A9</p>',
      '--BrokenBoundary==',
      ...PDF,
      '--BrokenBoundary==--',
    );
    const { sealed, texts } = await seal(message);
    expect(texts).toEqual([NOTE, '<p class="a">caf\xc3\xa9</p>', '%PDF']);
    expect(sealed).toContain('name="a.pdf.pgp"'.replace(/"/g, ''));
    // Whoever undoes it would destroy the armor.
    const [head = ''] = sealed.split('\r\n\r\n', 1);
    expect(head).not.toMatch(/^Content-Transfer-Encoding: .*(?:quoted|base64|uuencode)/im);
  });

  it('in base64 whose parts nobody sees: one block of the bytes that came', async () => {
    const body = Buffer.from('--b\r\n\r\nx\r\n--b--\r\n').toString('base64');
    const { texts, sealed } = await seal(
      lines('Content-Type: multipart/mixed; boundary=b', 'Content-Transfer-Encoding: base64', '', body),
    );
    expect(texts).toEqual([`${body}\r\n`]);
    expect(sealed).toContain('X-Original-Content-Transfer-Encoding: base64\r\n');
  });
});

describe('a multipart whose header no empty line ends', () => {
  it.each([
    ['signed', 'Content-Type: multipart/signed; boundary=c'],
    [
      'in a transfer encoding',
      'Content-Transfer-Encoding: x-uuencode\r\nContent-Type: multipart/mixed; boundary=c',
    ],
  ])('is not sealed twice, although a field was added: %s', async (_about, fields) => {
    const message = lines(
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      fields,
      '--c',
      '',
      'one',
      '--c--',
      '--b--',
    );
    const key = await makeKey('p256');
    const options = { ...OPTIONS, keys: [key.recipient] };
    const sealed = await sealInline(message, options, createEngine());
    expect(sealed?.toString('latin1')).toContain('\r\nX-Original-Content-');
    expect(sealed?.toString('latin1')).not.toContain('one');
    expect(await sealInline(sealed ?? message, options, createEngine())).toBe(sealed);
  });
});

describe('a boundary as mail programs read it', () => {
  it.each([
    ['unquoted, with = and /', '----=_Part_1/2=3', 'boundary=----=_Part_1/2=3'],
    ['unquoted, with a question mark', 'a?b', 'boundary=a?b'],
    ['unquoted, with a colon and a comma', 'a:b,c', 'boundary=a:b,c'],
    ['unquoted, with brackets', '[a]', 'boundary=[a]'],
    ['unquoted, with an at sign', 'a@b.example', 'boundary=a@b.example'],
    ['unquoted, in front of another parameter', 'a=b', 'boundary=a=b; charset=utf-8'],
    ['unquoted, behind another parameter', 'a/b', 'charset=utf-8; boundary=a/b'],
    ['unquoted, with a space behind it and no semicolon', 'a', 'boundary=a charset=utf-8'],
    ['unquoted, with a space in it', 'a b', 'boundary=a b'],
    ['RFC 2231 in pieces', 'one-two', 'boundary*0="one-"; boundary*1="two"'],
    ['RFC 2231 in pieces without quotes', 'one-two', 'boundary*0=one-; boundary*1=two'],
    ['RFC 2231 in pieces out of order', 'one-two', 'boundary*1=two; boundary*0=one-'],
    ['RFC 2231 with escapes', 'a=b', "boundary*=us-ascii''a%3Db"],
    ['RFC 2231 in pieces with escapes', 'a=b c', 'boundary*0*=us-ascii\'en\'a%3D; boundary*1="b c"'],
    ['ending in two hyphens', 'b--', 'boundary="b--"'],
    ['that is nothing but hyphens', '--', 'boundary="--"'],
    ['with a space at its end', 'b', 'boundary="b "'],
    ['beside a type that cannot be read', 'b', 'boundary=b; type=text/html'],
    ['beside a parameter without a value', 'b', 'x; boundary=b; y='],
  ])('%s', async (_about, boundary, parameters) => {
    const { sealed, texts } = await seal(twoParts(boundary, `Content-Type: multipart/mixed; ${parameters}`));
    expect(texts).toEqual(['one', '%PDF']);
    expect(sealed).toContain('name=a.pdf.pgp');
    expect(sealed).toContain(`\r\n--${boundary}--\r\n`);
  });

  it.each([
    ['twice', 'boundary=b; boundary=c'],
    ['empty', 'boundary=""'],
    ['missing', 'charset=utf-8'],
    ['another than that of the lines', 'boundary=c'],
    ['ending in A0, which mail programs do not strip', 'boundary="b\xa0"'],
  ])('%s: one block, in which nothing is lost', async (_about, parameters) => {
    const message = twoParts('b', `Content-Type: multipart/mixed; ${parameters}`);
    const { texts } = await seal(message);
    expect(texts).toEqual([message.toString('latin1').slice(message.indexOf('\r\n\r\n') + 4)]);
  });
});

describe('a digest whose boundary is odd: its messages are read as messages', () => {
  it.each([
    '__--__--',
    '----',
    'a--',
    'a---',
    '--',
    'a-- --',
    'd--e',
    '=--',
    "'--",
    'digest=1/2',
    'digest 1--',
  ])('%s', async (boundary) => {
    const { sealed, texts } = await seal(
      lines(
        'Content-Type: multipart/mixed; boundary="a0"',
        '',
        '--a0',
        'Content-Type: text/plain',
        '',
        'intro',
        '--a0',
        `Content-Type: multipart/digest; boundary="${boundary}"`,
        '',
        `--${boundary}`,
        '',
        'From: q@r.example',
        'Subject: one',
        '',
        'first',
        `--${boundary}`,
        '',
        'Subject: two',
        '',
        'second',
        `--${boundary}--`,
        '',
        '--a0--',
      ),
    );
    expect(texts).toEqual(['intro', 'first', 'second']);
    expect(sealed).toContain('\r\n\r\nFrom: q@r.example\r\nSubject: one\r\n');
  });
});

describe('base64 as mail programs decode it', () => {
  const LONG = Buffer.from('A sentence that is long enough for a whole line of base64 and more.').toString(
    'base64',
  );
  const FOOTER = '-- \r\nlist footer http://lists.example/\r\n';
  it.each([
    ['noise between lines', 'JVBE\r\n!!\r\nRg==', '%PDF'],
    ['noise within a line', 'JVBE!Rg==', '%PDF'],
    ['an underscore, which another alphabet has', 'JVBE_Rg==', '%PDF'],
    ['a zero octet', 'JVBERg==\0', '%PDF'],
    ['two padded pieces', 'JVBERg==\r\nJVBERg==', '%PDF%PDF'],
    ['padded pieces in one line', 'JVBERg==JVBERg==', '%PDF%PDF'],
    ['three padded pieces with LF', 'QQ==\nQg==\nQw==\n', 'ABC'],
    ['too much padding', 'JVBERg====\r\nQQ==', '%PDFA'],
    ['a digit too many', 'JVBERg==\r\nQQ==\r\nJ', '%PDFA\r\nJ'],
    ['a footer', `SGVsbG8gV29ybGQK\r\n${FOOTER}`, `Hello World\n${FOOTER}`],
    ['a footer behind padding', `JVBERg==\r\n${FOOTER}`, `%PDF\r\n${FOOTER}`],
    ['a footer behind an empty line', `SGVsbG8gV29ybGQK\r\n\r\n${FOOTER}`, `Hello World\n${FOOTER}`],
    [
      'a footer of single words',
      `${LONG}\r\n-- \r\nUnsubscribe\r\nhere\r\n`,
      'A sentence that is long enough for a whole line of base64 and more.\r\n-- \r\nUnsubscribe\r\nhere\r\n',
    ],
    ['a footer of one word behind padding', 'JVBERg==\r\nUnsubscribe\r\n', '%PDF\r\nUnsubscribe\r\n'],
    [
      'a footer under a line',
      'SGVsbG8K\r\n_______________\r\nlist mailing list\r\n',
      'Hello\n_______________\r\nlist mailing list\r\n',
    ],
    ['a footer in LF', 'SGVsbG8K\n-- \nthe list\n', 'Hello\n-- \nthe list\n'],
    ['a footer in Latin-1', 'SGVsbG8K\r\nGr\xfc\xdfe\r\n', 'Hello\nGr\xfc\xdfe\r\n'],
    [
      'a footer with a blank line in it',
      'SGVsbG8K\r\none line.\r\n\r\ntwo.\r\n',
      'Hello\none line.\r\n\r\ntwo.\r\n',
    ],
    [
      'a remark in the middle',
      `${LONG}\r\n* scanned by x *\r\n${LONG}`,
      `${'A sentence that is long enough for a whole line of base64 and more.'.repeat(2)}\r\n* scanned by x *\r\n`,
    ],
  ])('%s', (_about, body, expected) => {
    expect(decodeBase64AsReaders(Buffer.from(body, 'latin1'))?.toString('latin1')).toBe(expected);
  });

  it.each(['Hello, this is a text.', '', '====', '!!!', '\r\n\r\n', 'no. base. here.'])(
    '%j is none',
    (text) => {
      expect(decodeBase64AsReaders(Buffer.from(text))).toBeNull();
    },
  );

  it('opens an attachment with noise in it as its PDF, and a text with a footer as a text', async () => {
    const part = (...fields: readonly string[]) =>
      lines('Content-Type: multipart/mixed; boundary=b', '', '--b', '', 'x', '--b', ...fields, '--b--');
    expect((await seal(part(...PDF.slice(0, 3), 'JVBE', '!!', 'Rg=='))).texts).toEqual(['x', '%PDF']);
    const text = await seal(
      lines(
        'Content-Type: text/plain; charset=utf-8',
        'Content-Transfer-Encoding: base64',
        '',
        'SGVsbG8gV29ybGQK',
        '-- ',
        'list footer http://lists.example/',
      ),
    );
    // In a literal packet of text, line ends are CRLF.
    expect(text.texts).toEqual([`Hello World\r\n${FOOTER}`]);
    expect(text.sealed).not.toContain('X-Original');
  });

  it.each([
    ['lines of noise', '!!\n'],
    ['lines of one digit', 'A\n'],
    ['padded pieces', 'QQ==\n'],
    ['padding', '='],
    ['words', 'ab cd\n'],
    ['digits and noise in turn', 'AAAA\n!!\n'],
  ])('costs linear time: %s', (_about, unit) => {
    const text = Buffer.from(unit.repeat(Math.ceil(4_000_000 / unit.length)));
    expect(quickest(3000, () => decodeBase64AsReaders(text))).toBeLessThan(3000);
  });
});

describe('a part whose type cannot be read keeps its file name', () => {
  it.each([
    ['Content-Type: application/pdf; name=my file.pdf', '"my file.pdf.pgp"'],
    ['Content-Type: application/pdf; name=\xc3\x9cber.pdf', '"\xc3\x9cber.pdf.pgp"'],
    ['Content-Type: application/pdf; name="a.pdf"; name="b.pdf"', '"a.pdf.pgp"'],
    ['Content-Type: application/pdf; name="open.pdf', '"open.pdf.pgp"'],
    ['Content-Type: application/pdf; name=a (1).pdf', '"a (1).pdf.pgp"'],
    ['Content-Type: application/pdf; charset; name=a.pdf; =', 'a.pdf.pgp'],
    ['Content-Type: image/png; name=a,b.png', '"a,b.png.pgp"'],
    ['Content-Type: text/csv; name=my table.csv', '"my table.csv.pgp"'],
    ["Content-Type: application/x y; name*=utf-8''a%20b.pdf", "utf-8''a%20b.pdf.pgp"],
    ['Content-Type: ;\r\nContent-Disposition: inline; filename="a.pdf"', '"a.pdf.pgp"'],
    ['Content-Type: pdf\r\nContent-Disposition: attachment; filename=a.pdf', 'a.pdf.pgp'],
    [
      'Content-Type: pdf; x\r\nContent-Disposition: inline;\r\n filename*0="a"; filename*1=".pdf"',
      '".pdf.pgp"',
    ],
  ])('%s', async (fields, name) => {
    const { sealed, texts } = await seal(
      lines(
        'Content-Type: multipart/mixed; boundary=b',
        '',
        '--b',
        '',
        'x',
        '--b',
        fields,
        '',
        '%PDF',
        '--b--',
      ),
    );
    expect(texts).toEqual(['x', '%PDF']);
    expect(sealed).toContain('Content-Type: application/octet-stream;\r\n name');
    expect(sealed).toContain(`=${name}\r\n`);
  });
});

const HTML = ['Content-Type: text/html; charset=utf-8', '', '<p>Hello</p>'];
const CALENDAR = ['Content-Type: text/calendar; method=REQUEST; charset=utf-8', '', 'BEGIN:VCALENDAR'];
const PLAIN = ['Content-Type: text/plain', '', 'Hello'];
const inMultipart = (subtype: string, ...parts: readonly (readonly string[])[]) =>
  lines(
    `Content-Type: multipart/${subtype}; boundary=b`,
    '',
    ...parts.flatMap((part) => ['--b', ...part]),
    '--b--',
  );

describe('what mail programs do not show once it is armored becomes a file beside a note', () => {
  it.each([
    [
      'HTML alone',
      lines('Subject: x', 'MIME-Version: 1.0', ...HTML),
      [NOTE, '<p>Hello</p>\r\n'],
      ['message.htm.pgp'],
    ],
    [
      'HTML with a name',
      lines('Content-Type: text/html; name="page.html"', '', '<p>'),
      [NOTE, '<p>\r\n'],
      ['page.html.pgp'],
    ],
    [
      'HTML and a file',
      inMultipart('mixed', HTML, PDF),
      [NOTE, '<p>Hello</p>', '%PDF'],
      ['message.htm.pgp', 'a.pdf.pgp'],
    ],
    [
      'HTML with its pictures',
      inMultipart('related', HTML, ['Content-Type: image/png; name=a.png', '', 'PNG']),
      [NOTE, '<p>Hello</p>', 'PNG'],
      ['message.htm.pgp', 'a.png.pgp'],
    ],
    [
      'HTML beside an empty text',
      inMultipart('alternative', ['Content-Type: text/plain', '', ''], HTML),
      ['', NOTE, '<p>Hello</p>'],
      ['message.htm.pgp'],
    ],
    [
      'HTML beside a message with a text',
      inMultipart('mixed', HTML, ['Content-Type: message/rfc822', '', ...PLAIN]),
      [NOTE, '<p>Hello</p>', 'Hello'],
      ['message.htm.pgp'],
    ],
    [
      'two HTML texts',
      inMultipart('mixed', HTML, HTML),
      [NOTE, '<p>Hello</p>', '<p>Hello</p>'],
      ['message.htm.pgp', 'message.htm.pgp'],
    ],
    ['a calendar alone', lines('Subject: x', ...CALENDAR), [NOTE, 'BEGIN:VCALENDAR\r\n'], ['invite.ics.pgp']],
    [
      'a calendar with a name',
      lines('Content-Type: text/calendar; name=meeting.ics', '', 'B'),
      [NOTE, 'B\r\n'],
      ['meeting.ics.pgp'],
    ],
    [
      'a calendar beside a text',
      inMultipart('mixed', PLAIN, CALENDAR),
      ['Hello', 'BEGIN:VCALENDAR'],
      ['invite.ics.pgp'],
    ],
    [
      'a calendar as an alternative',
      inMultipart('alternative', PLAIN, HTML, CALENDAR),
      ['Hello', '<p>Hello</p>', 'BEGIN:VCALENDAR'],
      ['invite.ics.pgp'],
    ],
    [
      'a calendar beside HTML',
      inMultipart('alternative', HTML, CALENDAR),
      [NOTE, '<p>Hello</p>', 'BEGIN:VCALENDAR'],
      ['message.htm.pgp', 'invite.ics.pgp'],
    ],
  ] as const)('%s', async (_about, message, expected, files) => {
    const { sealed, texts } = await seal(message);
    expect(texts).toEqual(expected);
    const named = [...sealed.matchAll(/^ filename="?([^"\r\n]+)"?\r$/gm)].map((found) => found[1]);
    expect(named).toEqual(files);
    for (const shown of ['Hello', 'VCALENDAR', 'encrypted file']) expect(sealed).not.toContain(shown);
    const kinds = (readTree(Buffer.from(sealed, 'latin1'), 100) ?? []).filter(({ kind }) => kind === 'leaf');
    expect(kinds).toHaveLength(expected.length);
  });

  it('shows all parts of a multipart whose alternatives had a calendar', async () => {
    const { sealed } = await seal(inMultipart('alternative', PLAIN, CALENDAR));
    expect(sealed).toContain(
      'Content-Type: multipart/mixed;\r\n boundary="b"\r\nX-Original-Content-Type: multipart/alternative; boundary=b\r\n',
    );
  });

  it('leaves HTML in its place where a text stands beside it', async () => {
    const { sealed, texts } = await seal(inMultipart('alternative', PLAIN, HTML));
    expect(texts).toEqual(['Hello', '<p>Hello</p>']);
    expect(sealed).toContain('Content-Type: text/html; charset=utf-8\r\n\r\n-----BEGIN PGP MESSAGE-----');
  });

  it('keeps the other fields of the message outside, and is recognised as encrypted', async () => {
    const key = await makeKey('p256');
    const message = lines('From: a@example.org', 'Subject: x', 'MIME-Version: 1.0', ...HTML);
    const options = { ...OPTIONS, keys: [key.recipient] };
    const sealed = (await sealInline(message, options, createEngine())) ?? Buffer.alloc(0);
    expect(sealed.toString('latin1')).toMatch(
      /^From: a@example\.org\r\nSubject: x\r\nMIME-Version: 1\.0\r\nContent-Type: multipart\/mixed;\r\n boundary="sealpost-note-[0-9a-f]{36}"\r\nSealpost-Status: /,
    );
    expect(detectEncrypted(sealed)).toMatchObject({ encrypted: true, how: 'multipart' });
    expect(await sealInline(sealed, options, createEngine())).toBe(sealed);
  });
});

describe('the readings of a parameter', () => {
  it.each([
    ['a; name=x', ['x']],
    ['a; name="x y"', ['x y']],
    ['a; name="x\\"y"', ['x"y']],
    ["a; name=x; name*=utf-8''%C3%BC", ['x', '\xc3\xbc']],
    ['a; name*0=x; name*2=z', ['x']],
    ['a; name*1=x', []],
    ['a; name=x; name=y', []],
    ['a; names=x', []],
    ['a', []],
    [`a; ${'name*0=x; '.repeat(1000)}`, ['x']],
    ["a; name*0*=''%zz%4", ['%zz%4']],
  ])('of %s', (value, readings) => {
    expect(parameterReadings(value, 'name')).toEqual(readings);
  });
});
