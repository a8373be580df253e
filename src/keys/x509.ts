// An X.509 certificate as a key among others: the same facts that an OpenPGP certificate has, so that choosing, listing and
// expiring need not know the difference.
import type { X509Facts } from '../smime/certificate.ts';
import { readX509 } from '../smime/certificate.ts';
import type { CertificateFacts, Flaw } from './facts.ts';

/**
 * Reads a stored certificate.
 * @throws Error where it cannot be read
 */
export function inspectX509(der: Uint8Array): CertificateFacts {
  return factsOf(readX509(der), der);
}

/** Facts in the terms of `inspect.ts`: the subject and the addresses are the user IDs, the validity is the only window. */
export function factsOf(x509: X509Facts, der: Uint8Array): CertificateFacts {
  const { fingerprint, notBefore, notAfter, key } = x509;
  const flaw = flawOf(x509);
  return {
    fingerprint,
    version: 3,
    algorithm: key,
    created: notBefore,
    expires: notAfter,
    revoked: false,
    userIds: [
      { text: x509.subject, address: null, revoked: false, valid: true },
      ...x509.addresses.map((address) => ({ text: address, address, revoked: false, valid: true })),
    ],
    encryptionKeys:
      x509.noEncryption === null
        ? [{ fingerprint, algorithm: key, created: notBefore, expires: notAfter, revoked: false }]
        : [],
    aead: false,
    windows: flaw === null ? [{ from: notBefore, until: notAfter, subkey: fingerprint }] : [],
    flaw,
    newestRevoked: false,
    sealing: der,
  };
}

function flawOf({ weakKey, noEncryption }: X509Facts): Flaw | null {
  if (weakKey !== null) return { kind: 'weak', what: weakKey };
  if (noEncryption !== null) return { kind: 'no encryption key', because: noEncryption };
  return null;
}
