// A fresh Debian in a folder, as a mail server that serves mailboxes already: Postfix as an "Internet Site", Dovecot, one Unix
// account. It runs in namespaces of its own, with ports, a host name and processes that nobody else sees; no service manager.
import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Finished, mustRun, runProgram } from './child.ts';
import { OWN_DEVICES } from './debian-root.ts';
import { need } from './needs.ts';
import { repository } from './places.ts';

need('mmdebstrap', 'root');

export const HOST = 'mail.example.org';
/** Milliseconds to fetch and install some two hundred packages, on a busy machine. */
export const PATIENCE = 1_800_000;
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const PACKAGES = ['postfix', 'dovecot-imapd', 'dovecot-lmtpd', 'swaks', 'adduser', 'procps'];

/** For a machine that systemd runs, with what a Debian server has. */
const WITH_SYSTEMD = [...PACKAGES, 'systemd-sysv', 'dbus'];

/** What the questions of Debian's installer are answered with. */
const ANSWERS = `debconf debconf/frontend select Noninteractive
postfix postfix/main_mailer_type select Internet Site
postfix postfix/mailname string example.org
`;
const HOSTS = `127.0.0.1 localhost\\n127.0.1.1 ${HOST} mail\\n::1 localhost\\n`;

/** What README says of the Dovecot of Debian 12, which looks for an account of the name alice@example.org. */
const TAKE_WHOLE_ADDRESSES =
  "printf 'protocol lmtp {\\n  auth_username_format = %%n\\n}\\n' > /etc/dovecot/local.conf";

export interface StockDebian {
  /** The folder that is its root. */
  readonly root: string;
  /** Runs a line of a shell in there, as root. Never rejects because of its exit code. */
  run(line: string, options?: InsideOptions): Promise<Finished>;
  /** Ends everything that runs in there, and removes it. */
  remove(): Promise<void>;
}

export interface InsideOptions {
  /** With the network of this machine, as for npm; else it has a loopback device alone. */
  readonly network?: boolean;
  /** Milliseconds; default 60 s. */
  readonly timeout?: number;
}

/**
 * Installs the machine and starts its services.
 * @param release such as `bookworm`
 * @param account a Unix account with a mailbox
 * @param software what is there of sealpost: a checkout with Node.js, or nothing yet, and an apt-get that asks no questions; under
 *   systemd, too, which starts the services then
 * @param start makes the root a machine
 * @throws where the packages cannot be had
 */
