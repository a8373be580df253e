// @module-tag slow
// Letters that openssl has signed, as they come to the key address.
import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSignedLetter } from '../../../src/enrolment/mail/signed-letter.ts';
import { splitMessage } from '../../../src/message/header.ts';
import { readX509Upload } from '../../../src/smime/upload.ts';
import { type Authority, CA_EXTENSIONS, type Issued, openAuthority } from '../../support/authority.ts';

const ALICE = 'alice@example.org';
let authority: Authority;
let ca: Issued;
let signers: Readonly<Record<'rsa' | 'ec' | 'bob', Issued>>;

beforeAll(() => {
  authority = openAuthority();
  ca = authority.issue('ca', { extensions: CA_EXTENSIONS });
  const of = (name: string, key: string, address = ALICE): Issued =>
    authority.issue(name, { key, issuer: ca, extensions: [`subjectAltName=email:${address}`] });
  signers = {
    rsa: of('alice-rsa', 'rsa:2048'),
    ec: of('alice-ec', 'P-256'),
    bob: of('bob', 'P-256', 'bob@example.org'),
  };
});
afterAll(() => authority?.close());

function sign(by: Issued, ...more: readonly string[]): string {
  const files = ['-signer', by.certificateFile, '-inkey', by.keyFile, '-certfile', ca.certificateFile];
  return authority
    .run(
      ['cms', '-sign', '-md', 'sha256', '-crlfeol', ...files, ...more],
      'Content-Type: text/plain\r\n\r\nMy key.\r\n',
    )
    .toString('latin1');
}

function read(message: string) {
  return readSignedLetter(splitMessage(Buffer.from(message, 'latin1')), 'Alice@example.org');
}

describe('a letter that is signed with S/MIME', () => {
  it.each([
    ['rsa', 'beside', []],
    ['ec', 'beside', []],
    ['ec', 'inside', ['-nodetach']],
    ['rsa', 'beside, with PSS', ['-keyopt', 'rsa_padding_mode:pss']],
  ] as const)(
    'brings the certificate of its signer and those above it: %s, what is signed stands %s',
    async (by, _where, more) => {
      const found = await read(sign(signers[by], ...more));
      expect(found.kind).toBe('certificate');
      const upload = readX509Upload(found.kind === 'certificate' ? found.upload : Buffer.alloc(0));
      const certificates = upload.ok ? upload.certificates : [];
      expect(certificates.map((der) => new X509Certificate(der).fingerprint256)).toEqual(
        [signers[by].der, ca.der].map((der) => new X509Certificate(der).fingerprint256),
      );
    },
  );

  it.each<[string, (signed: string) => string]>([
    ['what is signed was altered', (signed) => signed.replace('My key.', 'No key.')],
    ['its header was altered', (signed) => signed.replace('text/plain', 'text/html')],
    [
      'the signature was altered',
      (signed) =>
        signed.replace(/[A-Za-z0-9+/]{64}(?=\r?\n[A-Za-z0-9+/=]*(?:\r?\n)+------\w+--)/, 'A'.repeat(64)),
    ],
    ['the signature is none', (signed) => signed.replace(/MII[A-Za-z0-9+/=\r\n]+/, 'MIIx\r\n')],
    ['something was put behind it', (signed) => signed.replace(/(------\w+)--/, '$1\r\n\r\nfooter\r\n$1--')],
    ['it was cut off', (signed) => signed.slice(0, signed.lastIndexOf('------'))],
  ])('proves nothing where %s', async (_what, alter) => {
    const signed = sign(signers.ec);
    const altered = alter(signed);
    expect(altered).not.toBe(signed);
    expect(await read(altered)).toEqual({ kind: 'not proven' });
  });

  it('proves nothing by the certificate of somebody else', async () => {
    expect(await read(sign(signers.bob))).toEqual({ kind: 'not proven' });
  });

  it('proves nothing by a broken hash', async () => {
    expect(await read(sign(signers.rsa, '-md', 'sha1'))).toEqual({ kind: 'not proven' });
  });

  it('is not signed where it is signed with OpenPGP, or is encrypted', async () => {
    const types = [
      'multipart/signed; protocol="application/pgp-signature"; boundary=b',
      'application/pkcs7-mime; smime-type=enveloped-data',
      'text/plain',
    ];
    for (const type of types)
      expect(await read(`Content-Type: ${type}\r\n\r\nx\r\n`)).toEqual({ kind: 'not signed' });
  });
});
