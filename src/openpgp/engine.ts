// The sealing engine: bytes and certificates in, one OpenPGP message out. It runs in a worker thread, or inline.
import { randomBytes } from 'node:crypto';
import {
  type AnyKeyPacket,
  config as defaults,
  enums,
  generateSessionKey,
  type PartialConfig,
  type PublicKey,
} from 'openpgp';
import { createArmorWriter } from './armor.ts';
import { type Certificates, createCertificates } from './certificates.ts';
import { type AesSessionKey, encryptedData, encryptedSessionKey } from './packets.ts';
import { createBinaryWriter, encryptInPieces, sealedSize } from './pieces.ts';
import {
  type AnyEncryptionJob,
  type Plaintext,
  plaintextSize,
  type RecipientKey,
  wholePlaintext,
} from './types.ts';

/**
 * AES-256 for everybody, no compression (it would tell of the content through the size). Which self-signatures count was
 * decided by `keys/` before a certificate comes here (`keys.allow_sha1`): the engine does not judge hashes again, or a
 * key that was accepted would defer its owner's mail for ever.
 */
const CONFIG: PartialConfig = {
  preferredSymmetricAlgorithm: enums.symmetric.aes256,
  preferredAEADAlgorithm: enums.aead.gcm,
  preferredCompressionAlgorithm: enums.compression.uncompressed,
  rejectHashAlgorithms: new Set(),
  showVersion: false,
  showComment: false,
};

/** From here on a message is made in pieces. */
export const IN_PIECES_BYTES = 4 * 2 ** 20;

/** AES-256. */
const SESSION_KEY_BYTES = 32;

/** The certificates of one engine, as it reads them. */
export function engineCertificates(): Certificates {
  return createCertificates(CONFIG);
}

/**
 * Makes an engine.
 * @param certificates default: its own
 *
 * Each key is encrypted to with one encryption subkey: the newest one that is valid at that key's `at`, as OpenPGP.js
 * selects it. The engine rejects when one of the keys cannot be used: a key is never silently left out.
 */
export function createEngine(
  certificates: Certificates = engineCertificates(),
): (job: AnyEncryptionJob) => Promise<Uint8Array> {
  const targets = new WeakMap<PublicKey, { readonly second: number; readonly target: Promise<Target> }>();

  /** OpenPGP knows no part of a second: what was selected holds for all messages within it. */
  async function targetOf(recipient: RecipientKey): Promise<Target> {
    const key = await certificates.read(recipient);
    const second = Math.floor(recipient.at / 1000);
    const known = targets.get(key);
    if (known?.second === second) return known.target;
    const target = selectTarget(key, new Date(recipient.at));
    targets.set(key, { second, target });
    return target;
  }

  return async (job) => {
    if (job.keys.length === 0) throw new Error('no key was given to encrypt to');
    const recipients = await Promise.all(job.keys.map(targetOf));
    const sessionKey = { data: randomBytes(SESSION_KEY_BYTES), aead: protectionFor(recipients) };
    const headers = await Promise.all(
      recipients.map(({ keyPacket }) => encryptedSessionKey(sessionKey, keyPacket, job.hideKeyIds)),
    );
    const { plaintext, text = false } = job;
    const inPieces = 'fd' in plaintext || 'port' in plaintext || plaintextSize(plaintext) > IN_PIECES_BYTES;
    const data = inPieces ? null : await encryptedData(sessionKey, ownPlaintext(plaintext), text);
    const size = data === null ? sealedSize(plaintextSize(plaintext)) : data.length;
    const expected = headers.reduce((total, packet) => total + packet.length, size);
    const out =
      job.format === 'armor'
        ? createArmorWriter(expected, job.armorHeaders, job.into)
        : createBinaryWriter(expected);
    for (const packet of headers) out.write(packet);
    if (data === null) await encryptInPieces(sessionKey, plaintext, text, out);
    else out.write(data);
    return out.finish();
  };
}

/** In one piece, and not in memory that threads share, which WebCrypto refuses. */
function ownPlaintext(plaintext: Plaintext): Uint8Array {
  const whole = wholePlaintext(plaintext);
  return whole.buffer instanceof SharedArrayBuffer ? new Uint8Array(whole) : whole;
}

/** What a certificate wants at one moment. */
interface Target {
  readonly keyPacket: AnyKeyPacket;
  /** Whether it announces AEAD (SEIPD version 2), and AES-256 with GCM among its cipher suites. */
  readonly aead: 'gcm' | 'other' | null;
}

async function selectTarget(key: PublicKey, date: Date): Promise<Target> {
  const [{ keyPacket }, wish] = await Promise.all([
    key.getEncryptionKey(undefined, date, undefined, { ...defaults, ...CONFIG }),
    generateSessionKey({ encryptionKeys: key, date, config: CONFIG }),
  ]);
  const gcm = wish.aeadAlgorithm === 'gcm' && wish.algorithm === 'aes256';
  return { keyPacket, aead: wish.aeadAlgorithm === undefined ? null : gcm ? 'gcm' : 'other' };
}

/**
 * AEAD only if every key announces it at its own date. GCM, which is native here, if every key lists it with AES-256, else
 * OCB, which RFC 9580, section 9.6, makes everybody implement.
 */
function protectionFor(recipients: readonly Target[]): AesSessionKey['aead'] {
  if (recipients.some(({ aead }) => aead === null)) return null;
  return recipients.every(({ aead }) => aead === 'gcm') ? 'gcm' : 'ocb';
}
