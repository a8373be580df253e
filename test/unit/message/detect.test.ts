// "Already encrypted?": one table of what is and what is not, with the reason for each.
import { beforeAll, describe, expect, it } from 'vitest';
import { detectEncrypted } from '../../../src/message/detect.ts';
import type { Detection } from '../../../src/message/detection.ts';
import { corpus, largeMessage, noise } from '../../fixtures/corpus.ts';
import { quickest } from '../../fixtures/processor-time.ts';
import { armorMessage } from '../../support/armor-message.ts';
import { cms, cmsIndefinite, makeSamples, pieces, type Samples } from '../../support/encrypted-samples.ts';
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

let samples: Samples;

beforeAll(async () => {
  samples = await makeSamples();
});

type Case = readonly [name: string, message: () => Buffer, expected: () => Detection];

function yes(
  how: 'pgp-mime' | 'inline' | 'cms' | 'multipart',
  because: string,
  keyIds?: () => readonly string[],
) {
  return (): Detection => ({ encrypted: true, how, because, keyIds: keyIds?.() ?? [samples.keyId] });
}

function no(because: string) {
  return (): Detection => ({ encrypted: false, because });
}

const ONE_MESSAGE = 'multipart/encrypted around one encrypted OpenPGP message';
const SECOND_PART = 'multipart/encrypted whose second part is not an encrypted OpenPGP message';
const EVERY_PART = 'multipart/mixed whose every part is encrypted';
const ARMORED = 'text/plain that is one armored encrypted message';

