// "Already encrypted?", where programs on the way have written the message anew, or write it in their own way: what shows no text
// to any reader passes, and what shows one does not.
import { beforeAll, describe, expect, it } from 'vitest';
import { detectEncrypted } from '../../../src/message/detect.ts';
import { armorMessage } from '../../support/armor-message.ts';
import { cms } from '../../support/encrypted-samples.ts';
import { makeKey } from '../../support/make-keys.ts';
import { base64, CONTROL, MIXED, mail, multipart, octets, PGP_MIME, part, qp } from './compose.ts';
import { packet, RSA_SESSION_KEY, seipd1 } from './packets.ts';

const BINARY = Buffer.concat([RSA_SESSION_KEY, seipd1()]);
const ARMOR = armorMessage(BINARY).toString('latin1');
const TEXT = 'Content-Type: text/plain';
const IN_BASE64 = 'Content-Transfer-Encoding: base64';
const IN_QP = 'Content-Transfer-Encoding: quoted-printable';
const CONTROL_TYPE = 'Content-Type: application/pgp-encrypted';
const NOON = 'Meet me at noon.\r\n';

type Odd = readonly [name: string, message: () => Buffer];

const pgpMime = (...parts: readonly string[]) => mail(PGP_MIME, multipart('b', ...parts));
const mixed = (...parts: readonly string[]) => mail(MIXED, multipart('m', ...parts));
const encoded = (text: string) => base64(Buffer.from(text, 'latin1'));

const CONTROLS_THAT_PASS: readonly (readonly [name: string, control: string])[] = [
  ['base64', part(`${CONTROL_TYPE}\r\n${IN_BASE64}`, encoded('Version: 1\r\n'))],
  ['base64 in upper case', part(`${CONTROL_TYPE}\r\n${IN_BASE64.toUpperCase()}`, encoded('Version: 1'))],
  ['base64 over two lines', part(`${CONTROL_TYPE}\r\n${IN_BASE64}`, 'VmVyc2lv\r\nbjogMQ0K\r\n')],
  ['base64 with LF inside', part(`${CONTROL_TYPE}\r\n${IN_BASE64}`, encoded('Version: 1\n'))],
  ['base64 of nothing', part(`${CONTROL_TYPE}\r\n${IN_BASE64}`, '')],
  [
    'base64 with empty lines behind',
    part(`${CONTROL_TYPE}\r\n${IN_BASE64}`, `${encoded('Version: 1\n\n')}\r\n\r\n`),
  ],
  [
    'base64 with a byte order mark',
    part(`${CONTROL_TYPE}\r\n${IN_BASE64}`, encoded('\xef\xbb\xbfVersion: 1\r\n')),
  ],
  [
    'base64 and a name',
    part(
      `${CONTROL_TYPE}; name="PGPMIME Versions Identification"\r\n${IN_BASE64}`,
      encoded('Version: 1\r\n'),
    ),
  ],
  [
    'base64, shown in place',
    part(`${CONTROL_TYPE}\r\nContent-Disposition: inline\r\n${IN_BASE64}`, encoded('version: 1')),
  ],
  ['quoted-printable', part(`${CONTROL_TYPE}\r\n${IN_QP}`, 'Version: 1\r\n')],
  ['quoted-printable with escapes', part(`${CONTROL_TYPE}\r\n${IN_QP}`, 'Version:=201=0D=0A')],
  ['quoted-printable with a soft break', part(`${CONTROL_TYPE}\r\n${IN_QP}`, 'Version: =\r\n1')],
  ['8bit', part(`${CONTROL_TYPE}\r\nContent-Transfer-Encoding: 8bit`, 'Version: 1\r\n')],
];

