// Files of a source: opened with an error that says what is expected.
import { createReadStream } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { dirname, isAbsolute, resolve } from 'node:path';
import { MAX_UPLOAD } from '../../keys/refusals.ts';
import { SourceRefused } from './rows.ts';

/** A path as it is written in a file: relative to that file's folder. */
export function besideFile(file: string, path: string): string {
  return isAbsolute(path) ? path : resolve(dirname(file), path);
}

function sentence(path: string, error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return `${path} is not there`;
  if (code === 'EACCES') return `${path} cannot be read: permission denied`;
  return `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
}

/** @throws SourceRefused when it is not there or cannot be read */
export async function* readBytes(path: string): AsyncGenerator<Buffer> {
  try {
    for await (const piece of createReadStream(path)) yield piece as Buffer;
  } catch (error) {
    if (error instanceof Error && 'code' in error && 'syscall' in error)
      throw new SourceRefused(sentence(path, error));
    throw error;
  }
}

/** The largest configuration file of another program. Bytes. */
const LARGEST_TEXT = 4 * 1024 * 1024;

/** A configuration file. @throws SourceRefused */
export async function readText(path: string): Promise<string> {
  try {
    if ((await stat(path)).size > LARGEST_TEXT)
      throw new SourceRefused(`${path} is too large for a configuration file`);
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof SourceRefused) throw error;
    throw new SourceRefused(sentence(path, error));
  }
}

/** An upload: of what is larger than any only so much is read that it is refused. A sentence: why it cannot be read. */
export async function readUpload(path: string): Promise<Buffer | string> {
  try {
    const file = await open(path, 'r');
    try {
      const bytes = Buffer.alloc(MAX_UPLOAD + 1);
      let length = 0;
      for (;;) {
        const { bytesRead } = await file.read(bytes, length, bytes.length - length, null);
        length += bytesRead;
        if (bytesRead === 0 || length === bytes.length) return Buffer.from(bytes.subarray(0, length));
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    return sentence(path, error);
  }
}
