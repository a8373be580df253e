// "Already encrypted?", where the answer lies in the OpenPGP packets: what is a whole encrypted message, and what was only made
// to look like one. Each case as PGP/MIME, with the reason that `explain` prints.
import { describe, expect, it } from 'vitest';
import { explainMessage } from '../../../src/message/explain.ts';
import { armorMessage } from '../../support/armor-message.ts';
import { CONTROL, mail, multipart, octets, PGP_MIME } from './compose.ts';
import {
  ciphertext,
  inPieces,
  KEY_ID,
  legacyPacket,
  literal,
  mpi,
  PASSWORD_SESSION_KEY,
  packet,
  pkesk,
  RSA_SESSION_KEY,
  seipd1,
  seipd2,
} from './packets.ts';

const hex = (digits: string) => Buffer.from(digits, 'hex');
const join = (...parts: readonly Buffer[]) => Buffer.concat(parts);

const V6_FINGERPRINT = 'ab'.repeat(32);
const V4_FINGERPRINT = 'cd'.repeat(20);
const WILDCARD = '0'.repeat(16);
/** An ephemeral point and a wrapped key for ECDH on Curve25519 (RFC 9580, section 5.1.4). */
const ECDH = join(mpi(33, 0x40), hex(`30${'77'.repeat(48)}`));
/** Section 5.1.6. */
const X25519_V3 = hex(`${'31'.repeat(32)}2909${'77'.repeat(40)}`);
const X25519_V6 = hex(`${'31'.repeat(32)}28${'77'.repeat(40)}`);
const X448_V6 = hex(`${'31'.repeat(56)}28${'77'.repeat(40)}`);

function pkesk6(keyVersion: number, fingerprint: string, algorithm: number, rest: Buffer): Buffer {
  const key =
    fingerprint === ''
      ? hex('00')
      : hex(`${fingerprint.length === 64 ? '21' : '15'}0${keyVersion}${fingerprint}`);
  return packet(1, join(hex('06'), key, Buffer.from([algorithm]), rest));
}

/** The header of an RSA session key packet, with everything behind it left to say. */
const UNFINISHED = hex(`03${KEY_ID}01`);

const WHOLE: readonly (readonly [name: string, packets: Buffer, keyIds: readonly string[]])[] = [
  ['an RSA session key and data of version 1', join(RSA_SESSION_KEY, seipd1()), [KEY_ID]],
  [
    'a session key in a legacy header, as GnuPG writes it',
    join(legacyPacket(1, join(UNFINISHED, mpi(256))), seipd1()),
    [KEY_ID],
  ],
  [
    'an RSA session key whose number begins with a zero octet',
    join(pkesk(1, join(hex('080000'), ciphertext(255))), seipd1()),
    [KEY_ID],
  ],
  ['an Elgamal session key', join(pkesk(16, join(mpi(256), mpi(256))), seipd1()), [KEY_ID]],
  ['an ECDH session key', join(pkesk(18, ECDH), seipd1()), [KEY_ID]],
  ['an X25519 session key of version 3', join(pkesk(25, X25519_V3), seipd1()), [KEY_ID]],
  [
    'a session key for an algorithm that nobody knows yet',
    join(pkesk(35, ciphertext(600)), seipd1()),
    [KEY_ID],
  ],
  [
    'a v6 recipient and data of version 2',
    join(pkesk6(6, V6_FINGERPRINT, 25, X25519_V6), seipd2()),
    [V6_FINGERPRINT],
  ],
  ['a v6 recipient on X448', join(pkesk6(6, V6_FINGERPRINT, 26, X448_V6), seipd2()), [V6_FINGERPRINT]],
  [
    'a v4 recipient named by its fingerprint',
    join(pkesk6(4, V4_FINGERPRINT, 25, X25519_V6), seipd2()),
    [V4_FINGERPRINT],
  ],
  ['a v6 recipient who is hidden', join(pkesk6(6, '', 25, X25519_V6), seipd2()), [WILDCARD]],
  ['a v4 recipient who is hidden', join(pkesk(1, mpi(256), WILDCARD), seipd1()), [WILDCARD]],
  [
    'a recipient, a hidden one and a password',
    join(RSA_SESSION_KEY, pkesk(18, ECDH, WILDCARD), PASSWORD_SESSION_KEY, seipd1()),
    [KEY_ID, WILDCARD],
  ],
  ['the same recipient twice, told once', join(RSA_SESSION_KEY, RSA_SESSION_KEY, seipd1()), [KEY_ID]],
  ['a password alone', join(PASSWORD_SESSION_KEY, seipd1()), []],
  [
    'a password of version 6 (Argon2)',
    join(
      packet(
        3,
        hex(`062b090214 04${'11'.repeat(16)}030415 ${'22'.repeat(15)}${'33'.repeat(48)}`.replaceAll(' ', '')),
      ),
      seipd2(),
    ),
    [],
  ],
  [
    'markers between the packets',
    join(packet(10, Buffer.from('PGP')), RSA_SESSION_KEY, packet(10, Buffer.from('PGP')), seipd1()),
    [KEY_ID],
  ],
  [
    'data in pieces',
    join(RSA_SESSION_KEY, inPieces(18, join(hex('01'), ciphertext(800)), [9, 7, 5, 0])),
    [KEY_ID],
  ],
  [
    'data in pieces of which the last is empty',
    join(RSA_SESSION_KEY, inPieces(18, join(hex('01'), ciphertext(511)), [9])),
    [KEY_ID],
  ],
  [
    'the AEAD data packet of GnuPG 2.3, with chunks of 2^30',
    join(RSA_SESSION_KEY, packet(20, join(hex('01090218'), ciphertext()))),
    [KEY_ID],
  ],
  ['data of the smallest size that can be a message', join(RSA_SESSION_KEY, seipd1(40)), [KEY_ID]],
  [
    'data of version 2 of the smallest size',
    join(pkesk6(6, V6_FINGERPRINT, 25, X25519_V6), seipd2(72)),
    [V6_FINGERPRINT],
  ],
];

