// The files of a spool: a Maildir of which only new/ is read, and failed/ beside it for what nobody can file. Names are one
// character per byte, since a file name may hold any.
import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readdir, rename, unlink } from 'node:fs/promises';
import { ignoreMissing } from '../../src/host/ignore-missing.ts';
import { syncFolder } from '../../src/host/sync-folder.ts';
import type { Lease } from '../../src/smtp/server/budget.ts';

/** What a file turned out to be when it was opened. */
export type SpoolFile =
  | {
      readonly kind: 'message';
      /** The message; of one that is left in its file the first {@link HEAD_BYTES}. */
      readonly head: Buffer;
      readonly size: number;
      /** The open file of a message that was too large to be read whole, for the caller to close. */
      readonly file: FileHandle | null;
      readonly arrived: Date;
    }
  /** Filed by another receiver, or removed. */
  | { readonly kind: 'gone' }
  /** Will not be a message by waiting: for failed/. `because` is one line without names. */
  | { readonly kind: 'broken'; readonly because: string; readonly arrived: Date }
  /** The system could not read it now, or somebody still writes to it. */
  | { readonly kind: 'read error'; readonly arrived: Date }
  /** There is no memory for it now. */
  | { readonly kind: 'no room' };

/** More than any header: what is looked at of a message that is left in its file. */
const HEAD_BYTES = 2 ** 20;

/** The path of a file below a spool. */
export function pathIn(spool: string, folder: 'new' | 'failed', name = ''): Buffer {
  return Buffer.concat([Buffer.from(`${spool}/${folder}/`), Buffer.from(name, 'latin1')]);
}

/** Errors of open(2) that another attempt will not mend. */
const LASTING: Readonly<Record<string, string>> = {
  EACCES: 'the file is unreadable: permission denied',
  EPERM: 'the file is unreadable: operation not permitted',
  ELOOP: 'a symbolic link, which is never followed',
  ENXIO: 'not a regular file',
  ENODEV: 'not a regular file',
};

/**
 * The names in new/, oldest first: Maildir names begin with their second. Names that begin with a dot are no messages
 * (maildir(5)), and an NFS server's leftovers begin with one.
 * @throws what readdir(3) fails with
 */
export async function listNew(spool: string): Promise<readonly string[]> {
  const names = await readdir(pathIn(spool, 'new'), { encoding: 'latin1' });
  return names.filter((name) => !name.startsWith('.')).sort(bySecond);
}

function bySecond(a: string, b: string): number {
  return Number.parseInt(a, 10) - Number.parseInt(b, 10) || (a < b ? -1 : 1);
}

/**
 * Reads one file as it is, without following a link. Nothing but a complete regular file becomes a message.
 * @param admit asks for the memory of so many bytes; null makes the file wait. The caller releases the lease
 * @param most bytes that a message may have
 * @param wholeUpTo bytes up to which a message is read whole; a larger one is left in its file
 */
export async function readSpoolFile(
  spool: string,
  name: string,
  most: number,
  admit: (bytes: number) => Lease | null,
  wholeUpTo: number,
): Promise<SpoolFile & { readonly lease?: Lease }> {
  let file: FileHandle | undefined;
  let handedOn = false;
  try {
    // Without O_NONBLOCK a named pipe would be waited for.
    file = await open(
      pathIn(spool, 'new', name),
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
    const stats = await file.stat();
    const problem = problemOf(stats, most);
    if (problem !== null) return { kind: 'broken', because: problem, arrived: stats.mtime };
    const lease = admit(stats.size);
    if (lease === null) return { kind: 'no room' };
    const { size, mtime: arrived } = stats;
    const inFile = size > wholeUpTo;
    let complete = false;
    try {
      const head = await readFrom(file, inFile ? Math.min(size, HEAD_BYTES) : size);
      // Else somebody still writes: Maildir's rename from tmp/ was not kept to.
      complete = head !== null && (await file.stat()).size === size;
      if (head === null || !complete) return { kind: 'read error', arrived };
      handedOn = inFile;
      return { kind: 'message', head, size, file: inFile ? file : null, arrived, lease };
    } finally {
      if (!complete) lease.release();
    }
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') return { kind: 'gone' };
    const because = LASTING[code];
    const arrived = await arrivalOf(spool, name);
    return because === undefined ? { kind: 'read error', arrived } : { kind: 'broken', because, arrived };
  } finally {
    if (!handedOn) await file?.close();
  }
}

function problemOf(stats: Stats, most: number): string | null {
  if (stats.isDirectory()) return 'a directory, not a message';
  if (!stats.isFile()) return 'not a regular file';
  if (stats.size === 0) return 'the file is empty';
  if (stats.size > most) return `larger than filter.memory_budget (${most} bytes)`;
  return null;
}

/** The first bytes of a file, in a buffer of its own, so that it can be handed on whole. null: there are fewer. */
async function readFrom(file: FileHandle, size: number): Promise<Buffer | null> {
  const bytes = Buffer.allocUnsafeSlow(size);
  let at = 0;
  while (at < size) {
    const { bytesRead } = await file.read(bytes, at, size - at, at);
    if (bytesRead === 0) return null;
    at += bytesRead;
  }
  return bytes;
}

/** When a file came into the spool; now where that cannot be known. */
export async function arrivalOf(spool: string, name: string): Promise<Date> {
  const stats = await lstat(pathIn(spool, 'new', name)).catch(() => undefined);
  return stats?.mtime ?? new Date();
}

/** Removes what has been filed, and makes that last. A file that is gone already is no error. */
export async function removeFiled(spool: string, names: readonly string[]): Promise<void> {
  await Promise.all(names.map((name) => unlink(pathIn(spool, 'new', name)).catch(ignoreMissing)));
  if (names.length > 0) await syncFolder(pathIn(spool, 'new'));
}

/**
 * Moves a file to failed/, NAME.reason (one line) beside it. The reason is there first, and nothing that is there is replaced.
 * @throws what the file system fails with; the file is in new/ or in failed/ then
 */
export async function setAside(spool: string, name: string, reason: string): Promise<void> {
  await mkdir(pathIn(spool, 'failed'), { recursive: true, mode: 0o700 });
  const { free, reasonFile } = await reserveName(spool, name);
  try {
    await reasonFile.writeFile(`${reason.replace(/[\r\n]+/g, ' ')}\n`);
    await reasonFile.sync();
  } finally {
    await reasonFile.close();
  }
  try {
    // In one step: between link(2) and unlink(2) another file may come under the name, and would be removed.
    await rename(pathIn(spool, 'new', name), pathIn(spool, 'failed', free));
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    return void (await unlink(pathIn(spool, 'failed', `${free}.reason`)));
  }
  await syncFolder(pathIn(spool, 'failed'));
  await syncFolder(pathIn(spool, 'new'));
}

/** A name in failed/ that no file has, and that nobody else takes: rename(2) would replace what is there. */
async function reserveName(
  spool: string,
  name: string,
): Promise<{ readonly free: string; readonly reasonFile: FileHandle }> {
  for (let copy = 1; ; copy += 1) {
    const free = copy === 1 ? name : `${name}.${copy}`;
    if ((await lstat(pathIn(spool, 'failed', free)).catch(ignoreMissing)) !== undefined) continue;
    try {
      return { free, reasonFile: await open(pathIn(spool, 'failed', `${free}.reason`), 'wx', 0o600) };
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
