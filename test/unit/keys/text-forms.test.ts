// The forms in which a key reaches us: through editors, shells, web forms and mail. Each gives the same certificate.
import { beforeAll, describe, expect, it } from 'vitest';
import { armorBlocks } from '../../../src/keys/armor-blocks.ts';
import { armorCertificates } from '../../../src/keys/export.ts';
import { judgeUpload } from '../../../src/keys/import.ts';
import { plainUpload } from '../../../src/keys/upload-text.ts';
import { makeKey } from '../../support/make-keys.ts';

/** With headers and checksum, as GnuPG writes it. */
let armored: string;
let binary: Buffer;
let fingerprint: string;
beforeAll(async () => {
  const { secret } = await makeKey('p256');
  fingerprint = secret.getFingerprint().toUpperCase();
  binary = Buffer.from(secret.toPublic().write());
  const text = armorCertificates([{ certificate: binary, version: 4 }]);
  armored = text.replace('\n\n', '\nVersion: GnuPG v2\n\n');
});

const lines = () => armored.trimEnd().split('\n');
const utf16 = (text: string, mark = '\ufeff') => Buffer.from(mark + text, 'utf16le');
const escaped = () => lines().map((line) => line.replace(/^-/, '- -'));
const MARKER = Buffer.from([0xca, 3, 0x50, 0x47, 0x50]);

describe('a key is read', () => {
  const forms: readonly (readonly [form: string, make: () => Buffer | string])[] = [
    ['in UTF-16 with a mark and CRLF, as PowerShell writes it', () => utf16(lines().join('\r\n'))],
    ['in UTF-16, big endian', () => utf16(armored).swap16()],
    ['in UTF-16 without a mark', () => utf16(armored, '')],
    ['in UTF-16, big endian, without a mark', () => utf16(armored, '').swap16()],
    ['in UTF-16 between other lines', () => utf16(`Grüße,\r\n\r\n${armored}\r\n--\r\nJörg`)],
    ['in UTF-8 with a mark', () => `\ufeff${armored}`],
    ['in UTF-8 with a mark inside, as files are put together', () => `Hello\n\ufeff${armored}`],
    ['with newlines turned to blanks', () => lines().join(' ')],
    ['with CRLF turned to blanks', () => lines().join('  ')],
    [
      'with newlines turned to blanks, without headers',
      () => lines().join(' ').replace('Version: GnuPG v2', ''),
    ],
    [
      'with newlines turned to blanks and comments with fingerprints',
      () =>
        lines()
          .join(' ')
          .replace('Version: GnuPG v2', `Comment: ${fingerprint} Comment: 4A3D DAE8  1234 Charset: utf-8`),
    ],
    ['with newlines turned to blanks, between words', () => `My key: ${lines().join(' ')} Thanks!`],
    ['with newlines turned to tabs', () => lines().join('\t')],
    [
      'without any newline and header',
      () =>
        lines()
          .filter((line) => !line.includes(':'))
          .join(''),
    ],
    ['dash-escaped', () => escaped().join('\n')],
    ['dash-escaped, newlines turned to blanks', () => escaped().join(' ')],
    [
      'in a clear-signed mail',
      () =>
        `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n${escaped().join('\n')}\n` +
        '-----BEGIN PGP SIGNATURE-----\n\niHUE\n-----END PGP SIGNATURE-----\n',
    ],
    ['with a checksum without its =', () => armored.replace(/\n=([^\n]{4})\n/, '\n$1\n')],
    ['with a wrong checksum', () => armored.replace(/\n=[^\n]{4}\n/, '\n=AAAA\n')],
    ['without padding', () => armored.replace(/={1,2}\n=/, '\n=')],
    ['with one line of base64', () => armored.replace(/(?<=[A-Za-z0-9+/])\n(?=[A-Za-z0-9+/])/g, '')],
    ['with non-breaking spaces before the lines', () => armored.replace(/^/gm, '\u00a0\u00a0')],
    ['with invisible characters of a web page', () => armored.replace(/\n/g, '\u200b\n')],
    ['quoted twice', () => armored.replace(/^/gm, '> > ')],
    ['named in the text before it', () => `from -----BEGIN PGP PUBLIC KEY BLOCK----- on:\n\n${armored}`],
    ['with a marker packet in front', () => Buffer.concat([MARKER, binary])],
    ['with two marker packets in front', () => Buffer.concat([MARKER, MARKER, binary])],
    ['with a marker packet behind', () => Buffer.concat([binary, MARKER])],
    [
      'armored, with a marker packet in front',
      () =>
        `-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n${Buffer.concat([MARKER, binary]).toString('base64')}\n-----END PGP PUBLIC KEY BLOCK-----`,
    ],
    ['with a trust packet of a keyring', () => Buffer.concat([binary, Buffer.from([0xcc, 2, 0, 0])])],
    ['with padding', () => Buffer.concat([binary, Buffer.from([0xd5, 3, 1, 2, 3])])],
  ];
  it.each(forms)('%s', async (_form, make) => {
    const upload = make();
    const judged = await judgeUpload(
      typeof upload === 'string' ? Buffer.from(upload) : upload,
      { allowSha1: false },
      Date.now(),
    );
    expect(judged.map((one) => (one.verdict === 'refused' ? one.refusal : one.facts.fingerprint))).toEqual([
      fingerprint,
    ]);
  });
});

it.each([0, 1, 2])('takes base64 with neither checksum nor its %i characters of padding whole', (left) => {
  const data = Buffer.alloc(3 * 40 - left, 0x99);
  const text = data.toString('base64').replace(/=+$/, '');
  const block = (body: string) =>
    `-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n${body}\n-----END PGP PUBLIC KEY BLOCK-----\n`;
  expect(armorBlocks(block(text))).toEqual([{ type: 'PUBLIC KEY BLOCK', bytes: data }]);
});

it('still says of a clear-signed text without a key that it is a message', async () => {
  const signed =
    '-----BEGIN PGP SIGNED MESSAGE-----\n\nx\n-----BEGIN PGP SIGNATURE-----\n\niHUE\n-----END PGP SIGNATURE-----\n';
  expect(armorBlocks(signed)).toEqual([{ type: 'SIGNED MESSAGE', bytes: null }]);
});

it.each([
  ['in one line', () => '-----BEGIN PGP PRIVATE KEY BLOCK----- xcFG -----END PGP PRIVATE KEY BLOCK-----'],
  ['cut off', () => '-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nxcFG'],
  [
    'in UTF-16',
    () => utf16('-----BEGIN PGP PRIVATE KEY BLOCK-----\r\n\r\nxcFG\r\n-----END PGP PRIVATE KEY BLOCK-----'),
  ],
  ['escaped', () => '- -----BEGIN PGP PRIVATE KEY BLOCK-----\n\nxcFG\n- -----END PGP PRIVATE KEY BLOCK-----'],
])('a secret key %s is refused as one', async (_form, make) => {
  const [judged] = await judgeUpload(Buffer.from(make()), { allowSha1: false }, Date.now());
  expect(judged).toMatchObject({ verdict: 'refused', refusal: { code: 'secret key' } });
});

it('leaves what is no text as it is, and changes nothing the second time', () => {
  for (const bytes of [
    binary,
    Buffer.from([0x30, 0x82, 0, 0]),
    Buffer.from('x'),
    Buffer.alloc(0),
    utf16(armored),
  ]) {
    const once = plainUpload(bytes);
    expect(plainUpload(once).equals(once)).toBe(true);
  }
  expect(plainUpload(binary).equals(binary)).toBe(true);
});