const CONTROLS_THAT_DO_NOT: readonly (readonly [name: string, control: string])[] = [
  ['a letter in base64', part(`${CONTROL_TYPE}\r\n${IN_BASE64}`, encoded(`Version: 1\r\n${NOON}`))],
  [
    'a letter behind base64',
    part(`${CONTROL_TYPE}\r\n${IN_BASE64}`, `${encoded('Version: 1\r\n')}\r\n* ${NOON}`),
  ],
  ['a letter in quoted-printable', part(`${CONTROL_TYPE}\r\n${IN_QP}`, 'Version: 1=0D=0ANoon')],
  ['a letter behind 64 characters', part(CONTROL_TYPE, `Version:${' '.repeat(55)}1${NOON}`)],
  ['another encoding', part(`${CONTROL_TYPE}\r\nContent-Transfer-Encoding: x-own`, 'Version: 1\r\n')],
  ['base64 that is not encoded', part(`${CONTROL_TYPE}\r\n${IN_BASE64}`, 'Version: 1\r\n')],
];

const der = base64(cms('enveloped'));
const named = (disposition: string, type = 'application/octet-stream') =>
  `Content-Type: ${type}\r\nContent-Disposition: ${disposition}\r\n${IN_BASE64}`;

const CMS_NAMES_THAT_PASS: readonly (readonly [name: string, fields: string])[] = [
  ['quoted', named('attachment; filename="smime.p7m"')],
  ['a token', named('attachment; filename=smime.p7m')],
  ['in upper case', named('ATTACHMENT; FILENAME="SMIME.P7M"')],
  ['shown in place', named('inline; filename=smime.p7m')],
  ['with a size', named('attachment; size=421; filename="smime.p7m"')],
  ['folded', named('attachment;\r\n\tfilename="smime.p7m"')],
  ['with another name', named('attachment; filename="encrypted mail.p7m"')],
  ['of RFC 2231', named("attachment; filename*=utf-8''smime.p7m")],
  ['of RFC 2231, with escapes', named("attachment; filename*=utf-8'en'smime%2Ep7m")],
  ['of RFC 2231, in pieces', named('attachment; filename*0="smi"; filename*1="me.p7m"')],
  [
    'of RFC 2231, in pieces out of order',
    named("attachment; filename*1*=%6De.p7m; filename*0*=us-ascii''smi"),
  ],
  ['with a comment', named('attachment (signed?); filename=smime.p7m (really)')],
  ['not quoted, with a space', named('attachment; filename=my smime.p7m')],
  ['beside another name', named('attachment; filename="smime.p7m"', 'application/octet-stream; name="data"')],
];

const EMPTY = part(`${TEXT}; charset="us-ascii"\r\n${IN_QP}`, '\r\n');
const EXCHANGE_CONTROL = part(
  `${CONTROL_TYPE}; name="PGPMIME Versions Identification"\r\nContent-Description: PGP/MIME Versions Identification\r\nContent-Disposition: attachment; filename="PGPMIME Versions Identification"; size=76\r\n${IN_BASE64}`,
  encoded('Version: 1\r\n'),
);
const EXCHANGE_FILE = part(
  `Content-Type: application/octet-stream; name="encrypted.asc"\r\nContent-Disposition: attachment; filename="encrypted.asc"\r\n${IN_BASE64}`,
  encoded(ARMOR.replaceAll('\r\n', '\n')),
);

