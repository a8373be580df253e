// "Already encrypted?", where the answer lies in the MIME structure, the armor or the CMS around the ciphertext. Each case with
// the reason that `explain` prints.
import { describe, expect, it } from 'vitest';
import { explainMessage } from '../../../src/message/explain.ts';
import { armorMessage } from '../../support/armor-message.ts';
import { cms, cmsIndefinite } from '../../support/encrypted-samples.ts';
import {
  base64,
  CONTROL,
  MIXED,
  mail,
  multipart,
  NOT_ARMORED,
  octets,
  PGP_MIME,
  part,
  qp,
  smime,
} from './compose.ts';
import { KEY_ID, RSA_SESSION_KEY, seipd1 } from './packets.ts';

const BINARY = Buffer.concat([RSA_SESSION_KEY, seipd1()]);
const ARMOR = armorMessage(BINARY).toString('latin1');
const TEXT = 'Content-Type: text/plain';
const PLAIN = part(TEXT, 'Meet me at noon.\r\n');
const INLINE = part(TEXT, ARMOR);
const ENCRYPTED_FILE = part(
  'Content-Type: application/pgp-encrypted; name=a.pdf.pgp\r\nContent-Transfer-Encoding: base64',
  base64(BINARY),
);
const REMARK = 'This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)\r\n';
const FIRST_PART = 'multipart/encrypted whose first part is not application/pgp-encrypted with "Version: 1"';
const SECOND_PART = 'multipart/encrypted whose second part is not an encrypted OpenPGP message';
const PROTOCOL = 'multipart/encrypted with another protocol than application/pgp-encrypted';
const TWO_WAYS = 'the Content-Type cannot be read, or can be read in two ways';
const NO_ENVELOPE = 'whose CMS content type is not enveloped-data or authEnveloped-data';

const whole = multipart('b', CONTROL, octets(ARMOR));
const pgpMime = (...parts: readonly string[]) => mail(PGP_MIME, multipart('b', ...parts));
const mixed = (...parts: readonly string[]) => mail(MIXED, multipart('m', ...parts));
const withHeaders = (headers: string) => ARMOR.replace('MESSAGE-----\r\n', `MESSAGE-----\r\n${headers}`);
const lf = (message: Buffer) => Buffer.from(message.toString('latin1').replaceAll('\r\n', '\n'), 'latin1');

type Yes = readonly [name: string, message: Buffer, how: string, because: string, keyIds?: readonly string[]];
type No = readonly [name: string, message: Buffer, because: string];

const ONE_MESSAGE = 'multipart/encrypted around one encrypted OpenPGP message';
const ARMORED = 'text/plain that is one armored encrypted message';

