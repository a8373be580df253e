// Another release of Debian in a folder, made by mmdebstrap(1), whose Postfix the stands start in place of the machine's own.
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { mustRun } from './child.ts';
import { endWithThisProcess } from './leftovers.ts';
import { need } from './needs.ts';

need('mmdebstrap', 'root');

export interface DebianRoot {
  /** What `postconf mail_version` says there. */
  readonly postfixVersion: string;
  /** Gives the machine its own programs back and removes the folder. What runs in there has ended before. */
  remove(): Promise<void>;
}

/** What the stands call of Postfix, and getent(1): the account of Postfix has another number there. */
const PROGRAMS = [
  ...['postfix', 'postconf', 'postqueue', 'postsuper', 'postmap', 'postalias', 'sendmail'],
  'getent',
] as const;

/** Milliseconds to fetch and install some hundred packages. */
const PATIENCE = 600_000;

/**
 * Installs Postfix in a fresh root. Until it is removed, this process finds the root's programs where it names those of Postfix.
 * @param release such as `trixie`
 * @throws where the packages cannot be had
 */
export async function makeDebianRoot(release: string): Promise<DebianRoot> {
  const dir = await mkdtemp(join(tmpdir(), 'sp-root-'));
  endWithThisProcess(dir);
  const path = process.env.PATH ?? '';
  const remove = async (): Promise<void> => {
    process.env.PATH = path;
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await chmod(dir, 0o755);
    const root = join(dir, 'root');
    const options = ['--quiet', '--mode=root', '--variant=minbase', '--include=postfix'];
    await mustRun('mmdebstrap', [...options, release, root], { timeout: PATIENCE });
    const programs = join(dir, 'programs');
    await mkdir(programs);
    for (const name of PROGRAMS)
      await writeFile(join(programs, name), runInside(root, name), { mode: 0o755 });
    process.env.PATH = [programs, path].join(delimiter);
    const { stdout } = await mustRun('postconf', ['-dh', 'mail_version']);
    return { postfixVersion: stdout.toString('utf8').trim(), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

const DEVICES = [
  ['null', '1 3'],
  ['zero', '1 5'],
  ['full', '1 7'],
  ['random', '1 8'],
  ['urandom', '1 9'],
  ['tty', '5 0'],
] as const;

/**
 * Shell that gives the root `$0` devices of its own. With the machine's /dev bound into it, a program in there that changes the
 * mode of /dev/null changes the machine's.
 */
export const OWN_DEVICES = [
  'mount -t tmpfs -o mode=755 tmpfs "$0/dev"',
  ...DEVICES.map(([name, number]) => `mknod -m 666 "$0/dev/${name}" c ${number}`),
  'mkdir "$0/dev/pts" "$0/dev/shm"',
  'mount -t devpts -o newinstance,ptmxmode=0666 devpts "$0/dev/pts"',
  'mount -t tmpfs -o mode=1777 tmpfs "$0/dev/shm"',
  'ln -s pts/ptmx "$0/dev/ptmx"',
  'ln -s /proc/self/fd "$0/dev/fd"',
].join(' && ');

/**
 * A program of the root, which has devices of its own, and sees the machine's folder for temporary files under its name. The mounts
 * are in a namespace that ends with the program and whatever it has started: nobody who removes the root can follow them.
 */
function runInside(root: string, name: string): string {
  const temporary = tmpdir();
  return `#!/bin/sh
exec unshare --mount --propagation private sh -c '
  mkdir -p "$0${temporary}" &&
  ${OWN_DEVICES} &&
  mount --bind "${temporary}" "$0${temporary}" &&
  PATH=/usr/sbin:/usr/bin:/sbin:/bin exec chroot "$0" "$@"
' '${root}' '${name}' "$@"
`;
}