const EXCHANGE_THAT_PASSES: readonly Odd[] = [
  ['all of it in base64', () => mixed(EMPTY, EXCHANGE_CONTROL, EXCHANGE_FILE)],
  ['nothing in base64', () => mixed(part(TEXT, ''), CONTROL, octets(ARMOR))],
  ['an empty text without a type', () => mixed('\r\n\r\n', CONTROL, octets(ARMOR))],
  ['an empty text of blank lines', () => mixed(part(TEXT, ' \t\r\n\r\n \r\n'), CONTROL, octets(ARMOR))],
  ['an empty HTML text', () => mixed(part('Content-Type: text/html', ''), CONTROL, octets(ARMOR))],
  ['an empty text in base64', () => mixed(part(`${TEXT}\r\n${IN_BASE64}`, 'DQo='), CONTROL, octets(ARMOR))],
  [
    'an empty text that is a byte order mark',
    () => mixed(part(`${TEXT}; charset=utf-8`, '\xef\xbb\xbf\r\n'), CONTROL, octets(ARMOR)),
  ],
  [
    'an empty text in Latin-1',
    () => mixed(part(`${TEXT}; charset=iso-8859-1`, '\r\n'), CONTROL, octets(ARMOR)),
  ],
  [
    'ciphertext in binary',
    () =>
      mixed(EMPTY, CONTROL, part(`Content-Type: application/octet-stream\r\n${IN_BASE64}`, base64(BINARY))),
  ],
  ['ciphertext as a text', () => mixed(EMPTY, CONTROL, part(TEXT, ARMOR))],
  [
    'no closing delimiter',
    () => mail(MIXED, multipart('m', EMPTY, CONTROL, octets(ARMOR)).replace('--m--\r\n', '')),
  ],
  [
    'inside what a list added',
    () =>
      mail(
        'Content-Type: multipart/mixed; boundary=o',
        multipart('o', part(MIXED, multipart('m', EMPTY, CONTROL, octets(ARMOR)))),
      ),
  ],
  [
    'LF line ends',
    () =>
      Buffer.from(
        mixed(EMPTY, EXCHANGE_CONTROL, EXCHANGE_FILE).toString('latin1').replaceAll('\r\n', '\n'),
        'latin1',
      ),
  ],
];

const EXCHANGE_THAT_DOES_NOT: readonly Odd[] = [
  ['a text in front', () => mixed(part(TEXT, NOON), EXCHANGE_CONTROL, EXCHANGE_FILE)],
  ['a footer behind', () => mixed(EMPTY, EXCHANGE_CONTROL, EXCHANGE_FILE, part(TEXT, NOON))],
  [
    'a disclaimer in base64',
    () => mixed(part(`${TEXT}\r\n${IN_BASE64}`, encoded(NOON)), CONTROL, octets(ARMOR)),
  ],
  ['plaintext as ciphertext', () => mixed(EMPTY, CONTROL, octets(NOON))],
  ['no ciphertext', () => mixed(EMPTY, CONTROL)],
  ['nothing but empty texts', () => mixed(EMPTY, EMPTY)],
  ['a letter in the control part', () => mixed(EMPTY, part(CONTROL_TYPE, NOON), octets(ARMOR))],
  [
    'letters of UTF-16 that are white space in ASCII',
    () => mixed(part(`${TEXT}; charset=utf-16le`, '\x20\x20\x20\x09'), CONTROL, octets(ARMOR)),
  ],
  [
    'an HTML text with nothing but a picture',
    () => mixed(part('Content-Type: text/html', '<img src="cid:a">'), CONTROL, octets(ARMOR)),
  ],
  ['a non-breaking space, which some programs show', () => mixed(part(TEXT, '\xa0'), CONTROL, octets(ARMOR))],
  [
    'a file beside',
    () => mixed(EMPTY, CONTROL, octets(ARMOR), part('Content-Type: application/pdf', '%PDF-1.4')),
  ],
];

const INLINE = part(TEXT, ARMOR);
const FILE = part(`Content-Type: application/octet-stream; name=a.pdf.pgp\r\n${IN_BASE64}`, base64(BINARY));