const FORGED: readonly (readonly [name: string, packets: Buffer])[] = [
  ['nothing at all', Buffer.alloc(0)],
  ['data that is too short to be a message', join(RSA_SESSION_KEY, seipd1(39))],
  ['data of version 2 that is too short', join(RSA_SESSION_KEY, seipd2(71))],
  ['AEAD data that is too short', join(RSA_SESSION_KEY, packet(20, join(hex('01090210'), ciphertext(51))))],
  ['data of an unknown version', join(RSA_SESSION_KEY, packet(18, join(hex('03'), ciphertext())))],
  ['data of version 2 in no cipher', join(RSA_SESSION_KEY, seipd2(600, '02000210'))],
  ['data of version 2 in an unknown cipher', join(RSA_SESSION_KEY, seipd2(600, '02200210'))],
  ['data of version 2 in an unknown mode', join(RSA_SESSION_KEY, seipd2(600, '02090010'))],
  ['data of version 2 in chunks that are too large', join(RSA_SESSION_KEY, seipd2(600, '02090211'))],
  [
    'data of version 2 that is a text',
    join(RSA_SESSION_KEY, packet(18, Buffer.from(`\x02${'Meet me at noon. '.repeat(20)}`))),
  ],
  [
    'a letter in place of the data',
    join(RSA_SESSION_KEY, packet(18, Buffer.from('Meet me at noon. '.repeat(20)))),
  ],
  ['data without integrity protection', join(RSA_SESSION_KEY, packet(9, ciphertext()))],
  ['data without a session key', seipd1()],
  ['a marker and data without a session key', join(packet(10, Buffer.from('PGP')), seipd1())],
  [
    'more markers than any program writes',
    join(...Array.from({ length: 17 }, () => packet(10, Buffer.from('PGP'))), RSA_SESSION_KEY, seipd1()),
  ],
  ['a session key without data', RSA_SESSION_KEY],
  ['data in front of its session key', join(seipd1(), RSA_SESSION_KEY)],
  ['two data packets', join(RSA_SESSION_KEY, seipd1(), seipd1())],
  ['a literal packet behind the data', join(RSA_SESSION_KEY, seipd1(), literal())],
  ['a literal packet in front of everything', join(literal(), RSA_SESSION_KEY, seipd1())],
  ['a literal packet alone', literal()],
  ['a compressed packet alone', packet(8, join(hex('00'), literal()))],
  [
    'a signature and a literal packet',
    join(packet(4, hex(`03000108${KEY_ID}01`)), literal(), packet(2, ciphertext(200))),
  ],
  ['a public key', packet(6, ciphertext(270))],
  ['a marker that is a letter', join(packet(10, Buffer.from('Meet me at noon.')), RSA_SESSION_KEY, seipd1())],
  [
    'padding, which may be a letter',
    join(packet(21, Buffer.from('Meet me at noon.')), RSA_SESSION_KEY, seipd1()),
  ],
  ['a packet of a private tag', join(packet(60, Buffer.from('Meet me at noon.')), RSA_SESSION_KEY, seipd1())],
  [
    'a letter inside an RSA session key packet',
    join(pkesk(1, join(mpi(256), Buffer.from('Meet me at noon.'))), seipd1()),
  ],
  [
    'a letter inside an ECDH session key packet',
    join(pkesk(18, join(ECDH, Buffer.from('Meet me at noon.'))), seipd1()),
  ],
  [
    'a letter inside an X25519 session key packet',
    join(pkesk(25, join(X25519_V3, Buffer.from('Meet me at noon.'))), seipd1()),
  ],
  [
    'a letter inside a password packet',
    join(
      packet(3, join(hex('0409030855aa55aa55aa55aaff'), Buffer.from('Meet me at noon. '.repeat(8)))),
      seipd1(),
    ),
  ],
  [
    'a session key packet of an unknown algorithm, as long as a letter',
    join(pkesk(35, Buffer.alloc(5000, 'Meet me at noon. ')), seipd1()),
  ],
  ['a session key packet that is cut off', join(pkesk(1, mpi(256).subarray(0, 100)), seipd1())],
  ['a session key packet without a number', join(packet(1, UNFINISHED), seipd1())],
  [
    'a letter in a session key packet of a version that nobody knows',
    join(packet(1, Buffer.from('Meet me at noon.')), seipd1()),
  ],
  [
    'a letter in a password packet of a version that nobody knows',
    join(packet(3, Buffer.from('Meet me at noon.')), seipd1()),
  ],
  ['an empty session key packet', join(packet(1, Buffer.alloc(0)), seipd1())],
  ['an X25519 session key packet that is cut off', join(pkesk(25, X25519_V3.subarray(0, 40)), seipd1())],
  ['a session key packet in pieces', join(inPieces(1, join(UNFINISHED, mpi(600)), [9]), seipd1())],
  [
    'data whose first piece is shorter than 512 octets',
    join(RSA_SESSION_KEY, inPieces(18, join(hex('01'), ciphertext()), [8])),
  ],
  [
    'data in pieces that are cut off',
    join(RSA_SESSION_KEY, inPieces(18, join(hex('01'), ciphertext(800)), [9, 7]).subarray(0, -10)),
  ],
  ['data whose last piece is missing', join(RSA_SESSION_KEY, hex('d2e9'), ciphertext(512))],
  ['data of a length that was not told', join(RSA_SESSION_KEY, hex('cb'), ciphertext(512))],
  ['a legacy packet of indeterminate length', join(RSA_SESSION_KEY, hex('a301'), ciphertext(512))],
  ['data that is longer than the message', join(RSA_SESSION_KEY, seipd1().subarray(0, -1))],
  ['a single octet behind the data', join(RSA_SESSION_KEY, seipd1(), hex('00'))],
  ['a line ending behind the data', join(RSA_SESSION_KEY, seipd1(), Buffer.from('\r\n'))],
  ['armor inside armor', Buffer.from(armorMessage(join(RSA_SESSION_KEY, seipd1())))],
  [
    'five thousand session keys and one',
    join(...Array.from({ length: 5001 }, () => PASSWORD_SESSION_KEY), seipd1()),
  ],
];

function pgpMime(packets: Buffer): Buffer {
  return mail(PGP_MIME, multipart('b', CONTROL, octets(armorMessage(packets).toString('latin1'))));
}

describe('OpenPGP packets', () => {
  it.each(WHOLE)('are an encrypted message: %s', (_name, packets, keyIds) => {
    expect(explainMessage(pgpMime(packets)).detection).toEqual({
      encrypted: true,
      how: 'pgp-mime',
      because: 'multipart/encrypted around one encrypted OpenPGP message',
      keyIds,
    });
  });

  it.each(FORGED)('are no encrypted message (lesson 5): %s', (_name, packets) => {
    expect(explainMessage(pgpMime(packets)).detection).toEqual({
      encrypted: false,
      because: 'multipart/encrypted whose second part is not an encrypted OpenPGP message',
    });
  });
});
