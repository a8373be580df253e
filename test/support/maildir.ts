// Folders of mail as programs share them (maildir(5)).
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

/** Makes a Maildir, with the folders above it. @returns its path */
export function makeMaildir(path: string): string {
  for (const folder of ['new', 'cur', 'tmp']) mkdirSync(join(path, folder), { recursive: true });
  return path;
}
