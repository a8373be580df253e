// Puts a file in the place of another one: whoever reads it sees the old bytes or the new ones, also after a crash.
import { constants } from 'node:fs';
import { open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { syncFolder } from './sync-folder.ts';

/** Where the new bytes lie until they take the place of the old ones. */
function draftOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.sealpost-new`);
}

/**
 * Writes new bytes beside a file, with its owner and mode, and on the disk. A symbolic link is followed first.
 * @param mode of a file that is not there yet
 * @throws Error of the system
 */
export async function draftFile(path: string, bytes: Buffer, mode = 0o600): Promise<void> {
  const real = await realPath(path);
  const there = await stat(real).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return null;
  });
  const draft = draftOf(real);
  // What an earlier run left there.
  await rm(draft, { force: true });
  const file = await open(draft, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    await file.writeFile(bytes);
    if (there !== null && process.getuid?.() === 0) await file.chown(there.uid, there.gid);
    await file.chmod((there?.mode ?? mode) & 0o7777);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Gives the bytes that {@link draftFile} has written the file's name. */
export async function putDraft(path: string): Promise<void> {
  const real = await realPath(path);
  await rename(draftOf(real), real);
  await syncFolder(dirname(real));
}

/** Removes what {@link draftFile} has written; nothing where there is none. */
export async function dropDraft(path: string): Promise<void> {
  await rm(draftOf(await realPath(path)), { force: true });
}

/** Both at once. */
export async function replaceFile(path: string, bytes: Buffer, mode = 0o600): Promise<void> {
  try {
    await draftFile(path, bytes, mode);
    await putDraft(path);
  } catch (error) {
    await dropDraft(path);
    throw error;
  }
}

function realPath(path: string): Promise<string> {
  return realpath(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return path;
  });
}