const EMPTY_BESIDE_THAT_PASSES: readonly Odd[] = [
  ['in front of a file', () => mixed(part(TEXT, ''), FILE)],
  ['behind a text', () => mixed(INLINE, part(TEXT, ''))],
  ['between files', () => mixed(FILE, part(TEXT, '\r\n'), FILE)],
  ['twice', () => mixed(part(TEXT, ''), INLINE, part(TEXT, ''))],
  [
    'as both alternatives',
    () =>
      mixed(
        part(
          'Content-Type: multipart/alternative; boundary=n',
          multipart('n', part(TEXT, ''), part('Content-Type: text/html', '\r\n')),
        ),
        FILE,
      ),
  ],
  ['without a type', () => mixed('\r\n', FILE)],
  ['in quoted-printable', () => mixed(part(`${TEXT}\r\n${IN_QP}`, '=20=\r\n=0D=0A'), FILE)],
  ['in base64', () => mixed(part(`${TEXT}\r\n${IN_BASE64}`, 'ICAN Cg=='), FILE)],
  ['in windows-1252', () => mixed(part(`${TEXT}; charset=windows-1252`, ' '), FILE)],
  [
    'beside CMS',
    () => mixed(part(TEXT, ''), part(`Content-Type: application/pkcs7-mime\r\n${IN_BASE64}`, der)),
  ],
  [
    'beside PGP/MIME',
    () => mixed(part(PGP_MIME, multipart('b', CONTROL, octets(ARMOR))), part(TEXT, '\r\n')),
  ],
];

const HEADERS_THAT_PASS: readonly (readonly [name: string, fields: string])[] = [
  [
    'a protocol without quotes',
    'Content-Type: multipart/encrypted; protocol=application/pgp-encrypted; boundary="b"',
  ],
  ['... at the end', 'Content-Type: multipart/encrypted; boundary="b"; protocol=application/pgp-encrypted'],
  ['... in upper case', 'CONTENT-TYPE: MULTIPART/ENCRYPTED; PROTOCOL=APPLICATION/PGP-ENCRYPTED; BOUNDARY=b'],
  [
    '... folded',
    'Content-Type: multipart/encrypted;\r\n protocol=application/pgp-encrypted;\r\n\tboundary=b',
  ],
  [
    '... in front of a comment',
    'Content-Type: multipart/encrypted; protocol=application/pgp-encrypted (RFC 3156); boundary=b',
  ],
  [
    '... with blanks',
    'Content-Type: multipart/encrypted ; protocol = application/pgp-encrypted ; boundary = b',
  ],
  [
    '... in front of another parameter',
    'Content-Type: multipart/encrypted; protocol=application/pgp-encrypted; charset=utf-8; boundary=b',
  ],
  [
    '... with a semicolon behind all',
    'Content-Type: multipart/encrypted; boundary=b; protocol=application/pgp-encrypted;',
  ],
  [
    '... and quoted-printable',
    `Content-Type: multipart/encrypted; protocol=application/pgp-encrypted; boundary=b\r\n${IN_QP}`,
  ],
  ['quoted-printable', `${PGP_MIME}\r\n${IN_QP}`],
  ['quoted-printable in upper case', `${PGP_MIME}\r\n${IN_QP.toUpperCase()}`],
  ['quoted-printable in front', `${IN_QP}\r\n${PGP_MIME}`],
];

const HEADERS_THAT_DO_NOT: readonly (readonly [name: string, fields: string])[] = [
  [
    'the protocol of signatures, without quotes',
    PGP_MIME.replace('"application/pgp-encrypted"', 'application/pgp-signature'),
  ],
  [
    'a protocol without quotes that goes on',
    PGP_MIME.replace('"application/pgp-encrypted"', 'application/pgp-encrypted/x'),
  ],
  [
    'a protocol without quotes and no subtype',
    PGP_MIME.replace('"application/pgp-encrypted"', 'application/'),
  ],
  [
    'a protocol without a semicolon behind it',
    'Content-Type: multipart/encrypted; protocol=application/pgp-encrypted boundary=b',
  ],
  ['a boundary that could be read in two ways', PGP_MIME.replace('boundary=b', 'boundary=b/c')],
  ['base64', `${PGP_MIME}\r\n${IN_BASE64}`],
  ['two transfer encodings', `${PGP_MIME}\r\n${IN_QP}\r\nContent-Transfer-Encoding: 7bit`],
];

const withHeaders = (headers: string) => ARMOR.replace('MESSAGE-----\r\n', `MESSAGE-----\r\n${headers}`);
const MARK = '\xef\xbb\xbf';

