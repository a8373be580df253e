// The sealing engine: bytes and certificates in, one OpenPGP message out. It runs in a worker thread, or inline.
import { createHash } from 'node:crypto';
import { ReadableStream } from 'node:stream/web';
import { LRUCache } from 'lru-cache';
import {
  createMessage,
  encrypt as encryptData,
  encryptSessionKey,
  enums,
  generateSessionKey,
  type PartialConfig,
  type PublicKey,
  readKey,
  type SessionKey,
} from 'openpgp';
import { armorMessage } from './armor.ts';
import type { Encrypt, EncryptionJob, RecipientKey } from './types.ts';

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

/** A literal packet's date of zero says nothing about the moment of sealing (RFC 9580, section 5.9). */
const NO_DATE = new Date(0);

/** Parsed certificates of some 100 KB each at most, with their signatures verified once. */
const CACHED_CERTIFICATES = 2000;

/**
 * Makes an engine with its own cache of parsed certificates.
 *
 * Each key is encrypted to with one encryption subkey: the newest one that is valid at that key's `at`, as OpenPGP.js
 * selects it. The engine rejects when one of the keys cannot be used: a key is never silently left out.
 */
export function createEngine(): Encrypt {
  const certificates = new LRUCache<string, PublicKey>({ max: CACHED_CERTIFICATES });

  async function certificateOf({ fingerprint, certificate }: RecipientKey): Promise<PublicKey> {
    const id = createHash('sha256').update(certificate).digest('base64');
    let key = certificates.get(id);
    if (key === undefined) {
      key = await readKey({ binaryKey: certificate, config: CONFIG });
      if (key.isPrivate())
        throw new Error(`a secret key was given for ${fingerprint}, a certificate was expected`);
      certificates.set(id, key);
    }
    if (key.getFingerprint() !== fingerprint.toLowerCase()) {
      throw new Error(`the certificate given for ${fingerprint} is that of ${key.getFingerprint()}`);
    }
    return key;
  }

  return async (job) => {
    if (job.keys.length === 0) throw new Error('no key was given to encrypt to');
    const recipients = await Promise.all(
      job.keys.map(async (key) => ({ key: await certificateOf(key), date: new Date(key.at) })),
    );
    const sessionKey = await sessionKeyFor(recipients);
    const headers = await Promise.all(
      recipients.map(
        ({ key, date }) =>
          encryptSessionKey({
            ...sessionKey,
            encryptionKeys: key,
            date,
            wildcard: job.hideKeyIds,
            format: 'binary',
            config: CONFIG,
          }) as Promise<Uint8Array>,
      ),
    );
    if (job.format === 'binary' && job.plaintext.length > STREAMED_BYTES)
      return encryptInPieces(job.plaintext, headers, sessionKey);
    const message = await createMessage({ binary: job.plaintext, date: NO_DATE, format: 'binary' });
    const data = (await encryptData({ message, sessionKey, format: 'binary', config: CONFIG })) as Uint8Array;
    return finish([...headers, data], job);
  };
}

/** From here on a message goes through OpenPGP.js in pieces: as one value it is held about eight times over. */
const STREAMED_BYTES = 4 * 2 ** 20;
const PIECE_BYTES = 256 * 1024;

/** Beside the plaintext, which the caller may let go, only the ciphertext is in memory. */
async function encryptInPieces(
  plaintext: Uint8Array,
  headers: readonly Uint8Array[],
  sessionKey: SessionKey,
): Promise<Uint8Array> {
  let from = 0;
  const pieces = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (from >= plaintext.length) return controller.close();
      // A copy: OpenPGP.js may keep what it gets until the next piece.
      controller.enqueue(plaintext.slice(from, from + PIECE_BYTES));
      from += PIECE_BYTES;
    },
  });
  const message = await createMessage({ binary: pieces, date: NO_DATE, format: 'binary' });
  const sealed = (await encryptData({
    message,
    sessionKey,
    format: 'binary',
    config: CONFIG,
  })) as AsyncIterable<Uint8Array>;
  // Packet framing and authentication tags cost less than one byte in a hundred; should they not, the buffer grows.
  let out = new Uint8Array(plaintext.length + Math.ceil(plaintext.length / 100) + 64 * 1024);
  let at = 0;
  const append = (bytes: Uint8Array): void => {
    if (at + bytes.length > out.length) {
      const larger = new Uint8Array((at + bytes.length) * 2);
      larger.set(out.subarray(0, at));
      out = larger;
    }
    out.set(bytes, at);
    at += bytes.length;
  };
  for (const header of headers) append(header);
  for await (const bytes of sealed) append(bytes);
  return out.subarray(0, at);
}

/**
 * A fresh AES-256 session key; AEAD (SEIPD version 2) only if every key announces it at its own date. GCM, which is native
 * here, if every key lists it with AES-256, else OCB, which RFC 9580, section 9.6, makes everybody implement.
 */
async function sessionKeyFor(
  recipients: readonly { readonly key: PublicKey; readonly date: Date }[],
): Promise<SessionKey> {
  const wishes = await Promise.all(
    recipients.map(({ key, date }) => generateSessionKey({ encryptionKeys: key, date, config: CONFIG })),
  );
  const { data, algorithm } = await generateSessionKey({
    encryptionKeys: [],
    config: { ...CONFIG, aeadProtect: false },
  });
  if (!wishes.every(({ aeadAlgorithm }) => aeadAlgorithm !== undefined)) return { data, algorithm };
  const gcm = wishes.every((wish) => wish.aeadAlgorithm === 'gcm' && wish.algorithm === 'aes256');
  return { data, algorithm, aeadAlgorithm: gcm ? 'gcm' : 'ocb' };
}

function finish(packets: readonly Uint8Array[], job: EncryptionJob): Uint8Array {
  const length = packets.reduce((total, packet) => total + packet.length, 0);
  const joined = new Uint8Array(length);
  let at = 0;
  for (const packet of packets) {
    joined.set(packet, at);
    at += packet.length;
  }
  return job.format === 'armor' ? armorMessage(joined, job.armorHeaders) : joined;
}