const ENCRYPTED: readonly Yes[] = [
  [
    'PGP/MIME with a folded Content-Type, comments and a quoted boundary',
    mail(
      'Content-Type: multipart/encrypted (a comment);\r\n\tprotocol="application/pgp-encrypted" (another);\r\n boundary="b"',
      whole,
    ),
    'pgp-mime',
    ONE_MESSAGE,
  ],
  [
    'PGP/MIME whose boundary has spaces and punctuation',
    mail(PGP_MIME.replace('=b', '="b \'(+_,./:=?"'), whole.replace(/^--b/gm, "--b '(+_,./:=?")),
    'pgp-mime',
    ONE_MESSAGE,
  ],
  [
    'PGP/MIME with blanks behind its delimiters',
    mail(PGP_MIME, whole.replace(/^(--b(?:--)?)\r$/gm, '$1 \t\r')),
    'pgp-mime',
    ONE_MESSAGE,
  ],
  [
    'PGP/MIME whose protocol stands in upper case',
    mail(PGP_MIME.replace('application/pgp', 'APPLICATION/PGP'), whole),
    'pgp-mime',
    ONE_MESSAGE,
  ],
  [
    'PGP/MIME without the version in its first part',
    pgpMime(part('Content-Type: application/pgp-encrypted', ''), octets(ARMOR)),
    'pgp-mime',
    ONE_MESSAGE,
  ],
  [
    'PGP/MIME with a description of each part',
    pgpMime(
      part(
        'Content-Type: application/pgp-encrypted\r\nContent-Description: PGP/MIME version identification',
        'Version: 1',
      ),
      part('Content-Type: application/octet-stream\r\nContent-Description: OpenPGP encrypted message', ARMOR),
    ),
    'pgp-mime',
    ONE_MESSAGE,
  ],
  [
    'PGP/MIME with the remark of a program in front',
    mail(PGP_MIME, `${REMARK}${whole}`),
    'pgp-mime',
    ONE_MESSAGE,
  ],
  [
    'PGP/MIME with a remark of 512 bytes',
    mail(PGP_MIME, `${'r'.repeat(512)}\r\n${whole}`),
    'pgp-mime',
    ONE_MESSAGE,
  ],
  [
    'PGP/MIME whose second part is in quoted-printable',
    pgpMime(
      CONTROL,
      part(
        'Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: quoted-printable',
        qp(ARMOR),
      ),
    ),
    'pgp-mime',
    ONE_MESSAGE,
  ],
  [
    'PGP/MIME whose second part calls itself text',
    pgpMime(CONTROL, part('Content-Type: text/plain; name=msg.asc', ARMOR)),
    'pgp-mime',
    ONE_MESSAGE,
  ],
  [
    'PGP/MIME whose second part says nothing of itself',
    pgpMime(CONTROL, `\r\n${ARMOR}`),
    'pgp-mime',
    ONE_MESSAGE,
  ],
  ['PGP/MIME with white space behind its end', mail(PGP_MIME, `${whole}\r\n \r\n`), 'pgp-mime', ONE_MESSAGE],
  [
    'PGP/MIME whose checksum is wrong, which RFC 9580 wants ignored',
    pgpMime(CONTROL, octets(ARMOR.replace(/\r\n=..../, '\r\n=AAAA'))),
    'pgp-mime',
    ONE_MESSAGE,
  ],
  [
    'PGP/MIME whose armor lines are of every length',
    pgpMime(CONTROL, octets(ARMOR.replace(/^([A-Za-z0-9+/]{20})([A-Za-z0-9+/]{56})/gm, '$1\r\n$2'))),
    'pgp-mime',
    ONE_MESSAGE,
  ],
  ['inline with LF line endings', lf(mail(TEXT, ARMOR)), 'inline', ARMORED],
  [
    'inline with Version, Comment and Charset',
    mail(
      TEXT,
      withHeaders(
        'Version: GnuPG v2.0.22 (GNU/Linux)\r\nComment: Using GnuPG with Thunderbird - https://www.enigmail.net/\r\nCharset: utf-8\r\n',
      ),
    ),
    'inline',
    ARMORED,
  ],
  ['inline with blanks behind its lines', mail(TEXT, ARMOR.replaceAll('\r\n', ' \r\n')), 'inline', ARMORED],
  ['inline as flowed text in UTF-8', mail(`${TEXT}; charset=utf-8; format=flowed`, ARMOR), 'inline', ARMORED],
  [
    'inline as HTML',
    mail('Content-Type: text/html', ARMOR),
    'inline',
    'text/html that is one armored encrypted message',
  ],
  [
    'a text beside its attachments, in binary, as armor and in base64',
    mixed(
      INLINE,
      part('Content-Type: application/pdf\r\nContent-Transfer-Encoding: binary', BINARY.toString('latin1')),
      octets(ARMOR),
      ENCRYPTED_FILE,
    ),
    'multipart',
    'multipart/mixed whose every part is encrypted',
  ],
  [
    'encrypted files without a text',
    mixed(ENCRYPTED_FILE, ENCRYPTED_FILE),
    'multipart',
    'multipart/mixed whose every part is encrypted',
  ],
  [
    'alternatives that are both encrypted',
    mail(
      'Content-Type: multipart/alternative; boundary=m',
      multipart('m', INLINE, part('Content-Type: text/html', ARMOR)),
    ),
    'multipart',
    'multipart/alternative whose every part is encrypted',
  ],
  [
    'an OpenPGP text beside a CMS part',
    mixed(
      INLINE,
      part(
        'Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64',
        base64(cms('enveloped')),
      ),
    ),
    'multipart',
    'multipart/mixed whose every part is encrypted',
  ],
  [
    'CMS in binary',
    mail('Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: binary', cms('enveloped')),
    'cms',
    'application/pkcs7-mime with CMS content type enveloped-data',
    [],
  ],
  [
    'CMS authEnveloped-data with indefinite lengths',
    smime(cmsIndefinite('authEnveloped')),
    'cms',
    'application/pkcs7-mime with CMS content type authEnveloped-data',
    [],
  ],
  [
    'CMS without any parameter',
    smime(cms('authEnveloped'), 'application/pkcs7-mime'),
    'cms',
    'application/pkcs7-mime with CMS content type authEnveloped-data',
    [],
  ],
  [
    'CMS in a file named SMIME.P7M',
    smime(cms('enveloped'), 'application/octet-stream; name="SMIME.P7M"'),
    'cms',
    'application/octet-stream with CMS content type enveloped-data',
    [],
  ],
  [
    'CMS of more than 64 KB',
    smime(longCms(70_000)),
    'cms',
    'application/pkcs7-mime with CMS content type enveloped-data',
    [],
  ],
];

