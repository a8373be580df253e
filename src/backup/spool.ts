// The spool in a backup: mail that Postfix has handed over and that nobody has filed yet, in plaintext, with what was set aside.
import { constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { escapeName, unescapeName } from './format.ts';
import type { ArchiveWriter } from './write-archive.ts';

/** The folders of a spool that hold mail. */
const FOLDERS = ['new', 'failed'] as const;

/** A file of a spool, by its place in the archive. */
export interface SpoolPlace {
  /** Which of receiver.spool, from 0. */
  readonly spool: number;
  readonly folder: (typeof FOLDERS)[number];
  /** One character per byte. */
  readonly name: string;
}

/** The place that an entry names; null where it is no file of a spool. Pure. */
export function spoolPlaceOf(entry: string): SpoolPlace | null {
  const [, spool, folder, escaped = ''] = /^spool\/(\d{1,4})\/(new|failed)\/([^/]+)$/.exec(entry) ?? [];
  const name = unescapeName(escaped);
  if (name === null) return null;
  return { spool: Number(spool), folder: folder === 'new' ? 'new' : 'failed', name };
}

/**
 * Adds every file of every spool. One that is filed meanwhile is left out: the snapshot of the database, which is taken
 * afterwards, has it.
 * @returns how many were added
 */
export async function addSpools(archive: ArchiveWriter, spools: readonly string[]): Promise<number> {
  let added = 0;
  for (const [index, spool] of spools.entries())
    for (const folder of FOLDERS) {
      const path = Buffer.from(`${spool}/${folder}/`);
      for (const name of await namesIn(path)) {
        const entry = `spool/${index}/${folder}/${escapeName(name)}`;
        if (await addFile(archive, entry, Buffer.concat([path, Buffer.from(name, 'latin1')]))) added += 1;
      }
    }
  return added;
}

async function namesIn(path: Buffer): Promise<readonly string[]> {
  const names = await readdir(path, { encoding: 'latin1' }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names.filter((name) => !name.startsWith('.')).sort();
}

/** @returns false where it is gone, or no regular file */
async function addFile(archive: ArchiveWriter, entry: string, path: Buffer): Promise<boolean> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ELOOP') return null;
    throw error;
  });
  if (file === null) return false;
  try {
    const stats = await file.stat();
    if (!stats.isFile()) return false;
    const source = file.createReadStream({ autoClose: false, start: 0 });
    await archive.addSized(entry, stats.size, stats.mtime, source);
    return true;
  } finally {
    await file.close();
  }
}
