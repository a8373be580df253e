// Sealed copies waiting for their turn. A large message to many recipients makes many large ciphertexts: beyond a limit
// they wait in files instead of memory. Only ciphertext is ever written.
import { mkdir, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageSize } from '../smtp/dot-stuff.ts';

/** One built copy; `bytes` may be asked for more than once, `discard` ends it. */
export interface BuiltCopy {
  /** The copy in parts. */
  bytes(): Promise<readonly Uint8Array[]>;
  /** @param over nobody reads the bytes any more; false where that is not known, and their memory is left alone */
  discard(over: boolean): Promise<void>;
}

/** Copies of one transaction. */
export interface Outgoing {
  /** Takes a ciphertext; it stays in memory until the transaction's copies pass the limit. */
  keep(ciphertext: readonly Uint8Array[]): Promise<BuiltCopy>;
}

/** A copy that stays in memory: what passes shares the transaction's own bytes. */
export function inMemory(message: Uint8Array): BuiltCopy {
  return { bytes: async () => [message], discard: async () => undefined };
}

/** Where they wait. @param stateDir state_dir, absolute */
export function outgoingDirectoryIn(stateDir: string): string {
  return join(stateDir, 'outgoing');
}

/**
 * Makes the room for one transaction's copies.
 * @param directory below state_dir; made with mode 0700 when it is first needed
 * @param memoryLimit bytes of ciphertext that may stay in memory
 * @param giveBack gets ciphertext whose memory may be used again
 */
export function createOutgoing(
  directory: string,
  name: string,
  memoryLimit: number,
  giveBack: (ciphertext: Uint8Array) => void,
): Outgoing {
  let inMemoryBytes = 0;
  let files = 0;
  return {
    async keep(ciphertext) {
      const size = messageSize(ciphertext);
      if (inMemoryBytes + size <= memoryLimit) {
        inMemoryBytes += size;
        return {
          bytes: async () => ciphertext,
          discard: async (over) => {
            inMemoryBytes -= size;
            if (over) for (const part of ciphertext) giveBack(part);
          },
        };
      }
      await mkdir(directory, { recursive: true, mode: 0o700 });
      files += 1;
      const path = join(directory, `${process.pid}-${name}-${files}`);
      const file = await open(path, 'wx', 0o600);
      try {
        await writeFile(file, ciphertext);
      } catch (error) {
        await rm(path, { force: true });
        throw error;
      } finally {
        await file.close();
      }
      for (const part of ciphertext) giveBack(part);
      return {
        bytes: async () => [await readFile(path)],
        discard: () => rm(path, { force: true }),
      };
    },
  };
}

/** Removes copies that a killed process left behind. They are of no use: Postfix still has the messages. */
export async function removeLeftovers(directory: string, olderThanMs: number): Promise<void> {
  const names = await readdir(directory).catch(() => []);
  for (const name of names) {
    const path = join(directory, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > olderThanMs) await rm(path, { force: true });
  }
}
