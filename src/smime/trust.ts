// The authorities that may issue certificates: `[smime] trust` read from files.

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';

/** Where Debian, Red Hat, SUSE, Alpine and FreeBSD keep the machine's authorities. */
const SYSTEM_FILES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
] as const;

/** The word for the machine's own authorities. */
const SYSTEM = 'system';

/** A trust file cannot be used. The message names the file and what is wrong. */
export class TrustUnavailable extends Error {
  override readonly name = 'TrustUnavailable';
}

/**
 * Reads the trust anchors.
 * @param trust "system" or paths of PEM files
 * @returns DER certificates
 * @throws TrustUnavailable where a file cannot be read or holds no certificate
 */
export function readTrust(trust: readonly string[]): readonly Buffer[] {
  return trust.flatMap((source) => (source === SYSTEM ? systemTrust() : readFile(source)));
}

function systemTrust(): readonly Buffer[] {
  for (const file of SYSTEM_FILES) {
    try {
      return readFile(file);
    } catch {
      // Another system keeps them elsewhere.
    }
  }
  return rootCertificates.map(derOf);
}

function readFile(file: string): readonly Buffer[] {
  let text: string;
  try {
    text = readFileSync(file, 'latin1');
  } catch (error) {
    throw new TrustUnavailable(
      `smime.trust: cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) {
    throw new TrustUnavailable(
      `smime.trust: found no certificate in ${file}, expected a PEM file of authorities`,
    );
  }
  try {
    return blocks.map(derOf);
  } catch {
    throw new TrustUnavailable(`smime.trust: a certificate in ${file} is damaged`);
  }
}

function derOf(pem: string): Buffer {
  return new X509Certificate(pem).raw;
}
