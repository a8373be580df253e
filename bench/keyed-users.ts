// The users of the benchmark's mail server: each with a key, in sealpost's directory and in the keyring of the Python peers
// alike. A keyring of one key is no mail server's.
import { generateKey } from 'openpgp';
import { loadConfig } from '../src/config/load.ts';
import { openDatabase } from '../src/database/open.ts';
import { addUser } from '../src/directory/users.ts';
import { importKeys } from '../src/keys/store.ts';
import type { GpgHome } from '../test/support/keys.ts';

export interface KeyedUsers {
  readonly addresses: readonly string[];
  readonly configPath: string;
  /** Gets the public keys. */
  readonly keyring: GpgHome;
  /** Gets the secret keys, too, where a message to these users must be opened. */
  readonly secrets?: GpgHome;
}

/** Makes Curve25519 keys for addresses. */
async function makeKeys(addresses: readonly string[]): Promise<{ publicKeys: string; secretKeys: string }> {
  const publicKeys: string[] = [];
  const secretKeys: string[] = [];
  for (const email of addresses) {
    const made = await generateKey({ userIDs: [{ name: 'Colleague', email }], format: 'armored' });
    publicKeys.push(made.publicKey);
    secretKeys.push(made.privateKey);
  }
  return { publicKeys: publicKeys.join('\n'), secretKeys: secretKeys.join('\n') };
}

/**
 * Adds users with Curve25519 keys. Their domain must be known, and `serve` need not run.
 * @throws Error when gpg or sealpost did not take all of them
 */
export async function addKeyedUsers({ addresses, configPath, keyring, secrets }: KeyedUsers): Promise<void> {
  const { publicKeys, secretKeys } = await makeKeys(addresses);
  await gpgImport(keyring, publicKeys);
  if (secrets !== undefined) await gpgImport(secrets, secretKeys);
  await addUsers(configPath, addresses, publicKeys);
}

/** Adds users, and the keys that bear their addresses (armored, one block after the other; empty: none). */
export async function addUsers(
  configPath: string,
  addresses: readonly string[],
  publicKeys: string,
): Promise<void> {
  const { config } = loadConfig({ path: configPath });
  const database = await openDatabase(config, { actor: 'bench' });
  try {
    for (const address of addresses) await addUser(database, address, null, config.recipient_delimiter);
    if (publicKeys === '') return;
    const results = await importKeys(database, Buffer.from(publicKeys), {
      policy: { allowSha1: false },
      delimiters: config.recipient_delimiter,
      source: 'cli',
      actor: 'bench',
      now: Date.now(),
    });
    const added = results.filter(({ result }) => result === 'added').length;
    if (added !== addresses.length)
      throw new Error(`${addresses.length} keys were given, ${added} were added`);
  } finally {
    await database.close();
  }
}

/** @throws Error when gpg did not take it */
export async function gpgImport(home: GpgHome, armored: string): Promise<void> {
  const imported = await home.run(['--import'], armored);
  if (imported.code !== 0) throw new Error(`gpg --import: exit ${imported.code}: ${imported.stderr}`);
}