const NOT_ENCRYPTED: readonly No[] = [
  [
    'PGP/MIME under a Content-Type too long to be read',
    mail(`${PGP_MIME}; x="${'x'.repeat(102_400)}"`, whole),
    TWO_WAYS,
  ],
  [
    'PGP/MIME with a remark of 513 bytes',
    mail(PGP_MIME, `${'r'.repeat(513)}\r\n${whole}`),
    'multipart/encrypted with a text before its first part',
  ],
  [
    'PGP/MIME with a letter in the header of its first part',
    pgpMime(
      part(
        `Content-Type: application/pgp-encrypted\r\nContent-Description: ${'Meet me at noon. '.repeat(300)}`,
        'Version: 1',
      ),
      octets(ARMOR),
    ),
    'a part whose header does not end',
  ],
  ['PGP/MIME with its parts in the wrong order', pgpMime(octets(ARMOR), CONTROL), FIRST_PART],
  [
    'PGP/MIME of another version',
    pgpMime(part('Content-Type: application/pgp-encrypted', 'Version: 2'), octets(ARMOR)),
    FIRST_PART,
  ],
  ['PGP/MIME whose first part says nothing of itself', pgpMime('\r\nVersion: 1', octets(ARMOR)), FIRST_PART],
  [
    'PGP/MIME whose first part has two types',
    pgpMime(
      part('Content-Type: application/pgp-encrypted\r\nContent-Type: text/plain', 'Version: 1'),
      octets(ARMOR),
    ),
    FIRST_PART,
  ],
  [
    'PGP/MIME whose second part is a multipart',
    pgpMime(CONTROL, part('Content-Type: multipart/mixed; boundary=m', multipart('m', octets(ARMOR)))),
    SECOND_PART,
  ],
  [
    'PGP/MIME whose second part is in an encoding that nobody knows',
    pgpMime(
      CONTROL,
      part('Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: uuencode', ARMOR),
    ),
    SECOND_PART,
  ],
  [
    'PGP/MIME whose second part has two encodings',
    pgpMime(
      CONTROL,
      part(
        'Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64',
        ARMOR,
      ),
    ),
    SECOND_PART,
  ],
  ['PGP/MIME that is cut off in its armor', mail(PGP_MIME, whole.slice(0, whole.length - 200)), SECOND_PART],
  [
    'PGP/MIME that is cut off before its second part',
    mail(PGP_MIME, whole.slice(0, whole.indexOf('--b\r\nContent-Type: application/octet'))),
    'multipart/encrypted with one part',
  ],
  ['PGP/MIME without parts', mail(PGP_MIME, '\r\n'), 'multipart/encrypted without parts'],
  [
    'PGP/MIME with text in front of the armor of its second part',
    pgpMime(CONTROL, octets(`Meet me at noon.\r\n${ARMOR}`)),
    SECOND_PART,
  ],
  [
    'multipart/encrypted with the protocol of something else',
    mail(PGP_MIME.replace('pgp-encrypted', 'x-own'), whole),
    PROTOCOL,
  ],
  ['multipart/encrypted with the protocol twice', mail(`${PGP_MIME}; protocol=x`, whole), TWO_WAYS],
  ['multipart/encrypted with an open quote', mail(PGP_MIME.replace('=b', '="b'), whole), TWO_WAYS],
  [
    'multipart/mixed with the parts and the protocol of PGP/MIME',
    mail(PGP_MIME.replace('/encrypted', '/mixed'), whole),
    'application/pgp-encrypted that is not an encrypted OpenPGP message',
  ],
  [
    'PGP/MIME inside a message',
    mail('Content-Type: message/rfc822', mail(PGP_MIME, whole)),
    'message/rfc822 is no encrypted part',
  ],
  [
    'a piece of a message',
    mail('Content-Type: message/partial; id=1; number=1', ARMOR),
    'message/partial is no encrypted part',
  ],
  [
    'inline with a comment of more than 512 bytes',
    mail(TEXT, withHeaders(`Comment: ${'r'.repeat(600)}\r\n`)),
    `text/plain ${NOT_ARMORED}`,
  ],
  [
    'inline with a great many comments',
    mail(TEXT, withHeaders('Comment: Meet me at noon.\r\n'.repeat(30))),
    `text/plain ${NOT_ARMORED}`,
  ],
  [
    'inline with text behind its END line',
    mail(
      TEXT,
      ARMOR.replace('MESSAGE-----\r\n', 'MESSAGE-----\r\n').replace(
        'END PGP MESSAGE-----',
        'END PGP MESSAGE----- noon',
      ),
    ),
    `text/plain ${NOT_ARMORED}`,
  ],
  [
    'inline in two parts of the old kind',
    mail(TEXT, ARMOR.replaceAll('PGP MESSAGE', 'PGP MESSAGE, PART 01/02')),
    `text/plain ${NOT_ARMORED}`,
  ],
  [
    'inline whose END line is another',
    mail(TEXT, ARMOR.replace('END PGP MESSAGE', 'END PGP SIGNATURE')),
    `text/plain ${NOT_ARMORED}`,
  ],
  [
    'inline that calls itself a file',
    mail('Content-Type: application/pgp; name=x', ARMOR),
    'application/pgp alone, an encrypted file and no encrypted mail',
  ],
  [
    'a public key block',
    mail(TEXT, ARMOR.replaceAll('PGP MESSAGE', 'PGP PUBLIC KEY BLOCK')),
    `text/plain ${NOT_ARMORED}`,
  ],
  [
    'HTML around an armored block',
    mail('Content-Type: text/html', `<pre>${ARMOR}</pre>`),
    `text/html ${NOT_ARMORED}`,
  ],
  [
    'an armored block quoted in a reply',
    mail(TEXT, `On Monday Bob wrote:\r\n${ARMOR.replace(/^/gm, '> ')}\r\nI cannot read that.\r\n`),
    `text/plain ${NOT_ARMORED}`,
  ],
  [
    'an encrypted text beside what only calls itself a public key',
    mixed(
      INLINE,
      part(
        'Content-Type: application/pgp-keys; name=key.asc',
        ARMOR.replaceAll('PGP MESSAGE', 'PGP PUBLIC KEY BLOCK'),
      ),
    ),
    'application/pgp-keys that is not an encrypted OpenPGP message',
  ],
  [
    'an encrypted text beside a signature',
    mixed(INLINE, part('Content-Type: application/pgp-signature', 'x')),
    'application/pgp-signature that is not an encrypted OpenPGP message',
  ],
  ['an encrypted file beside a plain text', mixed(PLAIN, ENCRYPTED_FILE), `text/plain ${NOT_ARMORED}`],
  [
    'a plain file named as an encrypted one',
    mixed(INLINE, part('Content-Type: application/octet-stream; name=a.pgp', 'Meet me at noon.')),
    'application/octet-stream that is not an encrypted OpenPGP message',
  ],
  [
    'a plain text deep inside',
    mixed(INLINE, part('Content-Type: multipart/related; boundary=n', multipart('n', ENCRYPTED_FILE, PLAIN))),
    `text/plain ${NOT_ARMORED}`,
  ],
  [
    'a text between two encrypted parts, in the epilogue of the first',
    mixed(
      part('Content-Type: multipart/mixed; boundary=n', `${multipart('n', INLINE)}Meet me at noon.`),
      INLINE,
    ),
    'multipart/mixed with a text behind its last part',
  ],
  [
    'S/MIME signed-data',
    smime(cms('signed'), 'application/pkcs7-mime; smime-type=signed-data'),
    `application/pkcs7-mime ${NO_ENVELOPE}`,
  ],
  ['CMS that says nothing', smime(Buffer.alloc(0)), `application/pkcs7-mime ${NO_ENVELOPE}`],
  ['CMS that is a text', smime(Buffer.from('Meet me at noon.')), `application/pkcs7-mime ${NO_ENVELOPE}`],
  [
    'CMS as PEM',
    smime(Buffer.from(`-----BEGIN PKCS7-----\n${base64(cms('enveloped'))}\n-----END PKCS7-----\n`)),
    `application/pkcs7-mime ${NO_ENVELOPE}`,
  ],
  [
    'CMS encrypted-data, whose key nobody is sent',
    smime(swapOid(cms('enveloped'), '010703', '010706')),
    `application/pkcs7-mime ${NO_ENVELOPE}`,
  ],
  ['CMS data', smime(swapOid(cms('enveloped'), '010703', '010701')), `application/pkcs7-mime ${NO_ENVELOPE}`],
  ['CMS that is cut off', smime(cms('enveloped').subarray(0, -10)), `application/pkcs7-mime ${NO_ENVELOPE}`],
  [
    'CMS with indefinite lengths that is cut off',
    smime(cmsIndefinite('enveloped').subarray(0, -10)),
    `application/pkcs7-mime ${NO_ENVELOPE}`,
  ],
  [
    'CMS with indefinite lengths and a text behind it',
    smime(Buffer.concat([cmsIndefinite('enveloped'), Buffer.from('noon')])),
    `application/pkcs7-mime ${NO_ENVELOPE}`,
  ],
  [
    'CMS that ends behind its content type',
    smime(cms('enveloped').subarray(0, 15)),
    `application/pkcs7-mime ${NO_ENVELOPE}`,
  ],
  [
    'CMS whose content type is signed-data, and whose content holds the OID of enveloped-data',
    smime(Buffer.concat([cms('signed').subarray(0, -11), Buffer.from('06092a864886f70d010703', 'hex')])),
    `application/pkcs7-mime ${NO_ENVELOPE}`,
  ],
  [
    'CMS in broken base64',
    mail(
      'Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64',
      `${base64(cms('enveloped'))}\r\n* noon *`,
    ),
    `application/pkcs7-mime ${NO_ENVELOPE}`,
  ],
  [
    'a detached CMS signature',
    smime(cms('signed'), 'application/pkcs7-signature; name=smime.p7s'),
    'application/pkcs7-signature that is not an encrypted OpenPGP message',
  ],
  [
    'CMS enveloped-data that calls itself a picture',
    smime(cms('enveloped'), 'image/png'),
    'image/png that is not an encrypted OpenPGP message',
  ],
];

/** The same CMS with another content type. */
function swapOid(der: Buffer, from: string, to: string): Buffer {
  return Buffer.from(der.toString('hex').replace(from, to), 'hex');
}

function longCms(length: number): Buffer {
  const inner = Buffer.concat([Buffer.from('020100', 'hex'), Buffer.alloc(length, 0x5a)]);
  const wrap = (tag: number, content: Buffer) => {
    const size = content.length;
    return Buffer.concat([Buffer.from([tag, 0x83, size >>> 16, (size >>> 8) & 0xff, size & 0xff]), content]);
  };
  const oid = Buffer.from('06092a864886f70d010703', 'hex');
  return wrap(0x30, Buffer.concat([oid, wrap(0xa0, wrap(0x30, inner))]));
}

describe('the structure of a message', () => {
  for (const [name, message, how, because, keyIds = [KEY_ID]] of ENCRYPTED) {
    it(`is that of an encrypted one: ${name}`, () => {
      expect(explainMessage(message).detection).toEqual({ encrypted: true, how, because, keyIds });
    });
  }

  it.each(NOT_ENCRYPTED)('is not that of an encrypted one (lesson 5): %s', (_name, message, because) => {
    expect(explainMessage(message).detection).toEqual({ encrypted: false, because });
  });
});
