// OpenDKIM, rspamd and amavis (Debian's) as docs/dkim-and-spam.md configures them, on ports and in folders of their own. Each runs as
// its own user, in the foreground, and ends with the process that started it.
import { spawn } from 'node:child_process';
import { openSync, readdirSync } from 'node:fs';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { mustRun, waitUntil } from './child.ts';
import { need } from './needs.ts';

need('opendkim', 'opendkim-tools', 'rspamd', 'amavisd-new', 'root');

export interface Daemon {
  log(): Promise<string>;
  stop(): Promise<void>;
}

interface Command {
  /** An existing folder; its output goes there. */
  readonly dir: string;
  readonly user: string;
  readonly command: readonly string[];
  /** Where it listens once it is ready. */
  readonly port: number;
}

/** Milliseconds; rspamd and amavis compile thousands of patterns first. */
const PATIENCE = 120_000;

async function startDaemon({ dir, user, command, port }: Command): Promise<Daemon> {
  const path = join(dir, 'output');
  const output = openSync(path, 'a');
  const as = [`--reuid=${user}`, `--regid=${user}`, '--init-groups', '--pdeathsig=TERM', '--'];
  const child = spawn('setpriv', [...as, ...command], { stdio: ['ignore', output, output], cwd: dir });
  let ended = false;
  const exited = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('exit', () => resolve());
  }).then(() => {
    ended = true;
  });
  const log = () => readFile(path, 'utf8');
  const listens = async (): Promise<boolean> => {
    if (ended) throw new Error(`${command[0]} ended\n${await log()}`);
    return answers(port);
  };
  await waitUntil(`${command[0]} to listen`, PATIENCE, listens, log);
  return {
    log,
    stop: async () => {
      if (!ended) child.kill('SIGTERM');
      await exited;
    },
  };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const answer = (connected: boolean) => {
      socket.destroy();
      resolve(connected);
    };
    socket.once('connect', () => answer(true));
    socket.once('error', () => answer(false));
  });
}

/** A folder that belongs to a user. */
async function folderOf(dir: string, user: string): Promise<string> {
  await mkdir(dir, { recursive: true });
  await mustRun('chown', [user, dir]);
  return dir;
}

/** A public key as the DNS has it. */
export interface KeyRecord {
  /** `mail._domainkey.example.org` */
  readonly name: string;
  /** `v=DKIM1; k=rsa; p=...` */
  readonly text: string;
}

/**
 * @param config opendkim.conf
 * @param records in place of the DNS
 */
export async function startOpendkim(
  dir: string,
  config: string,
  port: number,
  records: readonly KeyRecord[],
): Promise<Daemon> {
  await folderOf(dir, 'opendkim');
  const [path, keys] = [join(dir, 'opendkim.conf'), join(dir, 'records')];
  await writeFile(keys, records.map(({ name, text }) => `${name} ${text}\n`).join(''));
  // A folder below /tmp is not safe enough for keys: anybody may write there.
  await writeFile(path, `${config}TestPublicKeys ${keys}\nRequireSafeKeys no\nSyslog no\n`);
  return startDaemon({ dir, user: 'opendkim', command: ['opendkim', '-f', '-x', path], port });
}

/** @param local files of local.d by name. @param ports of proxy, normal worker and controller */
export async function startRspamd(
  dir: string,
  local: Readonly<Record<string, string>>,
  ports: readonly [number, number, number],
  records: readonly KeyRecord[],
): Promise<Daemon> {
  await folderOf(dir, '_rspamd');
  const [proxy, normal, controller] = ports;
  for (const name of ['etc/local.d', 'etc/override.d', 'db', 'run', 'log'])
    await folderOf(join(dir, name), '_rspamd');
  const answers = records.map(
    ({ name, text }) => `{ name = "${name}"; type = "txt"; replies = ["${text}"]; }`,
  );
  await writeFile(join(dir, 'tlds'), 'test\norg\n');
  const override: Readonly<Record<string, string>> = {
    'worker-proxy.inc': `bind_socket = "127.0.0.1:${proxy}"; upstream "local" { default = yes; hosts = "127.0.0.1:${normal}"; }`,
    'worker-normal.inc': `bind_socket = "127.0.0.1:${normal}";`,
    'worker-controller.inc': `bind_socket = "127.0.0.1:${controller}";`,
    // Nobody on the network is asked; few top-level domains and no hyperscan, so that it starts within seconds.
    'options.inc': `url_tld = "${join(dir, 'tlds')}"; disable_hyperscan = true; enable_test_patterns = true; filters = "dkim,regexp"; dns { nameserver = ["127.0.0.1:9"]; timeout = 0.1s; retransmits = 1; fake_records = [${answers.join(', ')}]; }`,
    ...Object.fromEntries(
      ['rbl.conf', 'hfilter.conf', 'spf.conf', 'dmarc.conf'].map((name) => [name, 'enabled = false;']),
    ),
  };
  for (const [folder, files] of [
    ['local.d', local],
    ['override.d', override],
  ] as const)
    for (const [name, text] of Object.entries(files)) await writeFile(join(dir, 'etc', folder, name), text);
  const variables = { LOCAL_CONFDIR: 'etc', DBDIR: 'db', RUNDIR: 'run', LOGDIR: 'log' };
  const set = Object.entries(variables).map(([name, folder]) => `--var=${name}=${join(dir, folder)}`);
  const command = ['rspamd', '-f', '-c', '/etc/rspamd/rspamd.conf', ...set];
  const daemon = await startDaemon({ dir, user: '_rspamd', command, port: proxy });
  return {
    ...daemon,
    log: async () => `${await daemon.log()}${await readFile(join(dir, 'log', 'rspamd.log'), 'utf8')}`,
  };
}

/** Debian's files of amavis, which `user` comes after; what they read of this machine (its name) is given. */
function amavisFiles(): readonly string[] {
  return ['/usr/share/amavis/conf.d', '/etc/amavis/conf.d']
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .filter((path) => !/\/05-|\/50-user$/.test(path));
}

/** @param user the file 50-user */
export async function startAmavis(dir: string, user: string, port: number): Promise<Daemon> {
  await mkdir(dir, { recursive: true });
  await chmod(dir, 0o755);
  const home = await folderOf(join(dir, 'home'), 'amavis');
  await folderOf(join(home, 'tmp'), 'amavis');
  await folderOf(join(home, 'virusmails'), 'amavis');
  const own = join(dir, 'machine.conf');
  // A session with Postfix that outlives one letter would keep what its listener began with.
  await writeFile(
    own,
    `use strict;
$mydomain = 'sealpost.test'; $myhostname = 'mx.sealpost.test'; $inet_socket_port = ${port}; $unix_socketname = undef;
$MYHOME = '${home}'; $TEMPBASE = "$MYHOME/tmp"; $ENV{TMPDIR} = $TEMPBASE; $QUARANTINEDIR = "$MYHOME/virusmails";
$pid_file = "$MYHOME/pid"; $lock_file = "$MYHOME/lock"; $enable_db = 0; $max_servers = 1; $smtp_connection_cache_enable = 0; $DO_SYSLOG = 0; $LOGFILE = "$MYHOME/log";
1;
`,
  );
  await writeFile(join(dir, '50-user'), user);
  const files = [...amavisFiles(), own, join(dir, '50-user')].flatMap((path) => ['-c', path]);
  const daemon = await startDaemon({
    dir,
    user: 'amavis',
    command: ['amavisd', ...files, 'foreground'],
    port,
  });
  return {
    ...daemon,
    log: async () => `${await daemon.log()}${await readFile(join(home, 'log'), 'utf8')}`,
  };
}