const ARMORS_THAT_PASS: readonly Odd[] = [
  ['an unknown field', () => mail(TEXT, withHeaders('X-Own: 1.2\r\n'))],
  ['an unknown field of some words', () => mail(TEXT, withHeaders('Program: Letter Writer 7\r\n'))],
  ['an unknown field without a value', () => mail(TEXT, withHeaders('Origin:\r\n'))],
  [
    'an unknown field among known ones',
    () => mail(TEXT, withHeaders('Version: X 1\r\nKeyID: 0x0123456789abcdef\r\nComment: x y z\r\n')),
  ],
  ['several unknown fields', () => mail(TEXT, withHeaders('A: 1\r\nB: 2\r\nMIMEType: text/plain\r\n'))],
  ['a note', () => mail(TEXT, withHeaders('Note: This can be verified at https://example.org/verify\r\n'))],
  ['a byte order mark', () => mail(`${TEXT}; charset=utf-8`, `${MARK}${ARMOR}`)],
  ['a byte order mark without a charset', () => mail(TEXT, `${MARK}${ARMOR}`)],
  ['a byte order mark and an empty line', () => mail(TEXT, `${MARK}\r\n${ARMOR}`)],
  ['a byte order mark in quoted-printable', () => mail(`${TEXT}\r\n${IN_QP}`, `=EF=BB=BF${qp(ARMOR)}`)],
  ['a byte order mark in base64', () => mail(`${TEXT}\r\n${IN_BASE64}`, encoded(MARK + ARMOR))],
  ['a byte order mark in a multipart', () => mixed(part(TEXT, MARK + ARMOR), FILE)],
  ['a byte order mark in PGP/MIME', () => pgpMime(CONTROL, octets(MARK + ARMOR))],
  ['an unknown field in PGP/MIME', () => pgpMime(CONTROL, octets(withHeaders('X-Own: 1\r\n')))],
];

const ARMORS_THAT_DO_NOT: readonly Odd[] = [
  ['an unknown field with a sentence', () => mail(TEXT, withHeaders(`Secret: ${NOON}`))],
  ['unknown fields without end', () => mail(TEXT, withHeaders('Meet: me\r\n'.repeat(60)))],
  ['a line that is no field', () => mail(TEXT, withHeaders(NOON))],
  ['a byte order mark in the middle', () => mail(TEXT, ARMOR.replace('\r\n\r\n', `\r\n${MARK}\r\n`))],
  ['two byte order marks', () => mail(TEXT, MARK + MARK + ARMOR)],
  ['a text behind a byte order mark', () => mail(TEXT, `${MARK}${NOON}${ARMOR}`)],
];

let key: Buffer;
let keyArmor: string;

beforeAll(async () => {
  const { secret } = await makeKey('p256');
  key = Buffer.from(secret.toPublic().write());
  keyArmor = secret.toPublic().armor().replace(/\r?\n/g, '\r\n');
});

const KEYS_TYPE = 'Content-Type: application/pgp-keys; name="OpenPGP_0x1234.asc"';
const besideKey = (fields: string, body: () => string) => () => mixed(INLINE, part(fields, body()));

const KEYS_THAT_PASS: readonly Odd[] = [
  ['armored', besideKey(KEYS_TYPE, () => keyArmor)],
  ['armored, in quoted-printable', besideKey(`${KEYS_TYPE}\r\n${IN_QP}`, () => qp(keyArmor))],
  ['armored, in base64', besideKey(`${KEYS_TYPE}\r\n${IN_BASE64}`, () => encoded(keyArmor))],
  ['binary', besideKey(`${KEYS_TYPE}\r\n${IN_BASE64}`, () => base64(key))],
  [
    'with armor fields',
    besideKey(KEYS_TYPE, () => keyArmor.replace('BLOCK-----\r\n', 'BLOCK-----\r\nComment: of Alice\r\n')),
  ],
  ['without its checksum', besideKey(KEYS_TYPE, () => keyArmor.replace(/\r\n=....\r\n/, '\r\n'))],
  ['as octets', besideKey('Content-Type: application/octet-stream; name=key.asc', () => keyArmor)],
  [
    'as an attachment',
    besideKey(`${KEYS_TYPE}\r\nContent-Disposition: attachment; filename="key.asc"`, () => keyArmor),
  ],
  ['in front of the text', () => mixed(part(KEYS_TYPE, keyArmor), INLINE)],
  ['two of them', () => mixed(INLINE, part(KEYS_TYPE, keyArmor), part(KEYS_TYPE, keyArmor))],
  ['two in one', besideKey(`${KEYS_TYPE}\r\n${IN_BASE64}`, () => base64(Buffer.concat([key, key])))],
  ['beside an encrypted file', () => mixed(INLINE, FILE, part(KEYS_TYPE, keyArmor))],
];