export async function makeStockDebian(
  release: string,
  account: string,
  software: 'checkout' | 'nothing' | 'systemd' = 'checkout',
  start: (root: string) => Promise<Machine> = startMachine,
): Promise<StockDebian> {
  const dir = await mkdtemp(join(tmpdir(), 'sp-stock-'));
  await chmod(dir, 0o755);
  const root = join(dir, 'root');
  let machine: Machine | null = null;
  const remove = async (): Promise<void> => {
    await machine?.end();
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await bootstrap(release, root, dir, software === 'systemd' ? WITH_SYSTEMD : PACKAGES);
    if (software === 'nothing') await takeYesForAnAnswer(root);
    else if (software === 'systemd') await answerApt(root);
    else {
      await installNode(root);
      await copyRepository(join(root, 'opt', 'sealpost'));
    }
    const started = await start(root);
    machine = started;
    for (const line of [
      `useradd --create-home ${account}`,
      ...(release === 'bookworm' ? [TAKE_WHOLE_ADDRESSES] : []),
      ...(software === 'systemd'
        ? ['systemctl start dovecot postfix']
        : ['dovecot >/dev/null 2>&1', 'service postfix start >/dev/null 2>&1']),
    ]) {
      const { code, stdout, stderr } = await started.run(line);
      if (code !== 0) throw new Error(`${line}: exit ${code}\n${stdout}${stderr}`);
    }
    return { root, run: started.run, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function bootstrap(
  release: string,
  root: string,
  dir: string,
  packages: readonly string[],
): Promise<void> {
  const answers = join(dir, 'answers');
  await writeFile(answers, ANSWERS);
  const options = [
    '--quiet',
    '--mode=root',
    '--dpkgopt=force-unsafe-io',
    '--variant=minbase',
    `--include=${packages.join(',')}`,
    `--essential-hook=printf '${HOSTS}' > "$1/etc/hosts"; echo mail > "$1/etc/hostname"`,
    `--essential-hook=chroot "$1" debconf-set-selections < ${answers}`,
  ];
  // The packages ask for the host's name.
  await mustRun(
    'unshare',
    ['--uts', 'sh', '-c', `hostname ${HOST} && exec mmdebstrap "$@"`, 'sh', ...options, release, root],
    {
      timeout: PATIENCE,
    },
  );
}

/** For a root in which packages are installed: what somebody at the terminal would answer, and that no service starts by itself. */
export async function takeYesForAnAnswer(root: string): Promise<void> {
  await answerApt(root);
  await writeFile(join(root, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 });
}

async function answerApt(root: string): Promise<void> {
  await writeFile(
    join(root, 'etc/apt/apt.conf.d/99test'),
    'APT::Get::Assume-Yes "true";\nDPkg::Options:: "--force-unsafe-io";\nDPkg::Use-Pty "false";\n',
  );
}

/** This machine's Node.js and npm in the place that NodeSource's package has them in. */
async function installNode(root: string): Promise<void> {
  await cp(process.execPath, join(root, 'usr/bin/node'));
  const npm = join(dirname(process.execPath), '../lib/node_modules/npm');
  await cp(npm, join(root, 'usr/lib/node_modules/npm'), { recursive: true });
  for (const name of ['npm', 'npx'])
    await symlink(`../lib/node_modules/npm/bin/${name}-cli.js`, join(root, 'usr/bin', name));
}

/** As a fresh clone, but with what `npm install` would fetch. */
async function copyRepository(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const names = (await readdir(repository)).filter(
    (name) => !['.git', 'dist', 'node_modules'].includes(name),
  );
  await mustRun('cp', ['-a', ...names.map((name) => join(repository, name)), folder]);
  await mustRun(
    'cp',
    ['-a', '--reflink=auto', `${join(repository, 'node_modules')}/.`, join(folder, 'node_modules')],
    {
      timeout: PATIENCE,
    },
  );
}

/** What runs in a root, in namespaces of its own. */
export interface Machine {
  readonly run: StockDebian['run'];
  end(): Promise<void>;
}

/** Ends with its standard input, and with it every process in there: also when this process is killed. */
export async function startMachine(root: string): Promise<Machine> {
  const first = `
    read -r pid rest < /proc/self/stat &&
    hostname ${HOST} && ip link set lo up && mount -t proc proc "$0/proc" && ${OWN_DEVICES} &&
    echo "$pid" && exec chroot "$0" cat`;
  const namespaces = ['--mount', '--propagation', 'private', '--uts', '--ipc', '--net', '--pid', '--fork'];
  const holder = spawn('unshare', [...namespaces, 'sh', '-c', first, root], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => {
    holder.once('close', () => resolve());
  });
  const pid = await firstLineOf(holder);
  return {
    run: runIn(pid),
    end: async () => {
      holder.stdin?.end();
      await ended;
    },
  };
}

/** Runs lines of a shell where a process lives. @param pid of the first one of a root */
export function runIn(pid: string): Machine['run'] {
  return (line, { network = false, timeout = 60_000 } = {}) =>
    runProgram(
      'nsenter',
      [
        ...['--target', pid, '--mount', '--uts', '--ipc', '--pid', ...(network ? [] : ['--net'])],
        `--root=/proc/${pid}/root`,
        // How npm reaches its registry stands in the environment. This machine's folder for temporary files is not in there.
        ...['env', ...(network ? ['--unset=TMPDIR'] : ['-i']), `PATH=${PATH}`, 'HOME=/root', 'LANG=C.UTF-8'],
        // The folder in which nsenter(1) is called lies outside of the root.
        ...['sh', '-c', `cd /root && ${line}`],
      ],
      { timeout },
    );
}

/** What the first process of a root says of itself. */
export function firstLineOf({ stdout }: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let heard = '';
    stdout?.on('data', (chunk: Buffer) => {
      heard += chunk.toString('latin1');
      if (heard.includes('\n')) resolve(heard.slice(0, heard.indexOf('\n')));
    });
    stdout?.once('close', () => reject(new Error('the namespaces could not be made')));
  });
}
