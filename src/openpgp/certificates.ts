// The certificates that this thread seals with, as OpenPGP.js's objects: parsed once, their signatures verified once.
import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Config, PublicKey } from 'openpgp';
import { readCertificate } from './read-certificate.ts';
import type { RecipientKey } from './types.ts';

export interface Certificates {
  /** Rejects with an Error when the certificate cannot be read, is a secret key, or is not that of the fingerprint. */
  read(key: RecipientKey): Promise<PublicKey>;
  /** Takes what somebody in this thread has already made of the same bytes. */
  keep(certificate: Uint8Array, key: PublicKey): void;
}

/** Of some 100 KB each at most. */
const KEPT = 2000;

/** @param config how OpenPGP.js is to read */
export function createCertificates(config: Partial<Config>): Certificates {
  const kept = new LRUCache<string, PublicKey>({ max: KEPT });
  /** The same object comes with message after message, and need not be hashed again. */
  const digests = new WeakMap<Uint8Array, string>();

  function digestOf(certificate: Uint8Array): string {
    const known = digests.get(certificate);
    if (known !== undefined) return known;
    const digest = createHash('sha256').update(certificate).digest('base64');
    digests.set(certificate, digest);
    return digest;
  }

  return {
    async read({ fingerprint, certificate }) {
      const digest = digestOf(certificate);
      let key = kept.get(digest);
      if (key === undefined) {
        const read = await readCertificate(certificate, config);
        if (read === null)
          throw new Error(`a secret key was given for ${fingerprint}, a certificate was expected`);
        key = read;
        kept.set(digest, key);
      }
      if (key.getFingerprint() !== fingerprint.toLowerCase()) {
        throw new Error(`the certificate given for ${fingerprint} is that of ${key.getFingerprint()}`);
      }
      return key;
    },
    keep: (certificate, key) => {
      kept.set(digestOf(certificate), key);
    },
  };
}