const KEYS_THAT_DO_NOT: readonly Odd[] = [
  ['without anything encrypted', () => mixed(part(KEYS_TYPE, keyArmor))],
  ['beside an empty text alone', () => mixed(part(TEXT, ''), part(KEYS_TYPE, keyArmor))],
  ['a letter in front of it', besideKey(KEYS_TYPE, () => NOON + keyArmor)],
  ['a letter behind it', besideKey(KEYS_TYPE, () => keyArmor + NOON)],
  [
    'a letter behind its packets',
    besideKey(`${KEYS_TYPE}\r\n${IN_BASE64}`, () => base64(Buffer.concat([key, Buffer.from(NOON)]))),
  ],
  [
    'a literal packet behind it',
    besideKey(`${KEYS_TYPE}\r\n${IN_BASE64}`, () =>
      base64(Buffer.concat([key, packet(11, Buffer.from(`b\0\0\0\0\0${NOON}`))])),
    ),
  ],
  [
    'a picture in it',
    besideKey(`${KEYS_TYPE}\r\n${IN_BASE64}`, () =>
      base64(Buffer.concat([key, packet(17, Buffer.alloc(9000))])),
    ),
  ],
  [
    'a user ID that may be a letter',
    besideKey(`${KEYS_TYPE}\r\n${IN_BASE64}`, () =>
      base64(Buffer.concat([key, packet(13, Buffer.from(NOON.repeat(40)))])),
    ),
  ],
  ['shown in place as a text', besideKey(TEXT, () => keyArmor)],
  ['a signature block', besideKey(KEYS_TYPE, () => keyArmor.replaceAll('PUBLIC KEY BLOCK', 'SIGNATURE'))],
  [
    'packets that begin with a user ID',
    besideKey(`${KEYS_TYPE}\r\n${IN_BASE64}`, () => base64(packet(13, Buffer.from('Alice')))),
  ],
];

/** Bytes that JavaScript takes for white space, and no mail program does. */
const NO_WHITE_SPACE = [
  '\xa0',
  '\x0b',
  '\x0c',
  ' \xa0',
  '\xa0 ',
  '\x0c\x0b',
  '\t\x0b',
  '\x00',
  '\x85',
  '\x1f',
  '\x08',
];

const expectAll = (cases: readonly Odd[], encrypted: boolean) =>
  it.each(cases)('%s', (_name, message) => {
    expect(detectEncrypted(message())).toMatchObject({ encrypted });
  });

const asPgpMime = (controls: readonly (readonly [string, string])[]): readonly Odd[] =>
  controls.map(([name, control]) => [name, () => pgpMime(control, octets(ARMOR))]);
const asRoot = (fields: readonly (readonly [string, string])[]): readonly Odd[] =>
  fields.map(([name, each]) => [name, () => mail(each, multipart('b', CONTROL, octets(ARMOR)))]);

describe('a control part in a transfer encoding: encrypted already', () =>
  expectAll(asPgpMime(CONTROLS_THAT_PASS), true));
describe('a control part with something else in it: not', () =>
  expectAll(asPgpMime(CONTROLS_THAT_DO_NOT), false));
describe('S/MIME that Content-Disposition names: encrypted already', () =>
  expectAll(
    CMS_NAMES_THAT_PASS.map(([name, fields]) => [name, () => mail(fields, `${der}\r\n`)]),
    true,
  ));
