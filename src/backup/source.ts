// Where a backup is read from: a file, or standard input, through which a sealed one comes from whoever can open it.
import { createReadStream } from 'node:fs';
import { Refused } from '../host/exit-codes.ts';
import { STANDARD } from './destination.ts';

/**
 * The bytes of a backup.
 * @throws Refused where it cannot be opened, or is sealed: only the owner of the secret key can open it
 */
export async function* readFrom(file: string): AsyncGenerator<Uint8Array> {
  const source: AsyncIterable<Buffer> = file === STANDARD ? process.stdin : createReadStream(file);
  let first = true;
  try {
    for await (const bytes of source) {
      if (first && isSealed(bytes))
        throw new Refused(
          `${nameOf(file)} is sealed; open it where the secret key is: gpg --decrypt ${file === STANDARD ? 'FILE' : file} | sealpost verify -`,
        );
      first = false;
      yield bytes;
    }
  } catch (error) {
    if ((error as { syscall?: unknown }).syscall === undefined) throw error;
    throw new Refused(`${nameOf(file)} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

export function nameOf(file: string): string {
  return file === STANDARD ? 'standard input' : file;
}

/** Whether bytes begin as an OpenPGP message does: no name in a tar archive begins with such a byte. */
function isSealed(bytes: Uint8Array): boolean {
  return (
    ((bytes[0] ?? 0) & 0x80) !== 0 ||
    Buffer.from(bytes.subarray(0, 27)).toString('latin1') === '-----BEGIN PGP MESSAGE-----'
  );
}
