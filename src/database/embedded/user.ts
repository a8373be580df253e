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

/** The user of the service. */
const SERVICE_USER = 'sealpost';
const ADD_USER = `adduser --system --group --home /var/lib/sealpost ${SERVICE_USER}`;

/**
 * Chooses the account as root does: the owner of what is there already, else user `sealpost`, which is made where it is
 * missing. Nothing new is `nobody`'s: whatever else runs under that name could read the mail and the keys' owners.
 * @param existing the data folder, the folder around it and state_dir, in this order, as far as they exist
 * @param makeUser adds the system user; false where it cannot
 * @param warn is told of data that is nobody's, with the commands that help
 * @throws Error with the command that helps
 */
export function chooseAccount(
  existing: readonly string[],
  readPasswd: () => string = () => readFileSync('/etc/passwd', 'utf8'),
  makeUser: () => boolean = addServiceUser,
  warn: (sentence: string) => void = (sentence) => process.emitWarning(sentence),
): Account {
  const nobody = findAccount(readPasswd(), 'nobody');
  for (const path of existing) {
    const owner = ownerOf(path);
    if (owner === null || owner.uid === 0) continue;
    // Data of an earlier version: it is served on, or an upgrade would stop the mail of everybody.
    if (owner.uid === nobody?.uid)
      warn(
        `${path} belongs to "nobody", whose every process can read it; with no sealpost running: ` +
          `"${ADD_USER}" and "chown -R ${SERVICE_USER}:${SERVICE_USER} ${path}"`,
      );
    return owner;
  }
  const account =
    findAccount(readPasswd(), SERVICE_USER) ?? (makeUser() ? findAccount(readPasswd(), SERVICE_USER) : null);
  if (account !== null && account.uid !== nobody?.uid) return account;
  throw new Error(
    `PostgreSQL does not run as root, and there is no user "${SERVICE_USER}" that could be made; run "${ADD_USER}"`,
  );
}

/** useradd(8): a system user with a group of its own, without a home and a shell. @returns whether it is there now */
export function addServiceUser(): boolean {
  const words = ['--system', '--user-group', '--no-create-home', '--home-dir', '/var/lib/sealpost'];
  const made = spawnSync('useradd', [...words, '--shell', '/usr/sbin/nologin', SERVICE_USER], {
    stdio: 'ignore',
  });
  // 9: another process was first.
  return made.status === 0 || made.status === 9;
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
