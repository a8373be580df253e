// Who the embedded PostgreSQL runs as. It refuses to run as root, and what it runs as must be able to reach its folders.
import { spawnSync } from 'node:child_process';
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** How to start a program of PostgreSQL. */
export interface ServerIdentity {
  /** The account that owns the data; null: this very process is that account. */
  readonly account: Account | null;
  /** What goes before the program and its arguments. */
  readonly prefix: readonly string[];
  /**
   * True when the server needs a capability to pass a folder that is closed to its account. Then the folder above its
   * data must stay root's alone, or whoever else runs under that account could use the server's capability.
   */
  readonly capable: boolean;
}

/** A folder on the way to a file. */
export interface Folder extends Account {
  readonly path: string;
  readonly mode: number;
}

/**
 * The first of `folders` that an account without supplementary groups may not search (path_resolution(7)); null when
 * it may pass all of them. Pure. Access control lists are not looked at.
 */
export function closedFolder(folders: readonly Folder[], { uid, gid }: Account): Folder | null {
  const mayPass = (folder: Folder): boolean => {
    const shift = folder.uid === uid ? 6 : folder.gid === gid ? 3 : 0;
    return ((folder.mode >> shift) & 1) === 1;
  };
  return folders.find((folder) => !mayPass(folder)) ?? null;
}

/** Every folder from the root down to `path` (which must exist), symbolic links resolved. */
function foldersTo(path: string): Folder[] {
  const folders: Folder[] = [];
  for (let current = realpathSync(path); ; current = dirname(current)) {
    const { mode, uid, gid } = statSync(current);
    folders.unshift({ path: current, mode, uid, gid });
    if (current === dirname(current)) return folders;
  }
}

/** The numeric IDs of a user in the text of /etc/passwd (passwd(5)); null when it is not there. Pure. */
export function findAccount(passwd: string, name: string): Account | null {
  for (const line of passwd.split('\n')) {
    const [user, , uid, gid] = line.split(':');
    if (user === name && uid && gid && /^\d+$/.test(uid) && /^\d+$/.test(gid))
      return { uid: Number(uid), gid: Number(gid) };
  }
  return null;
}

/**
 * Chooses the account as root does: the owner of what is there already, else user `sealpost`, else `nobody`.
 * @param existing the data folder, the folder around it and state_dir, in this order, as far as they exist
 */
export function chooseAccount(
  existing: readonly string[],
  passwd: string = readFileSync('/etc/passwd', 'utf8'),
): Account {
  for (const path of existing) {
    const owner = ownerOf(path);
    if (owner && owner.uid !== 0) return owner;
  }
  const account = findAccount(passwd, 'sealpost') ?? findAccount(passwd, 'nobody');
  if (account) return account;
  throw new Error(
    'PostgreSQL does not run as root, and there is neither a user "sealpost" nor "nobody"; run `useradd -r sealpost`',
  );
}

/** The owner of a folder; null when it does not exist. */
export function ownerOf(path: string): Account | null {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats ? { uid: stats.uid, gid: stats.gid } : null;
}

/**
 * How this process starts the server under `account`.
 * @param program PostgreSQL's server program
 * @param stateDir the folder around the one that the server owns
 * @throws Error naming the closed folder when the server cannot be let through
 */
export function serverIdentity(account: Account | null, program: string, stateDir: string): ServerIdentity {
  if (!account) return { account, prefix: [], capable: false };
  const closed = closedFolder([...foldersTo(dirname(program)), ...foldersTo(stateDir)], account);
  if (!closed) return { account, prefix: [], capable: false };
  // DAC_READ_SEARCH opens folders and nothing else; containers often withhold it, and grant DAC_OVERRIDE.
  for (const capability of ['dac_read_search', 'dac_override']) {
    const prefix = [
      'setpriv',
      `--reuid=${account.uid}`,
      `--regid=${account.gid}`,
      '--clear-groups',
      // Else access(2), with which initdb looks for its programs, would ignore the capability.
      '--securebits=+no_setuid_fixup',
      `--inh-caps=+${capability}`,
      `--ambient-caps=+${capability}`,
    ];
    const [command = '', ...rest] = [...prefix, program, '--version'];
    if (spawnSync(command, rest, { stdio: 'ignore', cwd: '/' }).status === 0)
      return { account, prefix, capable: true };
  }
  const mode = (closed.mode & 0o7777).toString(8).padStart(4, '0');
  throw new Error(
    `PostgreSQL runs as uid ${account.uid} (it refuses root), which may not enter ${closed.path} (mode ${mode}); ` +
      `run \`chmod o+x ${closed.path}\`, or set state_dir to a folder that it can reach, such as /var/lib/sealpost`,
  );
}
