// A streaming standby of a private PostgreSQL, that tests promote; and a way to a server that leads to another one from some
// moment on, for new connections alone, as a name does after a failover.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { waitUntil } from './child.ts';
import { need } from './needs.ts';
import { freePorts } from './places.ts';
import { debianPostgres, type PrivatePostgres } from './private-postgres.ts';

need('postgresql');

export interface Standby {
  /** postgres://... of the database `sealpost`. */
  readonly url: string;
  readonly port: number;
  /** Makes it a primary, and waits until it takes writes. */
  promote(): Promise<void>;
  remove(): Promise<void>;
}

/** Copies a primary, and follows it. */
export async function startStandby(primary: PrivatePostgres): Promise<Standby> {
  const programs = debianPostgres();
  if (programs === null) throw new Error('no PostgreSQL below /usr/lib/postgresql');
  const root = process.getuid?.() === 0;
  const [uid, gid] = root ? [65534, 65534] : [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  const folder = mkdtempSync('/tmp/sp-standby-');
  chmodSync(folder, 0o755);
  const inside = join(folder, 'pg');
  mkdirSync(inside);
  chownSync(inside, uid, gid);
  const data = join(inside, 'data');
  const as = { uid, gid, cwd: '/', env: { PATH: process.env.PATH ?? '', LC_ALL: 'C' } };
  const from = `postgres://sealpost@127.0.0.1:${primary.port}/`;
  const copy = ['-D', data, '-R', '-X', 'stream', '-c', 'fast', '--no-sync', '-d', from];
  execFileSync(join(programs, 'pg_basebackup'), copy, { ...as, stdio: 'pipe' });
  const [port = 0] = await freePorts(1);
  const settings = ['listen_addresses=127.0.0.1', 'fsync=off'].flatMap((each) => ['-c', each]);
  const server = spawn(
    join(programs, 'postgres'),
    ['-D', data, '-k', inside, '-p', String(port), ...settings],
    { ...as, stdio: 'ignore' },
  );
  const ended = once(server, 'close');
  const url = `postgres://sealpost:irrelevant@127.0.0.1:${port}/sealpost`;
  await waitUntil('the standby to answer', 20_000, () => ask(url, 'SELECT 1').then(Boolean, () => false));
  return {
    url,
    port,
    async promote() {
      await ask(url, 'SELECT pg_promote(true, 30)');
    },
    async remove() {
      server.kill('SIGINT');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function ask(connectionString: string, statement: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await client.query(statement);
  } finally {
    await client.end();
  }
}

export interface Way {
  readonly port: number;
  /** New connections lead there; those that are open stay as they are. */
  leadTo(port: number): void;
  close(): Promise<void>;
}

/** Opens a port that leads to another one. */
export async function openWay(to: number): Promise<Way> {
  let target = to;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const onwards = connect(target, '127.0.0.1');
    for (const [one, other] of [
      [socket, onwards],
      [onwards, socket],
    ] as const) {
      sockets.add(one);
      one.on('error', () => undefined);
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    leadTo(port) {
      target = port;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
