// Two PostgreSQL servers under Patroni, with one etcd, on loopback ports, by the very files of docs/scaling.md; machines of it die
// by SIGKILL, stand still by SIGSTOP, and come back.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import pg from 'pg';
import { mustRun, waitUntil } from './child.ts';
import { need } from './needs.ts';
import { blocksOf, readPage } from './page-blocks.ts';
import { freePorts, type Substitutions, substitute } from './places.ts';
import { debianPostgres, withChildren } from './private-postgres.ts';

need('root', 'postgresql', 'patroni', 'etcd-server');

const BLOCKS = blocksOf(readPage('scaling.md'));

/** A file of the page, by its name. */
export function scalingFile(name: string, table: Substitutions): string {
  const text = BLOCKS.get(name);
  if (text === undefined) throw new Error(`docs/scaling.md has no block ${name}`);
  return substitute(text, table);
}

export type MemberName = 'db1' | 'db2';

export interface Cluster {
  /** What stands in the page's files in place of addresses and paths. */
  readonly substitutions: Substitutions;
  /** Who says of itself that it is the primary; null: nobody. */
  leader(): Promise<MemberName | null>;
  /** Waits for a primary, other than the one that is named. */
  newLeader(not: MemberName, ms: number): Promise<MemberName>;
  /** SIGKILL to Patroni and every process of the server, as when the machine loses its power. */
  kill(name: MemberName): void;
  /** SIGSTOP to the same: connections stay, and nothing answers. */
  freeze(name: MemberName): void;
  thaw(name: MemberName): void;
  /** Starts Patroni there, where it does not run. */
  start(name: MemberName): void;
  /** Waits until one server follows the other and is its synchronous standby. */
  whole(ms: number): Promise<void>;
  /** Through patronictl(1), to the other one. */
  switchover(): Promise<void>;
  /** Asks a server as its superuser. */
  ask(name: MemberName, statement: string): Promise<readonly Record<string, unknown>[]>;
  /** What Patroni and etcd said last. */
  logs(): string;
  close(): Promise<void>;
}

interface Member {
  readonly name: MemberName;
  readonly port: number;
  readonly rest: number;
  readonly file: string;
  readonly data: string;
  readonly log: string;
  patroni: ChildProcess | undefined;
  /** What was stopped, to be continued. */
  frozen: readonly number[];
}

/** Neither PostgreSQL nor Patroni's server may be root's. */
const NOBODY = { uid: 65534, gid: 65534 };
const MEMBERS: readonly MemberName[] = ['db1', 'db2'];

function startProgram(program: string, args: readonly string[], log: string): ChildProcess {
  const output = openSync(log, 'a');
  return spawn(program, args, {
    ...NOBODY,
    cwd: '/',
    // Patroni's children are found again by its pid, and end with it.
    stdio: ['ignore', output, output],
    env: { PATH: process.env.PATH ?? '', LC_ALL: 'C.UTF-8', HOME: '/nonexistent' },
  });
}

/** Writes Patroni's file of one member. */
function prepareMember(
  folder: string,
  name: MemberName,
  [port, rest]: readonly [number, number],
  shared: Substitutions,
): Member {
  const own = join(folder, name);
  mkdirSync(own);
  chownSync(own, NOBODY.uid, NOBODY.gid);
  const file = join(own, 'config.yml');
  const data = join(own, 'data');
  const text = scalingFile('patroni.yml', {
    ...shared,
    db1: name,
    '10.0.0.11:5432': `127.0.0.1:${port}`,
    '10.0.0.11:8008': `127.0.0.1:${rest}`,
    '/var/lib/postgresql/15/mail': data,
    '/var/lib/postgresql/patroni.pgpass': join(own, 'pgpass'),
    '/var/run/postgresql': own,
    '/usr/lib/postgresql/15/bin': debianPostgres() ?? '',
  });
  writeFileSync(file, text, { mode: 0o600 });
  chownSync(file, NOBODY.uid, NOBODY.gid);
  return { name, port, rest, file, data, log: join(own, 'patroni.log'), patroni: undefined, frozen: [] };
}

/** Starts both servers, makes the database, and waits until one follows the other. */
export async function startCluster(): Promise<Cluster> {
  const folder = mkdtempSync('/tmp/sp-patroni-');
  chmodSync(folder, 0o755);
  const [client = 0, peer = 0, ...ports] = await freePorts(6);
  const keeper = join(folder, 'etcd');
  mkdirSync(keeper, { mode: 0o700 });
  chownSync(keeper, NOBODY.uid, NOBODY.gid);
  const shared: Record<string, string> = {
    '10.0.0.11:2379,10.0.0.12:2379,10.0.0.13:2379': `127.0.0.1:${client}`,
    '10.0.0.0/24': '127.0.0.0/8',
  };
  const members = MEMBERS.map((name, index) =>
    prepareMember(folder, name, [ports[index * 2] ?? 0, ports[index * 2 + 1] ?? 0], shared),
  );
  const etcd = startEtcd(keeper, client, peer);
  const cluster = clusterOf(members, etcd, folder);
  try {
    await waitUntil(
      'etcd to answer',
      20_000,
      () => answers(`http://127.0.0.1:${client}/health`),
      cluster.logs,
    );
    for (const member of members) cluster.start(member.name);
    await cluster.whole(90_000);
    const leader = await cluster.leader();
    for (const statement of scalingFile('database.sql', {})
      .split(/;\n/)
      .filter((text) => text.trim() !== ''))
      await cluster.ask(leader ?? 'db1', statement);
    return cluster;
  } catch (error) {
    const logs = cluster.logs();
    await cluster.close();
    throw new Error(`${String(error)}\n${logs}`);
  }
}