const ENCRYPTED: readonly Case[] = [
  [
    'PGP/MIME',
    () => mail(PGP_MIME, multipart('b', CONTROL, octets(samples.armor))),
    yes('pgp-mime', ONE_MESSAGE),
  ],
  [
    'PGP/MIME in upper case, with LF line endings',
    () =>
      Buffer.from(
        mail(PGP_MIME.toUpperCase().replace('=B', '=b'), multipart('b', CONTROL, octets(samples.armor)))
          .toString('latin1')
          .replaceAll('\r\n', '\n'),
        'latin1',
      ),
    yes('pgp-mime', ONE_MESSAGE),
  ],
  [
    'PGP/MIME with the usual preamble, its message in base64',
    () =>
      mail(
        PGP_MIME,
        `This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)\r\n${multipart(
          'b',
          CONTROL,
          part(
            'Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64',
            base64(Buffer.from(samples.armor)),
          ),
        )}`,
      ),
    yes('pgp-mime', ONE_MESSAGE),
  ],
  [
    'PGP/MIME around binary packets in base64',
    () =>
      mail(
        PGP_MIME,
        multipart(
          'b',
          CONTROL,
          part(
            'Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: BASE64',
            base64(samples.binary),
          ),
        ),
      ),
    yes('pgp-mime', ONE_MESSAGE),
  ],
  [
    'PGP/MIME without its closing boundary',
    () => mail(PGP_MIME, multipart('b', CONTROL, octets(samples.armor)).replace('--b--\r\n', '')),
    yes('pgp-mime', ONE_MESSAGE),
  ],
  [
    'PGP/MIME whose armor has Version and Comment lines and no CRC24',
    () =>
      mail(
        PGP_MIME,
        multipart(
          'b',
          CONTROL,
          octets(
            samples.armor
              .replace('MESSAGE-----\r\n', 'MESSAGE-----\r\nVersion: X 1.0\r\nComment: hello\r\n')
              .replace(/=....\r\n-----END/, '-----END'),
          ),
        ),
      ),
    yes('pgp-mime', ONE_MESSAGE),
  ],
  [
    'a data packet in partial lengths, as GnuPG writes it',
    () => mail(PGP_MIME, multipart('b', CONTROL, octets(armorMessage(samples.partial).toString('latin1')))),
    yes('pgp-mime', ONE_MESSAGE),
  ],
  [
    'several recipients',
    () => mail(PGP_MIME, multipart('b', CONTROL, octets(armorMessage(samples.twoKeys).toString('latin1')))),
    yes('pgp-mime', ONE_MESSAGE, () => [samples.keyId, samples.secondKeyId]),
  ],
  [
    'a v6 recipient, named by fingerprint',
    () => mail(PGP_MIME, multipart('b', CONTROL, octets(armorMessage(samples.v6).toString('latin1')))),
    yes('pgp-mime', ONE_MESSAGE, () => [samples.v6Fingerprint]),
  ],
  [
    'a hidden recipient',
    () => mail(PGP_MIME, multipart('b', CONTROL, octets(armorMessage(samples.hidden).toString('latin1')))),
    yes('pgp-mime', ONE_MESSAGE, () => ['0000000000000000']),
  ],
  [
    'passwords instead of keys',
    () => mail(PGP_MIME, multipart('b', CONTROL, octets(armorMessage(samples.password).toString('latin1')))),
    yes('pgp-mime', ONE_MESSAGE, () => []),
  ],
  [
    'a marker packet in front',
    () =>
      mail(
        PGP_MIME,
        multipart(
          'b',
          CONTROL,
          octets(
            armorMessage(Buffer.concat([Buffer.from('ca03504750', 'hex'), samples.binary])).toString(
              'latin1',
            ),
          ),
        ),
      ),
    yes('pgp-mime', ONE_MESSAGE),
  ],
  ['inline', () => mail('Content-Type: text/plain', samples.armor), yes('inline', ARMORED)],
  [
    'inline without any MIME field',
    () => Buffer.from(`Subject: x\r\n\r\n${samples.armor}`),
    yes('inline', ARMORED),
  ],
  [
    'inline between white space',
    () => mail('Content-Type: text/plain', `\r\n \t\r\n${samples.armor}\r\n  \r\n`),
    yes('inline', ARMORED),
  ],
  [
    'inline in quoted-printable',
    () => mail('Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable', qp(samples.armor)),
    yes('inline', ARMORED),
  ],
  [
    'inline in base64',
    () =>
      mail(
        'Content-Type: text/plain\r\nContent-Transfer-Encoding: base64',
        base64(Buffer.from(samples.armor)),
      ),
    yes('inline', ARMORED),
  ],
  [
    'CMS enveloped-data',
    () => smime(cms('enveloped')),
    yes('cms', 'application/pkcs7-mime with CMS content type enveloped-data', () => []),
  ],
  [
    'CMS authEnveloped-data',
    () => smime(cms('authEnveloped'), 'application/x-pkcs7-mime'),
    yes('cms', 'application/x-pkcs7-mime with CMS content type authEnveloped-data', () => []),
  ],
  [
    'CMS with indefinite lengths',
    () => smime(cmsIndefinite('enveloped')),
    yes('cms', 'application/pkcs7-mime with CMS content type enveloped-data', () => []),
  ],
  [
    'CMS enveloped-data that claims to be signed',
    () => smime(cms('enveloped'), 'application/pkcs7-mime; smime-type=signed-data'),
    yes('cms', 'application/pkcs7-mime with CMS content type enveloped-data', () => []),
  ],
  [
    'CMS as application/octet-stream named smime.p7m',
    () => smime(cms('enveloped'), 'application/octet-stream; name=smime.p7m'),
    yes('cms', 'application/octet-stream with CMS content type enveloped-data', () => []),
  ],
  [
    'a multipart of an armored text and encrypted attachments',
    () =>
      mail(
        MIXED,
        multipart(
          'm',
          part('Content-Type: text/plain', samples.armor),
          part(
            'Content-Type: application/pgp-encrypted; name=a.pdf.pgp\r\nContent-Transfer-Encoding: base64',
            base64(samples.binary),
          ),
          octets(armorMessage(samples.twoKeys).toString('latin1')),
        ),
      ),
    yes('multipart', EVERY_PART, () => [samples.keyId, samples.secondKeyId]),
  ],
  [
    'multiparts inside each other with one encrypted text',
    () =>
      mail(
        MIXED,
        multipart(
          'm',
          part(
            'Content-Type: multipart/alternative; boundary=n',
            multipart('n', part('Content-Type: text/plain', samples.armor)),
          ),
        ),
      ),
    yes('multipart', EVERY_PART),
  ],
  [
    'PGP/MIME inside a multipart, as lists pack it',
    () => mail(MIXED, multipart('m', part(PGP_MIME, multipart('b', CONTROL, octets(samples.armor))))),
    yes('multipart', EVERY_PART),
  ],
];

