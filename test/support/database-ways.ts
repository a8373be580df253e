// What stands between a node and its database servers: HAProxy and PgBouncer, by the very files of docs/scaling.md. PgBouncer is that
// of Debian 13, in a root of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mustRun, waitUntil } from './child.ts';
import { endWithThisProcess } from './leftovers.ts';
import { need } from './needs.ts';
import { type Cluster, scalingFile } from './patroni-cluster.ts';
import { freePorts, type Substitutions } from './places.ts';

need('haproxy', 'mmdebstrap', 'root');

/** A program before the database. */
export interface Way {
  /** What stands in the page's files in place of its ports. */
  readonly substitutions: Substitutions;
  log(): string;
  close(): Promise<void>;
}

/** HAProxy, which asks Patroni who is the primary. */
export async function startHaproxy(cluster: Cluster): Promise<Way> {
  const folder = mkdtempSync('/tmp/sp-haproxy-');
  const [primary = 0, replica = 0] = await freePorts(2);
  const file = join(folder, 'haproxy.cfg');
  const table = { '127.0.0.1:5000': `127.0.0.1:${primary}`, '127.0.0.1:5001': `127.0.0.1:${replica}` };
  writeFileSync(file, scalingFile('haproxy.cfg', { ...cluster.substitutions, ...table }));
  await mustRun('/usr/sbin/haproxy', ['-c', '-f', file]);
  const way = daemon(folder, '/usr/sbin/haproxy', ['-db', '-f', file]);
  await waitUntil('HAProxy to listen', 10_000, () => listens(primary), way.log);
  return { ...way, substitutions: { ...table, 'port=5000': `port=${primary}` } };
}

export interface PoolerRoot {
  /** Such as `1.24.1`. */
  readonly version: string;
  /** Starts one before HAProxy. */
  start(behind: Way): Promise<Way>;
  remove(): void;
}

/** Milliseconds to fetch and install a root. */
const PATIENCE = 600_000;
/** It refuses to be root. */
const NOBODY = '65534:65534';

/** Installs the PgBouncer of another release of Debian. @param release such as `trixie` */
export async function makePoolerRoot(release: string): Promise<PoolerRoot> {
  const dir = mkdtempSync(join(tmpdir(), 'sp-pooler-'));
  chmodSync(dir, 0o755);
  endWithThisProcess(dir);
  const root = join(dir, 'root');
  const options = ['--quiet', '--mode=root', '--variant=minbase', '--include=pgbouncer'];
  await mustRun('mmdebstrap', [...options, release, root], { timeout: PATIENCE });
  const inside = [`--userspec=${NOBODY}`, root, '/usr/sbin/pgbouncer'];
  const { stdout } = await mustRun('chroot', [...inside, '--version']);
  return {
    version: /PgBouncer (\S+)/.exec(stdout.toString('utf8'))?.[1] ?? '',
    async start({ substitutions }) {
      const [port = 0] = await freePorts(1);
      const users = `/etc/pgbouncer/userlist-${port}.txt`;
      const table = { 'listen_port = 6432': `listen_port = ${port}`, '/etc/pgbouncer/userlist.txt': users };
      const file = `/etc/pgbouncer/pgbouncer-${port}.ini`;
      const settings = scalingFile('pgbouncer.ini', { ...substitutions, ...table });
      // The root's folder is its own user's.
      writeFileSync(join(root, file), settings, { mode: 0o644 });
      chmodSync(join(root, 'etc', 'pgbouncer'), 0o755);
      writeFileSync(join(root, users), scalingFile('userlist.txt', {}), { mode: 0o644 });
      const folder = mkdtempSync('/tmp/sp-bouncer-');
      const way = daemon(folder, 'chroot', [...inside, file]);
      await waitUntil('PgBouncer to listen', 10_000, () => listens(port), way.log);
      return { ...way, substitutions: { ...substitutions, '127.0.0.1:6432': `127.0.0.1:${port}` } };
    },
    remove: () => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }),
  };
}

function daemon(folder: string, program: string, args: readonly string[]): Omit<Way, 'substitutions'> {
  const path = join(folder, 'log');
  const output = openSync(path, 'a');
  const child: ChildProcess = spawn(program, args, { stdio: ['ignore', output, output] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    log: () => readFileSync(path, 'utf8').split('\n').slice(-25).join('\n'),
    async close() {
      child.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