describe('what is named as S/MIME and is none: not', () =>
  expectAll(
    [
      ['signed data', () => mail(named('attachment; filename=smime.p7m'), base64(cms('signed')))],
      ['a letter', () => mail(named('attachment; filename=smime.p7m'), encoded(NOON))],
      ['the name in another parameter', () => mail(named('attachment; x-filename=smime.p7m'), der)],
      ['another ending', () => mail(named('attachment; filename=smime.p7m.txt'), der)],
      ['two names', () => mail(named('attachment; filename=a; filename=smime.p7m'), der)],
      ['a piece that is missing', () => mail(named('attachment; filename*0=a; filename*2=.p7m'), der)],
    ],
    false,
  ));
describe('PGP/MIME that Exchange or a bridge wrote anew: encrypted already', () =>
  expectAll(EXCHANGE_THAT_PASSES, true));
describe('what looks like it and shows something: not', () => expectAll(EXCHANGE_THAT_DOES_NOT, false));
describe('an empty text beside encrypted parts: encrypted already', () =>
  expectAll(EMPTY_BESIDE_THAT_PASSES, true));
describe('PGP/MIME whose header is loosely written: encrypted already', () =>
  expectAll(asRoot(HEADERS_THAT_PASS), true));
describe('a header that could be read in two ways: not', () => expectAll(asRoot(HEADERS_THAT_DO_NOT), false));
describe('armor with unknown fields or a byte order mark: encrypted already', () =>
  expectAll(ARMORS_THAT_PASS, true));
describe('armor with a text in it: not', () => expectAll(ARMORS_THAT_DO_NOT, false));
describe('an inline message beside an attached public key: encrypted already', () =>
  expectAll(KEYS_THAT_PASS, true));
describe('an inline message beside what may be a letter: not', () => expectAll(KEYS_THAT_DO_NOT, false));

describe('a line that only JavaScript takes for a delimiter (lesson 26): not encrypted', () => {
  it.each(NO_WHITE_SPACE)('%j behind the boundary', (byte) => {
    // Mail programs see one part: a text that begins with the letter.
    const body = `--m${byte}\r\n\r\n${NOON}--m\r\n${INLINE}\r\n--m--\r\n`;
    expect(detectEncrypted(mail(MIXED, body)).encrypted).toBe(false);
    const behind = `--m\r\n${INLINE}\r\n--m--${byte}\r\n\r\n${NOON}\r\n--m--\r\n`;
    expect(detectEncrypted(mail(MIXED, behind)).encrypted).toBe(false);
    // A preamble is no place for parts that a program with another idea of the boundary would show.
    expect(
      detectEncrypted(mail(MIXED, `\r--m${byte}\r\r${NOON}\r\n--m\r\n${INLINE}\r\n--m--\r\n`)).encrypted,
    ).toBe(false);
  });
});

describe('how the answer is told', () => {
  it('names the parts without text, and the keys of the encrypted one', () => {
    expect(detectEncrypted(mixed(EMPTY, EXCHANGE_CONTROL, EXCHANGE_FILE))).toEqual({
      encrypted: true,
      how: 'multipart',
      because: 'multipart/mixed whose every part is encrypted, or holds no text',
      keyIds: ['0123456789abcdef'],
    });
  });
});

describe('armor fields that fit in two ways', () => {
  it('cost linear time: sixty lines that a program is known to write, and one that nobody does', () => {
    const lines = 'Hash: a\n'.repeat(60);
    const text = `-----BEGIN PGP MESSAGE-----\n${lines}!\n\n-----END PGP MESSAGE-----\n`;
    const started = process.cpuUsage();
    expect(detectEncrypted(Buffer.from(`Content-Type: text/plain\r\n\r\n${text}`)).encrypted).toBe(false);
    const { user } = process.cpuUsage(started);
    expect(user).toBeLessThan(1_000_000);
  });
});