function fakePgpMime(second: string): Buffer {
  return mail(PGP_MIME, multipart('b', CONTROL, octets(second)));
}

const PLAINTEXT = 'Meet me at noon.\r\n';

const NOT_ENCRYPTED: readonly Case[] = [
  ['plain text', () => mail('Content-Type: text/plain', PLAINTEXT), no(`text/plain ${NOT_ARMORED}`)],
  [
    'an armored block quoted in prose',
    () => mail('Content-Type: text/plain', `Look:\r\n${samples.armor}`),
    no(`text/plain ${NOT_ARMORED}`),
  ],
  [
    'prose behind an armored block',
    () => mail('Content-Type: text/plain', `${samples.armor}-- \r\nAlice`),
    no(`text/plain ${NOT_ARMORED}`),
  ],
  [
    'a part that begins with a sentence, which would be an mbox line above a message',
    () =>
      mail(
        'Content-Type: multipart/mixed; boundary="b"',
        `--b\r\nFrom Monday on the password of the safe is 4711.\r\n\r\n${samples.armor}--b--\r\n`,
      ),
    no('a part that begins with a text'),
  ],
  [
    'an armored block quoted with angle brackets',
    () => mail('Content-Type: text/plain', samples.armor.replace(/^/gm, '> ')),
    no(`text/plain ${NOT_ARMORED}`),
  ],
  [
    'two armored blocks',
    () => mail('Content-Type: text/plain', samples.armor + samples.armor),
    no(`text/plain ${NOT_ARMORED}`),
  ],
  [
    'plaintext between the lines of an armored block',
    () => mail('Content-Type: text/plain', samples.armor.replace(/(\r\n\r\n.*\r\n)/, `$1${PLAINTEXT}`)),
    no(`text/plain ${NOT_ARMORED}`),
  ],
  [
    'words that happen to be base64 behind an armored block',
    () => mail('Content-Type: text/plain', samples.armor.replace('-----END', 'noon\r\n-----END')),
    no(`text/plain ${NOT_ARMORED}`),
  ],
  [
    'plaintext as an armor header',
    () =>
      mail(
        'Content-Type: text/plain',
        samples.armor.replace('MESSAGE-----\r\n', `MESSAGE-----\r\nSecret: ${PLAINTEXT}`),
      ),
    no(`text/plain ${NOT_ARMORED}`),
  ],
  [
    'an armored block that does not end',
    () => mail('Content-Type: text/plain', samples.armor.replace(/-----END.*/, '')),
    no(`text/plain ${NOT_ARMORED}`),
  ],
  [
    'an armored block around text',
    () =>
      mail(
        'Content-Type: text/plain',
        armorMessage(Buffer.from('just text, no packets at all')).toString('latin1'),
      ),
    no(`text/plain ${NOT_ARMORED}`),
  ],
  [
    'an armored block around the session key alone',
    () =>
      mail('Content-Type: text/plain', armorMessage(pieces(samples.binary).sessionKeys).toString('latin1')),
    no(`text/plain ${NOT_ARMORED}`),
  ],
  [
    'an armored block around the data alone, without a session key',
    () => mail('Content-Type: text/plain', armorMessage(pieces(samples.binary).data).toString('latin1')),
    no(`text/plain ${NOT_ARMORED}`),
  ],
  [
    'packets with something behind them',
    () =>
      mail(
        'Content-Type: text/plain',
        armorMessage(Buffer.concat([samples.binary, Buffer.from('noon')])).toString('latin1'),
      ),
    no(`text/plain ${NOT_ARMORED}`),
  ],
  [
    'the same message twice',
    () =>
      mail(
        'Content-Type: text/plain',
        armorMessage(Buffer.concat([samples.binary, samples.binary])).toString('latin1'),
      ),
    no(`text/plain ${NOT_ARMORED}`),
  ],
  [
    'a message that is cut off',
    () => mail('Content-Type: text/plain', armorMessage(samples.binary.subarray(0, -20)).toString('latin1')),
    no(`text/plain ${NOT_ARMORED}`),
  ],
  [
    'an unencrypted OpenPGP message',
    () => mail('Content-Type: text/plain', armorMessage(literal()).toString('latin1')),
    no(`text/plain ${NOT_ARMORED}`),
  ],
  ['the words of PGP/MIME in a body', () => named('armor-words'), no(`text/plain ${NOT_ARMORED}`)],
  ['a cleartext signature', () => named('cleartext-signed'), no(`text/plain ${NOT_ARMORED}`)],
  ['multipart/encrypted around plaintext', () => fakePgpMime(PLAINTEXT), no(SECOND_PART)],
  [
    'multipart/encrypted around armor with plaintext behind it',
    () => fakePgpMime(`${samples.armor}${PLAINTEXT}`),
    no(SECOND_PART),
  ],
  [
    'multipart/encrypted around a public key block',
    () => fakePgpMime(samples.armor.replaceAll('PGP MESSAGE', 'PGP PUBLIC KEY BLOCK')),
    no(SECOND_PART),
  ],
  [
    'multipart/encrypted around a signed message',
    () => fakePgpMime(armorMessage(literal()).toString('latin1')),
    no(SECOND_PART),
  ],
  [
    'multipart/encrypted without protocol',
    () =>
      mail('Content-Type: multipart/encrypted; boundary=b', multipart('b', CONTROL, octets(samples.armor))),
    no('multipart/encrypted with another protocol than application/pgp-encrypted'),
  ],
  [
    'multipart/encrypted with one part',
    () => mail(PGP_MIME, multipart('b', CONTROL)),
    no('multipart/encrypted with one part'),
  ],
  [
    'multipart/encrypted with a third part',
    () =>
      mail(
        PGP_MIME,
        multipart('b', CONTROL, octets(samples.armor), part('Content-Type: text/plain', PLAINTEXT)),
      ),
    no('multipart/encrypted with more than two parts'),
  ],
  [
    'multipart/encrypted with plaintext in its first part',
    () =>
      mail(
        PGP_MIME,
        multipart(
          'b',
          part('Content-Type: application/pgp-encrypted', `Version: 1\r\n${PLAINTEXT}`),
          octets(samples.armor),
        ),
      ),
    no('multipart/encrypted whose first part is not application/pgp-encrypted with "Version: 1"'),
  ],
  [
    'multipart/encrypted with a text as its first part',
    () => mail(PGP_MIME, multipart('b', part('Content-Type: text/plain', PLAINTEXT), octets(samples.armor))),
    no('multipart/encrypted whose first part is not application/pgp-encrypted with "Version: 1"'),
  ],
  [
    'multipart/encrypted with a letter in front of its parts',
    () => mail(PGP_MIME, `${PLAINTEXT.repeat(40)}${multipart('b', CONTROL, octets(samples.armor))}`),
    no('multipart/encrypted with a text before its first part'),
  ],
  [
    'multipart/encrypted with a text behind its parts',
    () => mail(PGP_MIME, `${multipart('b', CONTROL, octets(samples.armor))}${PLAINTEXT}`),
    no('multipart/encrypted with a text behind its last part'),
  ],
  [
    'multipart/encrypted with a part behind its end',
    () => mail(PGP_MIME, `${multipart('b', CONTROL, octets(samples.armor))}--b\r\n\r\n${PLAINTEXT}`),
    no('multipart/encrypted with a delimiter behind its end'),
  ],
  [
    'two Content-Type fields',
    () => mail(`${PGP_MIME}\r\nContent-Type: text/plain`, multipart('b', CONTROL, octets(samples.armor))),
    no('the Content-Type cannot be read, or can be read in two ways'),
  ],
  [
    'two boundary parameters',
    () => mail(`${PGP_MIME}; boundary=c`, multipart('b', CONTROL, octets(samples.armor))),
    no('the Content-Type cannot be read, or can be read in two ways'),
  ],
  [
    'an encrypted text beside a plain one',
    () =>
      mail(
        MIXED,
        multipart(
          'm',
          part('Content-Type: text/plain', samples.armor),
          part('Content-Type: text/plain', PLAINTEXT),
        ),
      ),
    no(`text/plain ${NOT_ARMORED}`),
  ],
  [
    'PGP/MIME with a list footer behind it',
    () =>
      mail(
        MIXED,
        multipart(
          'm',
          part(PGP_MIME, multipart('b', CONTROL, octets(samples.armor))),
          part('Content-Type: text/plain', 'list footer'),
        ),
      ),
    no(`text/plain ${NOT_ARMORED}`),
  ],
  [
    'an encrypted text beside a picture',
    () =>
      mail(
        MIXED,
        multipart(
          'm',
          part('Content-Type: text/plain', samples.armor),
          part(
            'Content-Type: image/jpeg\r\nContent-Transfer-Encoding: base64',
            base64(Buffer.concat([Buffer.from('ffd8ffe0', 'hex'), noise(9000)])),
          ),
        ),
      ),
    no('image/jpeg that is not an encrypted OpenPGP message'),
  ],
  [
    'an encrypted message that was forwarded as a message',
    () =>
      mail(
        MIXED,
        multipart(
          'm',
          part(
            'Content-Type: message/rfc822',
            mail('Content-Type: text/plain', samples.armor).toString('latin1'),
          ),
        ),
      ),
    no('message/rfc822 is no encrypted part'),
  ],
  [
    'a digest of armored texts, which are messages',
    () => mail('Content-Type: multipart/digest; boundary=m', multipart('m', `\r\n${samples.armor}`)),
    no('message/rfc822 is no encrypted part'),
  ],
  [
    'an inner boundary that is the outer one',
    () => mail(MIXED, multipart('m', part('Content-Type: multipart/mixed; boundary=m', ''))),
    no('multipart/mixed with the boundary of the multipart around it'),
  ],
  [
    'a multipart without boundary',
    () => named('boundary-missing'),
    no('multipart/mixed without a usable boundary'),
  ],
  [
    'a multipart whose boundary never comes',
    () => named('boundary-wrong'),
    no('multipart/mixed with a text before its first part'),
  ],
  [
    'a multipart in base64',
    () =>
      mail(
        `${MIXED}\r\nContent-Transfer-Encoding: base64`,
        base64(Buffer.from(multipart('m', part('Content-Type: text/plain', samples.armor)))),
      ),
    no('multipart/mixed in a transfer encoding'),
  ],
  [
    'an armored text in broken base64',
    () =>
      mail(
        'Content-Type: text/plain\r\nContent-Transfer-Encoding: base64',
        `${base64(Buffer.from(samples.armor))}\r\n!!! ${PLAINTEXT}`,
      ),
    no(`text/plain ${NOT_ARMORED}`),
  ],
  [
    'an armored text in an unknown transfer encoding',
    () => mail('Content-Type: text/plain\r\nContent-Transfer-Encoding: x-own', samples.armor),
    no(`text/plain ${NOT_ARMORED}`),
  ],
  [
    'a lone encrypted file',
    () => mail('Content-Type: application/octet-stream', samples.armor),
    no('application/octet-stream alone, an encrypted file and no encrypted mail'),
  ],
  [
    'S/MIME signed-data that claims to be enveloped',
    () => smime(cms('signed')),
    no('application/pkcs7-mime whose CMS content type is not enveloped-data or authEnveloped-data'),
  ],
  [
    'S/MIME compressed-data',
    () => smime(cms('compressed')),
    no('application/pkcs7-mime whose CMS content type is not enveloped-data or authEnveloped-data'),
  ],
  [
    'CMS with plaintext behind it',
    () => smime(Buffer.concat([cms('enveloped'), Buffer.from(PLAINTEXT)])),
    no('application/pkcs7-mime whose CMS content type is not enveloped-data or authEnveloped-data'),
  ],
  ['S/MIME multipart/signed', () => named('smime-signed'), no(`text/plain ${NOT_ARMORED}`)],
  ['PGP/MIME signed', () => named('pgp-signed'), no(`text/plain ${NOT_ARMORED}`)],
  [
    'a signature around PGP/MIME',
    () =>
      mail(
        'Content-Type: multipart/signed; protocol="application/pgp-signature"; boundary=m',
        multipart(
          'm',
          part(PGP_MIME, multipart('b', CONTROL, octets(samples.armor))),
          part('Content-Type: application/pgp-signature', 'x'),
        ),
      ),
    no('application/pgp-signature that is not an encrypted OpenPGP message'),
  ],
  [
    'multiparts a hundred and fifty deep',
    () => named('nested-150'),
    no('more than 100 multiparts inside each other'),
  ],
  [
    'ten thousand parts and one',
    () =>
      mail(
        MIXED,
        multipart(
          'm',
          ...Array.from({ length: 10_001 }, () => part('Content-Type: text/plain', samples.armor)),
        ),
      ),
    no('more than 10000 parts'),
  ],
  [
    'a part whose header goes on for ever',
    () => mail(MIXED, `--m\r\n${'X-Filler: x\r\n'.repeat(10_000)}\r\n${samples.armor}\r\n--m--\r\n`),
    no('a part whose header does not end'),
  ],
];

