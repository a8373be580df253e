// A key as a command is given it: a file, or standard input.
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { Refused } from '../host/exit-codes.ts';
import { MAX_UPLOAD } from '../keys/refusals.ts';

/** Enough to tell the size of what is too large, never all of an endless input. */
const READ_AT_MOST = 16 * MAX_UPLOAD;

/** @param file `-` is standard input. @throws Refused where it cannot be read */
export async function readUpload(file: string): Promise<Buffer> {
  const input: Readable = file === '-' ? process.stdin : createReadStream(file);
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of input as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > READ_AT_MOST) break;
    }
  } catch (error) {
    throw new Refused(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
  return Buffer.concat(chunks);
}
