// The file of a unix-domain listening socket: a stale one is removed, and mode and group are set as configured.
import { execFile } from 'node:child_process';
import cluster from 'node:cluster';
import { chmod, chown, lstat, readFile, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { promisify } from 'node:util';

/**
 * Removes a socket that a killed process left behind.
 * @returns null when the path is free now, else one sentence about what is in the way
 */
export async function clearStaleSocket(path: string): Promise<string | null> {
  const status = await lstat(path).catch(() => null);
  if (status === null) return null;
  if (!status.isSocket()) return `${path} exists and is not a socket: remove it, or choose another path`;
  if (await answers(path)) {
    // It may be the one that the workers of this serve share; a foreign one is found out when it is opened.
    if (cluster.isWorker) return null;
    return `another process already listens on ${path}: stop it first ("fuser ${path}" names it), or choose another path`;
  }
  await unlink(path);
  return null;
}

/** Whether somebody accepts connections. Only a refused connection is a clear no. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.setTimeout(1000, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
}

/** The mode of a socket that may be everybody's: as configured, else that of its group alone where it has one. */
export function modeFor(mode: string | undefined, group: string | undefined): string {
  return mode ?? (group === undefined ? '0666' : '0660');
}

/**
 * Gives a socket its group and mode.
 * @param mode octal, such as `0660`
 * @param group a name or a number
 * @throws Error with one sentence for a group that does not exist, or where the rights do not suffice
 */
export async function setAccess(
  path: string,
  mode: string | undefined,
  group: string | undefined,
): Promise<void> {
  if (group !== undefined) {
    const gid = await groupId(group);
    if (gid === null) throw new Error(`the group "${group}" of ${path} does not exist: see "getent group"`);
    try {
      await chown(path, -1, gid);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) throw error;
      throw new Error(`${path} cannot be given to the group "${group}": this user is not a member of it`);
    }
  }
  if (mode !== undefined) await chmod(path, Number.parseInt(mode, 8));
}

/** The number of a group by name or number; null where there is none. */
export async function groupId(group: string): Promise<number | null> {
  if (/^\d+$/.test(group)) return Number(group);
  const local = findGroup(await readFile('/etc/group', 'utf8').catch(() => ''), group);
  if (local !== null) return local;
  // Groups of a directory service (nsswitch.conf).
  const found = await promisify(execFile)('getent', ['group', group]).catch(() => ({ stdout: '' }));
  return findGroup(found.stdout, group);
}

/** Looks a name up in lines of group(5). */
function findGroup(lines: string, name: string): number | null {
  for (const line of lines.split('\n')) {
    const fields = line.split(':');
    if (fields[0] === name && /^\d+$/.test(fields[2] ?? '')) return Number(fields[2]);
  }
  return null;
}
