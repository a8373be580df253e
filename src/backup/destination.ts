// Where a backup goes: to a file that has its name only when it is whole and on the disk, or to standard output.
import { createWriteStream } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Refused } from '../host/exit-codes.ts';
import { ignoreMissing } from '../host/ignore-missing.ts';
import { replaceFile } from '../host/replace-file.ts';
import { syncFolder } from '../host/sync-folder.ts';

/** What stands for standard output, and for standard input. */
export const STANDARD = '-';

/**
 * Writes the bytes.
 * @param file a path, or `-`
 * @throws what the file system and `bytes` throw; nothing has the name then that did not have it before
 */
export async function writeTo(file: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
  if (file === STANDARD) return pipeline(bytes, process.stdout, { end: false });
  const path = resolve(file);
  const there = await lstat(path).catch(ignoreMissing);
  if (there !== undefined && !there.isFile())
    throw new Refused(`${path} is there and is no regular file; name another one`);
  await removeLeftovers(path);
  const draft = join(dirname(path), `${draftPrefix(path)}${process.pid}`);
  const handle = await open(draft, 'wx', 0o600);
  try {
    await pipeline(bytes, createWriteStream('', { fd: handle.fd, autoClose: false }));
    await handle.sync();
    await handle.close();
    await rename(draft, path);
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(draft, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncFolder(dirname(path));
}

function draftPrefix(path: string): string {
  return `.${basename(path)}.part-`;
}

/** Removes what a run left there that did not live to remove it. */
async function removeLeftovers(path: string): Promise<void> {
  const prefix = draftPrefix(path);
  for (const name of await readdir(dirname(path))) {
    const pid = name.startsWith(prefix) ? Number(name.slice(prefix.length)) : Number.NaN;
    if (Number.isInteger(pid) && !isAlive(pid)) await rm(join(dirname(path), name), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM';
  }
}

/** Notes that there is a backup: `sealpost doctor` looks how old this file is. */
export async function noteBackup(stateDir: string, file: string): Promise<void> {
  await mkdir(stateDir, { recursive: true });
  await replaceFile(join(stateDir, 'last-backup'), Buffer.from(`${resolve(file)}\n`), 0o644);
}
