// Hostile letters whose body is what costs.
import {
  armored,
  type Bomb,
  FROM,
  filled,
  INLINE,
  manyParts,
  nested,
  pgpMime,
  simple,
  times,
} from './bomb.ts';

/** RFC 9580, section 5.8, in the new format. */
const MARKER = Buffer.from([0xca, 3, 0x50, 0x47, 0x50]);
/** A PKESK of version 3 for an RSA key, 16 octets of number. */
const SESSION_KEY = Buffer.concat([
  Buffer.from([0xc1, 28, 3, 1, 2, 3, 4, 5, 6, 7, 8, 1, 0, 128]),
  Buffer.alloc(16, 0xaa),
]);
/** SEIPD in partial lengths of 512 octets. */
const PARTIAL = Buffer.concat([Buffer.from([0xe9]), Buffer.alloc(512, 0x5a)]);

/** Multiparts inside each other whose boundaries are alike but for their ends. */
function alike(depth: number): string {
  const boundary = (index: number): string => `${'b'.repeat(68)}${10 + index}`;
  const open = times(
    depth,
    (index) =>
      `${index === 0 ? '' : `--${boundary(index - 1)}\r\n`}Content-Type: multipart/mixed; boundary=${boundary(index)}\r\n\r\n`,
  );
  return `${FROM}MIME-Version: 1.0\r\n${open}`;
}

export const BODY_BOMBS: readonly Bomb[] = [
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
        filled(Math.min(bytes, 48_000), 'QUJD\r\n- a word -\r\n'),
      ),
  },
  { name: 'nothing but bare line feeds', letter: (bytes) => simple('', filled(bytes * 0.45, '\n')) },
  { name: 'nothing but line endings', letter: (bytes) => simple('', filled(bytes, '\r\n')) },
  // On the wire each of these dots is two, and the limit is for the wire.
  { name: 'a dot on every line', letter: (bytes) => simple('', filled((bytes * 3) / 4, '.\r\n')) },
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
  {
    name: 'as many small parts as are sealed one by one, inline, 70 KB',
    settings: INLINE,
    letter: () => manyParts(70_000, `\r\n${'a'.repeat(140)}\r\n`),
  },
  {
    name: 'names in pieces of RFC 2231 on every part, inline',
    settings: INLINE,
    letter: () =>
      manyParts(
        127_000,
        `Content-Type: application/pdf\r\nContent-Disposition: attachment${times(99, (index) => `;\r\n filename*${index}*=%41`)}\r\n\r\nQUJD\r\n`,
      ),
  },
  {
    name: 'boundaries of 70 characters that differ in the last one, each line nearly one, inline',
    settings: INLINE,
    letter: () => Buffer.concat([Buffer.from(alike(40)), filled(115_000, `--${'b'.repeat(69)}\r\n`)]),
  },
  {
    name: 'the same as large as a message, inline',
    settings: INLINE,
    letter: (bytes) => Buffer.concat([Buffer.from(alike(99)), filled(bytes, `--${'b'.repeat(69)}\r\n`)]),
  },
  {
    name: 'multiparts that say they are encrypted, in the main thread',
    letter: () =>
      manyParts(
        127_000,
        'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=e\r\n\r\n--e\r\n' +
          'Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--e\r\n\r\nx\r\n--e--\r\n',
      ),
  },
  {
    name: 'a text that changes its character set at every letter, inline',
    settings: INLINE,
    letter: () =>
      simple('Content-Type: text/plain; charset=iso-2022-jp\r\n', filled(127_000, '\x1b$B$"\x1b(Ba\r\n')),
  },
  {
    name: 'a Cyrillic text in 8 bits, inline',
    settings: INLINE,
    letter: (bytes) =>
      simple(
        'Content-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: 8bit\r\n',
        filled(bytes, Buffer.from(`${'\xc1'.repeat(70)}\r\n`, 'latin1')),
      ),
  },
  {
    name: 'a Chinese text in UTF-16 and base64, inline',
    settings: INLINE,
    letter: (bytes) => {
      const text = Buffer.concat([
        Buffer.from([0xff, 0xfe]),
        filled(bytes * 0.72, Buffer.from('\u4e2d', 'utf16le')),
      ]);
      return simple(
        'Content-Type: text/plain; charset=utf-16\r\nContent-Transfer-Encoding: base64\r\n',
        Buffer.from(text.toString('base64').replace(/.{76}/g, '$&\r\n'), 'latin1'),
      );
    },
  },
  {
    name: 'a text of line feeds in base64, inline, 100 KB',
    settings: INLINE,
    letter: () =>
      simple(
        'Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n',
        Buffer.from(filled(72_000, '\n').toString('base64').replace(/.{76}/g, '$&\r\n'), 'latin1'),
      ),
  },
];