function startEtcd(folder: string, client: number, peer: number): ChildProcess {
  const at = (port: number) => `http://127.0.0.1:${port}`;
  const urls = [
    ['--listen-client-urls', at(client)],
    ['--advertise-client-urls', at(client)],
    ['--listen-peer-urls', at(peer)],
    ['--initial-advertise-peer-urls', at(peer)],
    ['--initial-cluster', `one=${at(peer)}`],
  ].flat();
  const args = ['--name', 'one', '--data-dir', join(folder, 'data'), '--unsafe-no-fsync', ...urls];
  return startProgram('/usr/bin/etcd', args, join(folder, 'etcd.log'));
}

function clusterOf(members: readonly Member[], etcd: ChildProcess, folder: string): Cluster {
  const of = (name: MemberName): Member => members.find((member) => member.name === name) as Member;
  const leader = async (): Promise<MemberName | null> => {
    for (const { name, rest } of members) if (await answers(`http://127.0.0.1:${rest}/primary`)) return name;
    return null;
  };
  const logs = (): string =>
    [join(folder, 'etcd', 'etcd.log'), ...members.map(({ log }) => log)]
      .map((path) => `${basename(path)}:\n${tailOf(path)}`)
      .join('\n');
  const [db1, db2] = [of('db1'), of('db2')];
  return {
    substitutions: {
      ...Object.fromEntries(
        [['10.0.0.11', db1] as const, ['10.0.0.12', db2] as const].flatMap(([address, { port, rest }]) => [
          [`${address}:5432`, `127.0.0.1:${port}`],
          [`${address}:5432 check port 8008`, `127.0.0.1:${port} check port ${rest}`],
        ]),
      ),
      '10.0.0.11:5432,10.0.0.12:5432': `127.0.0.1:${db1.port},127.0.0.1:${db2.port}`,
    },
    leader,
    async newLeader(not, ms) {
      let found: MemberName | null = null;
      await waitUntil(
        `a primary other than ${not}`,
        ms,
        async () => {
          found = await leader();
          return found !== null && found !== not;
        },
        logs,
      );
      return found as unknown as MemberName;
    },
    kill: (name) => signal(processesOf(of(name)), 'SIGKILL'),
    freeze(name) {
      const member = of(name);
      member.frozen = processesOf(member);
      signal(member.frozen, 'SIGSTOP');
    },
    thaw(name) {
      signal(of(name).frozen, 'SIGCONT');
      of(name).frozen = [];
    },
    start(name) {
      const member = of(name);
      if (member.patroni?.exitCode === null && member.patroni.signalCode === null) return;
      member.patroni = startProgram('/usr/bin/patroni', [member.file], member.log);
    },
    async whole(ms) {
      await waitUntil(
        'one server to follow the other, as its synchronous standby',
        ms,
        async () => {
          const now = await leader();
          if (now === null) return false;
          const other = of(now === 'db1' ? 'db2' : 'db1');
          // As Patroni has it in etcd: what PostgreSQL says comes before it.
          return answers(`http://127.0.0.1:${other.rest}/synchronous`);
        },
        logs,
      );
    },
    async switchover() {
      const { stdout } = await mustRun('patronictl', ['-c', db1.file, 'switchover', '--force', 'mail'], {
        env: { LC_ALL: 'C.UTF-8' },
        timeout: 60_000,
      });
      // It ends with 0 whatever Patroni answered.
      if (!stdout.includes('Successfully switched over')) throw new Error(`${stdout}\n${logs()}`);
    },
    ask: (name, statement) => askServer(of(name).port, statement),
    logs,
    async close() {
      for (const member of members) {
        signal(member.frozen, 'SIGCONT');
        signal(processesOf(member), 'SIGKILL');
      }
      etcd.kill('SIGKILL');
      await waitUntil('the servers to end', 10_000, () =>
        members.every((each) => processesOf(each).length === 0),
      );
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(1000) })).ok;
  } catch {
    return false;
  }
}

async function askServer(port: number, statement: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({
    connectionString: `postgres://postgres:change-me-1@127.0.0.1:${port}/postgres`,
    connectionTimeoutMillis: 2000,
    query_timeout: 5000,
  });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Patroni, what it has started, and the server, which is no child of its own. */
function processesOf({ patroni, data }: Member): number[] {
  const running = patroni?.exitCode === null && patroni.signalCode === null ? [patroni.pid ?? 0] : [];
  let postmaster: number[] = [];
  try {
    const pid = Number(readFileSync(join(data, 'postmaster.pid'), 'latin1').split('\n')[0]);
    // A file of a server that was killed may name somebody else by now.
    if (readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(data)) postmaster = [pid];
  } catch {
    // No server runs.
  }
  return [...running, ...postmaster].flatMap(withChildren);
}

function signal(pids: readonly number[], name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch {
      // It has ended meanwhile.
    }
  }
}

function tailOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(-25).join('\n');
  } catch {
    return '';
  }
}
