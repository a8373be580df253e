// Encrypted bodies of every kind, made fresh, for the tests of "already encrypted?".
import { createMessage, encrypt, generateSessionKey } from 'openpgp';
import { createEngine } from '../../src/openpgp/engine.ts';
import { armorMessage } from './armor-message.ts';
import { makeKey } from './make-keys.ts';

export interface Samples {
  readonly binary: Buffer;
  /** With CRLF line endings, the last one included. */
  readonly armor: string;
  /** Key ID of the encryption subkey, in lower case. */
  readonly keyId: string;
  readonly v6: Buffer;
  /** Fingerprint of the v6 encryption subkey, in lower case. */
  readonly v6Fingerprint: string;
  readonly hidden: Buffer;
  readonly password: Buffer;
  /** The same message with its data packet in partial lengths, as GnuPG writes it. */
  readonly partial: Buffer;
  readonly twoKeys: Buffer;
  readonly secondKeyId: string;
}

export async function makeSamples(): Promise<Samples> {
  const engine = createEngine();
  const first = await makeKey('curve25519-legacy');
  const second = await makeKey('p256');
  const v6 = await makeKey('curve25519-v6');
  const plaintext = Buffer.from('Content-Type: text/plain\r\n\r\nSecret\r\n'.repeat(40));
  const seal = async (keys: (typeof first)[], hideKeyIds = false) =>
    Buffer.from(
      await engine({ plaintext, keys: keys.map(({ recipient }) => recipient), hideKeyIds, format: 'binary' }),
    );
  const binary = await seal([first]);
  const sessionKey = await generateSessionKey({ encryptionKeys: [] });
  const password = await encrypt({
    message: await createMessage({ binary: plaintext }),
    passwords: ['one', 'two'],
    sessionKey,
    format: 'binary',
  });
  return {
    binary,
    armor: armorMessage(binary).toString('latin1'),
    keyId: first.secret.subkeys[0]?.getKeyID().toHex() ?? '',
    v6: await seal([v6]),
    v6Fingerprint: v6.secret.subkeys[0]?.getFingerprint() ?? '',
    hidden: await seal([first], true),
    password: Buffer.from(password as Uint8Array),
    partial: inPartialLengths(binary),
    twoKeys: await seal([first, second]),
    secondKeyId: second.secret.subkeys[0]?.getKeyID().toHex() ?? '',
  };
}

/** Where the data packet begins, and its body: OpenPGP.js writes new-format headers, with partial lengths only for streams. */
function dataPacket(binary: Buffer): { readonly at: number; readonly body: Buffer } {
  let at = 0;
  for (;;) {
    const [length, size] = newLength(binary, at + 1);
    const body = binary.subarray(at + 1 + size, at + 1 + size + length);
    if (binary[at] === 0xd2) return { at, body };
    at += 1 + size + length;
  }
}

function newLength(bytes: Buffer, at: number): [length: number, size: number] {
  const first = bytes[at] ?? 0;
  if (first < 192) return [first, 1];
  if (first < 224) return [((first - 192) << 8) + (bytes[at + 1] ?? 0) + 192, 2];
  return [bytes.readUInt32BE(at + 1), 5];
}

function inPartialLengths(binary: Buffer): Buffer {
  const { at, body } = dataPacket(binary);
  const rest = body.subarray(512 + 256);
  return Buffer.concat([
    binary.subarray(0, at + 1),
    Buffer.from([0xe0 | 9]),
    body.subarray(0, 512),
    Buffer.from([0xe0 | 8]),
    body.subarray(512, 512 + 256),
    Buffer.from([0xff, 0, 0, rest.length >>> 8, rest.length & 0xff]),
    rest,
  ]);
}

/** The message with only its session key packets, or only its data packet. */
export function pieces(binary: Buffer): { readonly sessionKeys: Buffer; readonly data: Buffer } {
  const { at } = dataPacket(binary);
  return { sessionKeys: binary.subarray(0, at), data: binary.subarray(at) };
}

const OIDS = {
  enveloped: '06092a864886f70d010703',
  authEnveloped: '060b2a864886f70d0109100117',
  signed: '06092a864886f70d010702',
  compressed: '060b2a864886f70d0109100109',
};

/** A ContentInfo of that type in DER, around bytes that look like recipients and ciphertext. */
export function cms(type: keyof typeof OIDS, length = 300): Buffer {
  const content = sequence(0x30, Buffer.concat([Buffer.from('020100', 'hex'), Buffer.alloc(length, 0x5a)]));
  return sequence(0x30, Buffer.concat([Buffer.from(OIDS[type], 'hex'), sequence(0xa0, content)]));
}

/** The same in BER with indefinite lengths, as streaming programs write it. */
export function cmsIndefinite(type: keyof typeof OIDS): Buffer {
  return Buffer.concat([
    Buffer.from('3080', 'hex'),
    Buffer.from(OIDS[type], 'hex'),
    Buffer.from('a0803080020100', 'hex'),
    Buffer.alloc(200, 0x5a),
    Buffer.alloc(6),
  ]);
}

function sequence(tag: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([tag, 0x82, content.length >>> 8, content.length & 0xff]), content]);
}
