// A private PostgreSQL cluster on a loopback port, of Debian's programs where they are installed, that tests may stop, freeze
// and start again.
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { waitUntil } from './child.ts';
import { placeCopy } from './database-template.ts';
import { endWithThisProcess } from './leftovers.ts';
import { need } from './needs.ts';
import { freePorts } from './places.ts';

need('postgresql');

export interface PrivatePostgres {
  /** postgres://... of the database `sealpost`. */
  readonly url: string;
  readonly port: number;
  /** The folder of its unix socket. */
  readonly socketFolder: string;
  start(): Promise<void>;
  /** Ends the server at once (pg_ctl's "immediate" is not needed: no data is lost). */
  stop(): Promise<void>;
  /** SIGSTOP to the server and all its processes: connections stay, nothing answers. */
  freeze(): void;
  thaw(): void;
  /** Ends it and removes its files. */
  remove(): Promise<void>;
}

/** The folder of Debian's newest PostgreSQL programs, or null. */
export function debianPostgres(): string | null {
  try {
    const versions = readdirSync('/usr/lib/postgresql').filter((name) => Number(name) >= 14);
    const newest = versions.sort((a, b) => Number(a) - Number(b)).at(-1);
    return newest === undefined ? null : join('/usr/lib/postgresql', newest, 'bin');
  } catch {
    return null;
  }
}

/** A process and its children, from /proc. */
export function withChildren(pid: number): number[] {
  const children = readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return Number(readFileSync(`/proc/${name}/stat`, 'latin1').split(') ')[1]?.split(' ')[1]) === pid;
    } catch {
      return false;
    }
  });
  return [pid, ...children.map(Number)];
}

/** Stops or continues a server and all of its children. */
function signalAll(pid: number | undefined, name: 'SIGSTOP' | 'SIGCONT'): void {
  for (const each of pid === undefined ? [] : withChildren(pid)) {
    try {
      process.kill(each, name);
    } catch {
      // It has ended meanwhile.
    }
  }
}

/**
 * Makes a cluster and starts it.
 * @param settings of postgresql.conf, as `name=value`
 */
export async function startPostgres(settings: readonly string[] = ['fsync=off']): Promise<PrivatePostgres> {
  const programs = debianPostgres();
  if (programs === null)
    throw new Error('no PostgreSQL below /usr/lib/postgresql: apt-get install postgresql');
  const root = process.getuid?.() === 0;
  const [uid, gid] = root ? [65534, 65534] : [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  const folder = mkdtempSync('/tmp/sp-pg-');
  endWithThisProcess(folder);
  chmodSync(folder, 0o755);
  const inside = join(folder, 'pg');
  mkdirSync(inside);
  chownSync(inside, uid, gid);
  const data = join(inside, 'data');
  const as = { uid, gid, cwd: '/', env: { PATH: process.env.PATH ?? '', LC_ALL: 'C' } };
  const initdb = (path: string) => {
    const args = ['-D', path, '-U', 'sealpost', '-A', 'trust', '-N', '-E', 'UTF8'];
    execFileSync(join(programs, 'initdb'), args, { ...as, stdio: 'pipe' });
  };
  const copied = await placeCopy(
    'cluster',
    (path) => {
      mkdirSync(path, { mode: 0o700 });
      chownSync(path, uid, gid);
      initdb(path);
    },
    data,
  );
  if (!copied) initdb(data);
  const [port = 0] = await freePorts(1);
  const base = `postgres://sealpost:irrelevant@127.0.0.1:${port}`;
  let ended: Promise<unknown> = Promise.resolve();
  let pid: number | undefined;
  let created = false;

  async function start(): Promise<void> {
    const args = ['listen_addresses=127.0.0.1', ...settings].flatMap((setting) => ['-c', setting]);
    const server = spawn(
      join(programs ?? '', 'postgres'),
      ['-D', data, '-k', inside, '-p', String(port), ...args],
      {
        ...as,
        stdio: 'ignore',
      },
    );
    pid = server.pid;
    ended = new Promise((resolve) => server.once('close', resolve));
    await waitUntil('the private PostgreSQL to answer', 20_000, async () => {
      const client = new pg.Client({ connectionString: `${base}/postgres` });
      client.on('error', () => undefined);
      try {
        await client.connect();
        if (!created) await client.query('CREATE DATABASE sealpost');
        created = true;
        return true;
      } catch {
        return false;
      } finally {
        await client.end().catch(() => undefined);
      }
    });
  }

  async function stop(): Promise<void> {
    if (pid === undefined) return;
    signalAll(pid, 'SIGCONT');
    process.kill(pid, 'SIGINT');
    await ended;
    pid = undefined;
  }

  await start();
  return {
    url: `${base}/sealpost`,
    port,
    socketFolder: inside,
    start,
    stop,
    freeze: () => signalAll(pid, 'SIGSTOP'),
    thaw: () => signalAll(pid, 'SIGCONT'),
    async remove() {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
