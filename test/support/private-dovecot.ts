// A private Dovecot 2.3 (Debian's): LMTP on a unix socket, IMAP on a loopback port, Maildirs in the places' folder. Every
// address has a mailbox, and one password opens them all. Needs root, as Dovecot's processes change their users.
import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';
import { chown, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { runProgram, waitUntil } from './child.ts';
import { need } from './needs.ts';
import { freePorts } from './places.ts';

need('dovecot-imapd', 'dovecot-lmtpd', 'root');

export interface DovecotOptions {
  /** An empty or absent folder, with a short path: sockets lie in it. */
  readonly dir: string;
  /** Who may log in; default: every address, by one password. */
  readonly passdb?: string;
  /** Further lines of dovecot.conf. */
  readonly more?: string;
}

export interface PrivateDovecot {
  readonly lmtpSocket: string;
  readonly imapPort: number;
  readonly password: string;
  readonly configPath: string;
  /** The messages of an address's inbox as Dovecot keeps them, in the order of their names. */
  stored(address: string): Promise<Buffer[]>;
  log(): Promise<string>;
  stop(): Promise<void>;
}

const PASSWORD = 'only-on-loopback';
const NOBODY = 65534;

const EVERYBODY = `driver = static
  args = password=${PASSWORD}`;

/** Starts it; LMTP and IMAP answer when the promise resolves. */
export async function startDovecot({
  dir,
  passdb = EVERYBODY,
  more = '',
}: DovecotOptions): Promise<PrivateDovecot> {
  const [imapPort = 0] = await freePorts(1);
  const lmtpSocket = join(dir, 'lmtp');
  const mail = join(dir, 'mail');
  const configPath = join(dir, 'dovecot.conf');
  const logPath = join(dir, 'dovecot.log');
  await mkdir(mail, { recursive: true });
  await chown(mail, NOBODY, NOBODY);
  const config = `
base_dir = ${dir}/run
state_dir = ${dir}/state
log_path = ${logPath}
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
first_valid_uid = 1
mail_location = maildir:${mail}/%u
passdb {
  ${passdb}
}
userdb {
  driver = static
  args = uid=${NOBODY} gid=${NOBODY} home=${mail}/%u allow_all_users=yes
}
service imap-login {
  inet_listener imap {
    port = ${imapPort}
  }
  inet_listener imaps {
    port = 0
  }
}
service lmtp {
  unix_listener ${lmtpSocket} {
    mode = 0666
  }
}
protocol lmtp {
  auth_username_format = %Lu
}
${more}
`;
  await writeFile(configPath, config);
  const output = openSync(join(dir, 'dovecot.out'), 'a');
  const child = spawn('dovecot', ['-F', '-c', configPath], { stdio: ['ignore', output, output] });
  let ended = false;
  const exited = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('exit', () => resolve());
  }).then(() => {
    ended = true;
  });
  const log = async () =>
    `${await readFile(logPath, 'utf8').catch(() => '')}${await readFile(join(dir, 'dovecot.out'), 'utf8')}`;
  await waitUntil(
    'Dovecot to answer',
    30_000,
    async () => {
      if (ended) throw new Error(`dovecot ended\n${await log()}`);
      return (await greets({ path: lmtpSocket })) && (await greets({ port: imapPort, host: '127.0.0.1' }));
    },
    log,
  );
  return {
    lmtpSocket,
    imapPort,
    password: PASSWORD,
    configPath,
    stored: async (address) => {
      const folder = join(mail, address, 'new');
      const names = (await readdir(folder).catch(() => [])).sort();
      return Promise.all(names.map((name) => readFile(join(folder, name))));
    },
    log,
    stop: async () => {
      if (ended) return;
      child.kill('SIGTERM');
      await exited;
    },
  };
}

/** Whether something listens there and says a first line. */
function greets(
  where: { readonly path: string } | { readonly port: number; readonly host: string },
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(where);
    const answer = (greeted: boolean) => {
      socket.destroy();
      resolve(greeted);
    };
    socket.setTimeout(2000, () => answer(false));
    socket.once('data', () => answer(true));
    socket.once('error', () => answer(false));
    socket.once('close', () => answer(false));
  });
}

/** Runs doveadm with this configuration. */
export function doveadm(dovecot: Pick<PrivateDovecot, 'configPath'>, args: readonly string[]) {
  return runProgram('doveadm', ['-c', dovecot.configPath, ...args]);
}