const BEGIN = '-----BEGIN PGP MESSAGE-----';
const IN_BASE64 = 'Content-Type: a/b\r\nContent-Transfer-Encoding: base64';

/** Messages of more than 4 MB that would keep a careless parser busy for minutes. */
const ATTACKS: readonly (readonly [name: string, message: () => Buffer])[] = [
  ['lines of dashes', () => mail(MIXED, `--m\r\n\r\n${BEGIN}\r\n${'--\r\n'.repeat(1_200_000)}`)],
  ['almost boundaries', () => mail(MIXED, `--m\r\n\r\n${BEGIN}\r\n${'\n--mm'.repeat(1_000_000)}`)],
  ['one line of dashes and letters', () => mail(MIXED, `--${'m'.repeat(5_000_000)}`)],
  ['nothing but white space', () => mail('Content-Type: text/plain', ' '.repeat(5_000_000))],
  [
    'armor headers',
    () => mail('Content-Type: text/plain', `${BEGIN}\r\n${'Comment: x\r\n'.repeat(400_000)}`),
  ],
  [
    'armor of equals signs',
    () => mail('Content-Type: text/plain', `${BEGIN}\r\n\r\n${'='.repeat(5_000_000)}`),
  ],
  [
    'quoted-printable escapes',
    () =>
      mail(
        'Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable',
        `${BEGIN}\r\n\r\n${'=41=\r\n'.repeat(800_000)}`,
      ),
  ],
  [
    'empty packets',
    () =>
      mail(
        MIXED,
        multipart(
          'm',
          part(IN_BASE64, Buffer.alloc(4_000_000, Buffer.from('fc00', 'hex')).toString('base64')),
        ),
      ),
  ],
  [
    'packets in pieces of one byte',
    () => {
      const start = [pieces(samples.binary).sessionKeys, Buffer.from([0xd2, 0xe9]), Buffer.alloc(512, 1)];
      const packets = Buffer.concat([...start, Buffer.alloc(4_000_000, Buffer.from('e041', 'hex'))]);
      return mail(MIXED, multipart('m', part(IN_BASE64, packets.toString('base64'))));
    },
  ],
  [
    'ninety-nine levels around almost-boundaries',
    () => {
      const levels = Array.from(
        { length: 98 },
        (_, level) => `Content-Type: multipart/mixed; boundary=l${level}\r\n\r\n--l${level}\r\n`,
      );
      return mail(MIXED, `--m\r\n${levels.join('')}\r\n${BEGIN}\r\n\r\n${'\n--x'.repeat(1_200_000)}`);
    },
  ],
  [
    'ten thousand multiparts beside each other',
    () => {
      const inner = `${samples.armor}${'\r\n'.repeat(100)}`;
      const one = (index: number) =>
        `--m\r\nContent-Type: multipart/mixed; boundary=q${index}\r\n\r\n--q${index}\r\n\r\n${inner}\r\n--q${index}--\r\n`;
      return mail(MIXED, Array.from({ length: 6000 }, (_, index) => one(index)).join(''));
    },
  ],
];

