// A private MariaDB on a unix socket, of Debian's programs, as an unprivileged user: for the databases of panels.
import { spawn } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun, runProgram, waitUntil } from './child.ts';

export interface PrivateMariadb {
  readonly socket: string;
  /** The DSN of a database, as root. */
  dsn(database: string): string;
  /** Runs statements. */
  run(sql: string, database?: string): Promise<void>;
  stop(): Promise<void>;
}

/** Starts it; call it only where Debian's mariadb-server is installed. */
export async function startMariadb(): Promise<PrivateMariadb> {
  const folder = mkdtempSync('/tmp/sp-my-');
  const isRoot = process.getuid?.() === 0;
  const user = isRoot ? ['--user=nobody'] : [];
  if (isRoot) chownSync(folder, 65534, 65534);
  const data = join(folder, 'data');
  const socket = join(folder, 's');
  await mustRun('mariadb-install-db', [
    '--no-defaults',
    `--datadir=${data}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    ...user,
  ]);
  const server = spawn(
    '/usr/sbin/mariadbd',
    [
      '--no-defaults',
      `--datadir=${data}`,
      `--socket=${socket}`,
      '--skip-networking',
      '--innodb-flush-log-at-trx-commit=0',
      `--pid-file=${join(folder, 'pid')}`,
      ...user,
    ],
    { stdio: 'ignore' },
  );
  const ended = new Promise((resolve) => server.once('close', resolve));
  const client = (args: readonly string[], stdin?: string) =>
    runProgram(
      'mariadb',
      ['--no-defaults', `--socket=${socket}`, '-u', 'root', ...args],
      stdin === undefined ? {} : { stdin },
    );
  await waitUntil('MariaDB answers', 60_000, async () => (await client(['-e', 'SELECT 1'])).code === 0);
  return {
    socket,
    dsn: (database) => `mysql://root@localhost/${database}?socket=${socket}`,
    async run(sql, database) {
      const { code, stderr } = await client(database === undefined ? [] : [database], sql);
      if (code !== 0) throw new Error(`mariadb: ${stderr}`);
    },
    async stop() {
      server.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
