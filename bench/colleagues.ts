// The other users of the benchmark's mail server: each with a key, in sealpost's directory and in the keyring of the Python
// peers alike. A keyring of one key is no mail server's.
import { generateKey } from 'openpgp';
import { loadConfig } from '../src/config/load.ts';
import { openDatabase } from '../src/database/open.ts';
import { addUser } from '../src/directory/users.ts';
import { importKeys } from '../src/keys/store.ts';
import type { GpgHome } from '../test/e2e/support/keys.ts';

/**
 * Adds users with Curve25519 keys. The domain must be known, and `serve` need not run.
 * @throws Error when gpg or sealpost did not take all of them
 */
export async function addColleagues(
  count: number,
  domain: string,
  configPath: string,
  home: GpgHome,
): Promise<void> {
  const addresses = Array.from({ length: count }, (_, index) => `colleague${index + 1}@${domain}`);
  const certificates: string[] = [];
  for (const email of addresses) {
    const { publicKey } = await generateKey({ userIDs: [{ name: 'Colleague', email }], format: 'armored' });
    certificates.push(publicKey);
  }
  const upload = certificates.join('\n');
  const imported = await home.run(['--import'], upload);
  if (imported.code !== 0) throw new Error(`gpg --import: exit ${imported.code}: ${imported.stderr}`);

  const { config } = loadConfig({ path: configPath });
  const database = await openDatabase(config, { actor: 'bench' });
  try {
    for (const address of addresses) await addUser(database, address, null);
    const results = await importKeys(database, Buffer.from(upload), {
      policy: { allowSha1: false },
      delimiters: config.recipient_delimiter,
      source: 'cli',
      actor: 'bench',
      now: Date.now(),
    });
    const added = results.filter(({ result }) => result === 'added').length;
    if (added !== count) throw new Error(`${count} keys were given, ${added} were added`);
  } finally {
    await database.close();
  }
}
