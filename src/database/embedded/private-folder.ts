// Folders below another account's, made, given away and removed by root: no symbolic link that the account may have put
// there is followed, so whatever is changed is changed by its descriptor.
import { spawnSync } from 'node:child_process';
import { closeSync, constants, fchmodSync, fchownSync, fstatSync, mkdirSync, openSync } from 'node:fs';
import type { Account } from './user.ts';

/** The account of this process. */
export function ownAccount(): Account {
  return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
}

/**
 * Makes a private folder, or takes over one that one of `trusted` owns.
 * @throws Error for a symbolic link, and for a folder of somebody else
 */
export function makePrivate(path: string, owner: Account, trusted: readonly Account[]): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as { code?: string }).code !== 'EEXIST') throw error;
  }
  withFolder(path, (descriptor) => {
    const { uid, gid, mode } = fstatSync(descriptor);
    if (!trusted.some((account) => account.uid === uid)) {
      throw new Error(`${path} belongs to uid ${uid}; remove it, somebody else has made it`);
    }
    if (uid !== owner.uid || gid !== owner.gid) fchownSync(descriptor, owner.uid, owner.gid);
    if ((mode & 0o7777) !== 0o700) fchmodSync(descriptor, 0o700);
  });
}

/** Lets everybody pass and list a folder. @throws Error for a symbolic link */
export function openToAll(path: string): void {
  withFolder(path, (descriptor) => fchmodSync(descriptor, 0o755));
}

function withFolder(path: string, work: (descriptor: number) => void): void {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    work(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Removes a folder with all that is in it; one that is not there is as well. By rm(1), which goes by descriptors: between
 * looking at a path and removing what is below it, fs.rm could be led elsewhere.
 * @throws Error with what rm said
 */
export function removeTree(path: string): void {
  const { status, stderr, error } = spawnSync('rm', ['-rf', '--', path], { encoding: 'utf8', cwd: '/' });
  if (status !== 0) throw error ?? new Error(stderr.trim());
}
