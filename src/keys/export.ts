// Certificates out again: armored, as `gpg --import` takes them, or in PEM.
import { X509Certificate } from 'node:crypto';
import { armor, config, enums } from 'openpgp';
import { readOriginal, withUsersOf, writeOriginal } from './original.ts';
import type { KeyRow } from './rows.ts';

/**
 * A stored OpenPGP certificate as it was handed over, without user attributes, other people's certifications, and user IDs that
 * are not its owner's; the reduced form where nothing else is kept, or what is kept cannot be read.
 * @returns binary
 */
export async function originalOf({
  certificate,
  original,
}: Pick<KeyRow, 'certificate' | 'original'>): Promise<Uint8Array> {
  if (original === null) return certificate;
  try {
    return writeOriginal(withUsersOf(await readOriginal(original), certificate));
  } catch {
    return certificate;
  }
}

/**
 * One armored block with all the certificates, LF line endings. With CRC24, which GnuPG 2.2 wants; a block of version 6
 * keys alone must not have it (RFC 9580, section 6.1).
 * @param certificates binary
 */
export function armorCertificates(
  certificates: readonly { readonly certificate: Uint8Array; readonly version: number }[],
): string {
  const bytes = Buffer.concat(certificates.map(({ certificate }) => certificate));
  const checksum = certificates.some(({ version }) => version !== 6);
  // Without config OpenPGP.js would take its global one; the text is the same, but not another program's choice.
  const text = armor(
    enums.armor.publicKey,
    new Uint8Array(bytes),
    undefined,
    undefined,
    undefined,
    checksum,
    config,
  );
  return String(text).replace(/\r\n/g, '\n');
}

/** X.509 certificates in PEM, one after the other, LF line endings. */
export function pemCertificates(certificates: readonly Uint8Array[]): string {
  return certificates.map((der) => new X509Certificate(der).toString()).join('');
}
