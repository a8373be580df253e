// Test keys made by gpg in a GNUPGHOME of its own, and decryption by three programs: gpg, sq and OpenPGP.js.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decrypt, readMessage, readPrivateKeys } from 'openpgp';
import { type Finished, mustRun, runProgram } from './child.ts';
import { need } from './needs.ts';

need('gnupg');

export interface GpgHome {
  readonly dir: string;
  /** Runs gpg in batch mode in this home. */
  run(args: readonly string[], stdin?: Uint8Array | string): Promise<Finished>;
  /** Stops the agent and removes the home. */
  close(): Promise<void>;
}

export interface TestKey {
  readonly address: string;
  /** 40 upper-case hexadecimal digits. */
  readonly fingerprint: string;
  readonly publicKey: string;
  readonly secretKey: string;
}

/** An empty GNUPGHOME with a short path, since gpg-agent's socket lies in it. */
export async function createGpgHome(): Promise<GpgHome> {
  const dir = await mkdtemp(join(tmpdir(), 'gh-'));
  const common = [
    '--homedir',
    dir,
    '--batch',
    '--no-tty',
    '--yes',
    '--pinentry-mode',
    'loopback',
    '--passphrase',
    '',
  ];
  return {
    dir,
    run: (args, stdin) => runProgram('gpg', [...common, ...args], stdin === undefined ? {} : { stdin }),
    close: async () => {
      await runProgram('gpgconf', ['--homedir', dir, '--kill', 'all']);
      await rm(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/**
 * Makes a key for one address, without passphrase.
 * @param algorithm as gpg's --quick-generate-key takes it: `future-default` (Ed25519 and Curve25519), `rsa3072`, ...
 */
export async function makeKey(
  home: GpgHome,
  address: string,
  algorithm = 'future-default',
): Promise<TestKey> {
  const userId = `${address.split('@')[0]} <${address}>`;
  const made = await home.run([
    '--status-fd',
    '1',
    '--quick-generate-key',
    userId,
    algorithm,
    'default',
    'never',
  ]);
  const fingerprint = /KEY_CREATED \S+ ([0-9A-F]{40})/.exec(made.stdout.toString('latin1'))?.[1];
  if (made.code !== 0 || fingerprint === undefined)
    throw new Error(`gpg made no key for ${address}: ${made.stderr}`);
  const text = async (command: string) =>
    (await home.run(['--armor', command, fingerprint])).stdout.toString('latin1');
  return {
    address,
    fingerprint,
    publicKey: await text('--export'),
    secretKey: await text('--export-secret-keys'),
  };
}

/** Turns an armored message into its plaintext, or throws with what the program said. */
export type Decrypt = (armored: Buffer) => Promise<Buffer>;

/** Decrypts with gpg and whatever secret keys the home holds. */
export function gpgDecrypt(home: GpgHome): Decrypt {
  return async (armored) => {
    const done = await home.run(['--decrypt'], armored);
    if (done.code !== 0) throw new Error(`gpg --decrypt: exit ${done.code}: ${done.stderr}`);
    return done.stdout;
  };
}

/** Decrypts with Sequoia's sq and one secret key. */
export function sqDecrypt(key: TestKey): Decrypt {
  return async (armored) => {
    const dir = await mkdtemp(join(tmpdir(), 'sq-'));
    try {
      const file = join(dir, 'key.asc');
      await writeFile(file, key.secretKey, { mode: 0o600 });
      return (await mustRun('sq', ['decrypt', await sqRecipientOption(), file], { stdin: armored })).stdout;
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  };
}

let recipientOption: string | undefined;

/** sq 0.27 (Debian 12) says --recipient-key, later ones say --recipient-file. */
async function sqRecipientOption(): Promise<string> {
  recipientOption ??= (await mustRun('sq', ['decrypt', '--help'])).stdout.includes('--recipient-key')
    ? '--recipient-key'
    : '--recipient-file';
  return recipientOption;
}

/** Decrypts with OpenPGP.js and one secret key. */
export function openpgpDecrypt(key: TestKey): Decrypt {
  const decryptionKeys = readPrivateKeys({ armoredKeys: key.secretKey });
  return async (armored) => {
    const message = await readMessage({ armoredMessage: armored.toString('latin1') });
    const { data } = await decrypt({ message, decryptionKeys: await decryptionKeys, format: 'binary' });
    return Buffer.from(data as Uint8Array);
  };
}
