// Seals a message as S/MIME (RFC 8551, section 3.3): the header outside is that of PGP/MIME sealing, and what is encrypted is
// the same entity, byte for byte; only the ciphertext is CMS.
import type { CmsJob, Seal } from '../openpgp/types.ts';
import { type Divide, dividerOf } from './divided-message.ts';
import { buildFrame, lines } from './seal-mime.ts';
import type { SealOptions } from './seal-options.ts';

/** What a client can decrypt: `smime_cipher`. */
export type SmimeCipher = 'gcm' | 'cbc' | 'cbc-pkcs1';

/**
 * Seals a message to X.509 certificates. Header protection is that of RFC 9788, which knows S/MIME as well.
 *
 * CMS has no wildcard for a recipient: with `hideKeyIds` a recipient is named by the subject key identifier, which tells
 * neither authority nor serial number, as far as the certificate has one.
 * @param divide of this message, shared by its copies
 * @returns the sealed message in parts. Rejects with the Error of `seal`
 */
export async function sealSmime(
  message: Buffer,
  options: SealOptions & { readonly cipher: SmimeCipher },
  seal: Seal,
  divide: Divide = dividerOf(message),
): Promise<readonly Buffer[]> {
  const type = options.cipher === 'gcm' ? 'authEnveloped-data' : 'enveloped-data';
  const { plaintext, wrap } = buildFrame(divide, options, (base64, eol) => [
    lines(eol, [
      'MIME-Version: 1.0',
      `Content-Type: application/pkcs7-mime; smime-type=${type};`,
      ' name="smime.p7m"',
      'Content-Transfer-Encoding: base64',
      'Content-Disposition: attachment; filename="smime.p7m"',
      '',
    ]),
    base64,
  ]);
  return wrap(
    await seal({ format: 'cms', plaintext: Buffer.concat(plaintext), keys: options.keys, ...cms(options) }),
  );
}

function cms({
  cipher,
  hideKeyIds,
}: SealOptions & { readonly cipher: SmimeCipher }): Pick<CmsJob, 'cipher' | 'rsa' | 'identifiers'> {
  return {
    cipher: cipher === 'gcm' ? 'gcm' : 'cbc',
    rsa: cipher === 'cbc-pkcs1' ? 'pkcs1' : 'oaep',
    identifiers: hideKeyIds ? 'key' : 'issuer',
  };
}