/** A literal packet: an OpenPGP message that nobody encrypted. */
function literal(): Buffer {
  const text = Buffer.from('Meet me at noon.');
  return Buffer.concat([Buffer.from([0xcb, 6 + text.length, 0x62, 0, 0, 0, 0, 0]), text]);
}

function named(name: string): Buffer {
  const found = corpus().find((each) => each.name === name);
  if (found === undefined) throw new Error(`no ${name} in the corpus`);
  return found.message;
}

describe('already encrypted', () => {
  it.each(ENCRYPTED)('is: %s', (_name, message, expected) => {
    expect(detectEncrypted(message())).toEqual(expected());
  });

  it.each(NOT_ENCRYPTED)('is not (lesson 5): %s', (_name, message, expected) => {
    expect(detectEncrypted(message())).toEqual(expected());
  });

  it('is no message of the corpus', () => {
    for (const { name, message } of corpus()) expect(detectEncrypted(message).encrypted, name).toBe(false);
  });

  it('finds an encrypted leaf sixty multiparts deep', () => {
    let entity = part('Content-Type: text/plain', samples.armor);
    for (let level = 1; level < 60; level += 1) {
      entity = part(`Content-Type: multipart/mixed; boundary=l${level}`, multipart(`l${level}`, entity));
    }
    expect(detectEncrypted(mail(MIXED, multipart('m', entity)))).toEqual(yes('multipart', EVERY_PART)());
  });

  it('reads an encrypted message of 25 MB in less than a second, ordinary mail of 25 MB in less than 20 ms', {
    tags: ['slow'],
  }, () => {
    const { sessionKeys, data } = pieces(samples.binary);
    const body = Buffer.concat([data.subarray(-100), noise(20_000_000)]);
    const header = Buffer.from([0xd2, 0xff, 0, 0, 0, 0]);
    header.writeUInt32BE(body.length + 1, 2);
    const armor = armorMessage(Buffer.concat([sessionKeys, header, Buffer.from([1]), body])).toString(
      'latin1',
    );
    const encrypted = mail(PGP_MIME, multipart('b', CONTROL, octets(armor)));
    expect(encrypted.length).toBeGreaterThan(25_000_000);
    expect(quickest(1000, () => expect(detectEncrypted(encrypted).encrypted).toBe(true))).toBeLessThan(1000);
    const ordinary = largeMessage(25_000_000);
    expect(quickest(20, () => expect(detectEncrypted(ordinary).encrypted).toBe(false))).toBeLessThan(20);
  });

  it.each(ATTACKS)('is linear: %s', { tags: ['slow'] }, (_name, message) => {
    const attack = message();
    expect(attack.length).toBeGreaterThan(4_000_000);
    expect(quickest(3000, () => expect(detectEncrypted(attack).encrypted).toBe(false))).toBeLessThan(3000);
  });
});
