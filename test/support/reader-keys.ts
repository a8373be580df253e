// The keys of somebody who reads sealed mail: an OpenPGP key and a certificate, in the forms that mail programs import, and a GnuPG
// home that holds both, without a question to anybody.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RecipientKey } from '../../src/openpgp/types.ts';
import { type Gpg, openGpg } from '../unit/keys/gpg.ts';
import { recipientOf } from '../unit/smime/openssl-cms.ts';
import { CA_EXTENSIONS, openAuthority } from './authority.ts';
import { mustRun } from './child.ts';
import { makeKey } from './make-keys.ts';
import { need } from './needs.ts';

need('gpgsm');

export interface ReaderKeys {
  readonly openpgp: RecipientKey;
  readonly certificate: RecipientKey;
  /** Without a passphrase. */
  readonly armoredSecret: string;
  /** A PKCS #12 file with the certificate, its key and its authority. */
  readonly pkcs12: string;
  readonly pkcs12Password: string;
  /** For programs that stand on GnuPG. */
  readonly gpg: Gpg;
  close(): void;
}

const PASSWORD = 'open sesame';

/** Answers the agent's questions: it protects what it imports by a passphrase. */
const PINENTRY = `#!/bin/sh
echo OK
while read -r command rest; do
  case $command in
  GETPIN) printf 'D ${PASSWORD}\\nOK\\n' ;;
  BYE) echo OK; exit ;;
  *) echo OK ;;
  esac
done
`;

export async function makeReaderKeys(): Promise<ReaderKeys> {
  const { secret, recipient } = await makeKey('rsa3072');
  const gpg = openGpg();
  const authority = openAuthority();
  const ca = authority.issue('ca', { key: 'rsa:2048', extensions: CA_EXTENSIONS });
  const alice = authority.issue('alice', {
    key: 'rsa:2048',
    issuer: ca,
    extensions: [
      'subjectAltName=email:alice@example.org',
      'keyUsage=critical,digitalSignature,keyEncipherment',
      'extendedKeyUsage=emailProtection',
      'subjectKeyIdentifier=hash',
    ],
  });
  const pkcs12 = join(authority.folder, 'alice.p12');
  // The older ciphers: gpgsm 2.2 reads no others.
  authority.run([
    ...['pkcs12', '-export', '-legacy', '-in', alice.certificateFile, '-inkey', alice.keyFile],
    ...['-certfile', ca.certificateFile, '-name', 'alice', '-out', pkcs12, '-passout', `pass:${PASSWORD}`],
  ]);
  const pinentry = join(gpg.home, 'pinentry');
  writeFileSync(pinentry, PINENTRY, { mode: 0o755 });
  writeFileSync(join(gpg.home, 'gpg-agent.conf'), `pinentry-program ${pinentry}\ns2k-count 65536\n`);
  writeFileSync(join(gpg.home, 'gpgsm.conf'), 'disable-dirmngr\ndisable-crl-checks\n');
  const env = { GNUPGHOME: gpg.home, LC_ALL: 'C' };
  await mustRun('gpgsm', ['--import', pkcs12], { env });
  gpg.run(['--import'], secret.armor());
  return {
    openpgp: recipient,
    certificate: recipientOf(alice),
    armoredSecret: secret.armor(),
    pkcs12,
    pkcs12Password: PASSWORD,
    gpg,
    close() {
      gpg.close();
      authority.close();
    },
  };
}
