// Seals a backup to certificates while it is written: OpenPGP as GnuPG and Sequoia read it, in pieces, whatever its size.
import { readFile } from 'node:fs/promises';
import { ReadableStream } from 'node:stream/web';
import { createMessage, encrypt, enums, type PublicKey } from 'openpgp';
import { Refused } from '../host/exit-codes.ts';
import { readCertificates } from '../keys/read.ts';

/**
 * Reads whom a backup is sealed to.
 * @param path a file with one or several OpenPGP certificates
 * @throws Refused where there is none, or one that cannot be encrypted to
 */
export async function readRecipients(path: string): Promise<readonly PublicKey[]> {
  const upload = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new Refused(`--to ${path} cannot be read: ${error.message}`);
  });
  const keys: PublicKey[] = [];
  for (const found of await readCertificates(upload)) {
    if (!found.ok) throw new Refused(`--to ${path}: ${found.refusal.sentence}`);
    await found.key.getEncryptionKey().catch((error: unknown) => {
      const because = error instanceof Error ? error.message : String(error);
      throw new Refused(
        `--to ${path}: nothing can be encrypted to ${found.key.getFingerprint()}: ${because}`,
      );
    });
    keys.push(found.key);
  }
  return keys;
}

/** The bytes as one OpenPGP message. Rejects when a key cannot be used: none is left out. */
export async function sealedTo(
  keys: readonly PublicKey[],
  bytes: AsyncIterable<Uint8Array>,
): Promise<AsyncIterable<Uint8Array>> {
  const source = bytes[Symbol.asyncIterator]();
  const binary = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await source.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await source.return?.();
    },
  });
  const message = await createMessage({ binary, filename: 'sealpost-backup.tar' });
  return (await encrypt({
    message,
    encryptionKeys: [...keys],
    format: 'binary',
    config: {
      preferredSymmetricAlgorithm: enums.symmetric.aes256,
      preferredCompressionAlgorithm: enums.compression.uncompressed,
    },
  })) as unknown as AsyncIterable<Uint8Array>;
}
