// Decryption with a secret key in a file, by OpenPGP.js: for machines without GnuPG. It knows no keys of senders.
import { readFile } from 'node:fs/promises';
import { config, decrypt, decryptKey, type PrivateKey, readMessage, readPrivateKeys } from 'openpgp';
import { createCollector, type Decryptor, KeyNotUsable, type Opened } from './decryptor.ts';

const ARMOR = '-----BEGIN PGP';
/** A recipient whose key ID was left out. */
const HIDDEN = '0'.repeat(16);

/**
 * Reads the secret keys of a file, armored or binary, and unlocks them.
 * @param passphraseFile its first line is the passphrase
 * @throws KeyNotUsable with what is wrong with which file
 */
export async function createKeyFile(path: string, passphraseFile: string | undefined): Promise<Decryptor> {
  const bytes = await readFile(path).catch((error: Error) => {
    throw new KeyNotUsable(`--key-file: ${path} cannot be read: ${error.message}`);
  });
  const passphrase = passphraseFile === undefined ? null : await firstLine(passphraseFile);
  let keys: PrivateKey[];
  try {
    keys = bytes.includes(ARMOR)
      ? await readPrivateKeys({ armoredKeys: bytes.toString('latin1') })
      : await readPrivateKeys({ binaryKeys: bytes });
  } catch {
    throw new KeyNotUsable(
      `--key-file: ${path} holds no OpenPGP secret key; expected what "gpg --export-secret-keys ADDRESS" writes`,
    );
  }
  const decryptionKeys = await Promise.all(keys.map((key) => unlock(key, passphrase, path)));

  return {
    async open(message, sizeHint, most) {
      const sealed = createCollector(sizeHint, Number.MAX_SAFE_INTEGER);
      for await (const piece of message) sealed.add(piece);
      const packets = sealed.bytes();
      const settings = {
        ...config,
        // An old key may have an algorithm that is weak today; its owner reads old mail with it all the same.
        rejectPublicKeyAlgorithms: new Set<never>(),
        minRSABits: 1024,
        // A few kilobytes of a stranger's mail may hold gigabytes.
        maxDecompressedMessageSize: most,
      };
      try {
        const read = packets.subarray(0, 64).includes(ARMOR)
          ? await readMessage({ armoredMessage: packets.toString('latin1'), config: settings })
          : await readMessage({ binaryMessage: packets, config: settings });
        const recipients = read.getEncryptionKeyIDs();
        const { data } = await decrypt({
          message: read,
          decryptionKeys,
          format: 'binary',
          config: settings,
        }).catch((error: Error) => {
          const ours = recipients.some(
            (id) => id.toHex() === HIDDEN || decryptionKeys.some((key) => key.getKeys(id).length > 0),
          );
          throw ours ? error : new NoKey();
        });
        const plaintext = data as Uint8Array;
        if (plaintext.length > most) return { ok: false, reason: 'too large' };
        return {
          ok: true,
          plaintext: Buffer.from(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength),
          signatures: read.getSigningKeyIDs().map((id) => ({
            state: 'missing',
            fingerprint: null,
            keyId: id.toHex().toUpperCase(),
            trust: null,
          })),
        };
      } catch (error) {
        return { ok: false, reason: reasonOf(error) };
      }
    },
    verify: async () => null,
    verifyCleartext: async () => null,
    addressesOf: async () => [],
  };
}

class NoKey extends Error {}

/** What OpenPGP.js 6 says of what grows beyond maxDecompressedMessageSize, with and without BZip2. */
const DECOMPRESSED_TOO_LARGE = /Maximum decompressed (?:message )?size exceeded/;

function reasonOf(error: unknown): Extract<Opened, { ok: false }>['reason'] {
  if (error instanceof NoKey) return 'no secret key';
  return error instanceof Error && DECOMPRESSED_TOO_LARGE.test(error.message) ? 'too large' : 'damaged';
}

async function unlock(key: PrivateKey, passphrase: string | null, path: string): Promise<PrivateKey> {
  if (key.isDecrypted()) return key;
  if (passphrase === null)
    throw new KeyNotUsable(`--key-file: the key in ${path} has a passphrase; give --passphrase-file`);
  try {
    return await decryptKey({ privateKey: key, passphrase });
  } catch {
    throw new KeyNotUsable(
      '--passphrase-file: its first line is not the passphrase of the key in --key-file',
    );
  }
}

async function firstLine(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw new KeyNotUsable(`--passphrase-file: ${path} cannot be read: ${error.message}`);
  });
  return text.split(/\r?\n/, 1)[0] ?? '';
}
