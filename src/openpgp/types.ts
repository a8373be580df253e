// What the sealing engine takes and gives. The engine runs in worker threads, so everything here can be cloned.
import type { MessagePort } from 'node:worker_threads';

/** One certificate to encrypt to, and the moment at which its encryption subkey is to be chosen. */
export interface RecipientKey {
  readonly fingerprint: string;
  /** Binary, canonical. */
  readonly certificate: Uint8Array;
  /**
   * Unix milliseconds. Now for a valid key; for an expired key that is used all the same (`on_expired_key = encrypt`)
   * a moment at which it was still valid.
   */
  readonly at: number;
}

/** Plaintext that stays in its file, because it is large. */
export interface PlaintextFile {
  /** Of this process, open for reading until the job has ended; its position does not matter. */
  readonly fd: number;
  readonly size: number;
  /** SHA-256 in hexadecimal: when the file holds something else by now, the job fails. */
  readonly sha256: string;
}

/** Plaintext that stays in the memory of another thread, and comes piece by piece: see feed.ts. */
export interface PlaintextFeed {
  readonly port: MessagePort;
  readonly size: number;
}

/** Plaintext in memory; parts are taken one after the other, so that a large message need not be copied behind a new header. */
export type Plaintext = Uint8Array | readonly Uint8Array[];

/** The plaintext in one piece. */
export function wholePlaintext(plaintext: Plaintext): Uint8Array {
  return plaintext instanceof Uint8Array ? plaintext : Buffer.concat(plaintext);
}

/** Bytes of plaintext. */
export function plaintextSize(plaintext: Plaintext | PlaintextFile | PlaintextFeed): number {
  if ('fd' in plaintext || 'port' in plaintext) return plaintext.size;
  if (plaintext instanceof Uint8Array) return plaintext.length;
  return plaintext.reduce((size, part) => size + part.length, 0);
}

/** One encryption: these bytes, to these keys. */
export interface EncryptionJob {
  readonly plaintext: Plaintext;
  readonly keys: readonly RecipientKey[];
  /** Write wildcard key IDs (`hide_key_ids`). */
  readonly hideKeyIds: boolean;
  /** `armor`: RFC 9580 armor, CRLF, CRC24 always; `binary`: the bare packets. */
  readonly format: 'armor' | 'binary';
  /**
   * The plaintext is a text in UTF-8 with CRLF at its line ends, and the literal packet says so (RFC 9580, section 5.9: `u`): programs
   * that write it out use the line ends of their machine. Default: bytes that stay as they are.
   */
  readonly text?: boolean;
  /** Of armor: `Charset` tells the character set of a text (RFC 9580, section 6.2.2). Default: none. */
  readonly armorHeaders?: readonly ArmorHeader[];
  /** The caller gives the ciphertext back (`Sealer.giveBack`) once nobody reads it: then its memory is only lent. */
  readonly lent?: boolean;
  /** Memory for the armor; where it does not suffice, other memory is used. */
  readonly into?: SharedArrayBuffer;
}

/** The same of a plaintext wherever it is: also in a file, or with the thread that feeds this one. */
export type AnyEncryptionJob = Omit<EncryptionJob, 'plaintext'> & {
  readonly plaintext: Plaintext | PlaintextFile | PlaintextFeed;
};

/** One armor header; characters of the value that could end its line are dropped. */
export interface ArmorHeader {
  readonly name: 'Charset' | 'Comment';
  readonly value: string;
}

/** S/MIME: the keys are X.509 certificates in DER. */
export interface CmsJob {
  /** The CMS ContentInfo in base64 of 76 columns, CRLF. */
  readonly format: 'cms';
  readonly plaintext: Uint8Array;
  readonly keys: readonly RecipientKey[];
  /** AES-256: `gcm` is AuthEnvelopedData, `cbc` EnvelopedData without integrity for old mail programs. */
  readonly cipher: 'gcm' | 'cbc';
  /** How a key is given to an RSA certificate. */
  readonly rsa: 'oaep' | 'pkcs1';
  /** How a recipient is named: by issuer and serial number, or by its key's identifier where the certificate has one. */
  readonly identifiers: 'issuer' | 'key';
}

export type SealingJob = AnyEncryptionJob | CmsJob;

/** Encrypts; rejects with an Error when it cannot, which the caller must treat as temporary. */
export type Encrypt = (job: EncryptionJob) => Promise<Uint8Array>;

/** The same for both kinds of key. */
export type Seal = (job: SealingJob) => Promise<Uint8Array>;
