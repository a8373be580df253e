// fsync(2) of a folder: the names in it are on disk afterwards.
import { open } from 'node:fs/promises';

export async function syncFolder(path: string | Buffer): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
