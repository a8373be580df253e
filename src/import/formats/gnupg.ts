// A GnuPG home: its public keys, as gpg itself exports them. Nothing in the home is changed.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { outputOf } from './output.ts';
import { certificatesIn, type KeyringCertificate } from './packets.ts';
import { SourceRefused } from './rows.ts';

/** What a home has its public keys in: GnuPG 2.1 and later, 1.4 and 2.0, the keyboxd of 2.4. */
const KEYRINGS = ['pubring.kbx', 'pubring.gpg', join('public-keys.d', 'pubring.db')];

/**
 * Every certificate of a home.
 * @param home its folder, which must not be written to
 * @throws SourceRefused where it is no home, or gpg is missing or fails
 */
export async function* exportHome(home: string): AsyncGenerator<KeyringCertificate> {
  if (!KEYRINGS.some((name) => existsSync(join(home, name))))
    throw new SourceRefused(`${home} is no GnuPG home: there is none of ${KEYRINGS.join(', ')}`);
  const args = ['--homedir', home, ...COMMON, '--export'];
  yield* certificatesIn(
    outputOf('gpg', args, { debian: 'gnupg', isFine: (words) => words.includes('nothing exported') }),
  );
}

const COMMON = ['--batch', '--no-tty', '--no-auto-check-trustdb', '--no-permission-warning', '--lock-never'];
