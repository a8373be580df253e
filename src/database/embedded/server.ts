// The embedded PostgreSQL as a process: whether it runs, how it is started and stopped.
import {
  closeSync,
  constants,
  existsSync,
  fchownSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { isAlive } from '../../host/process-lock.ts';
import { connectionSettings, explainOutput, PORT, type Server, spawnAs } from './programs.ts';

const START_DEADLINE = 30_000;
const STOP_DEADLINE = 15_000;
const LOG_LIMIT = 1_000_000;

/** Given on the command line and not in postgresql.conf, so that a newer sealpost brings its own. */
const SETTINGS = [
  'listen_addresses=',
  'unix_socket_permissions=0700',
  'max_connections=200',
  'shared_buffers=32MB',
  'max_wal_size=256MB',
  'fsync=on',
  'jit=off',
  'max_parallel_workers=0',
  'max_logical_replication_workers=0',
  'autovacuum_max_workers=1',
  'log_checkpoints=off',
  'log_min_error_statement=panic',
  'log_error_verbosity=terse',
  'logging_collector=off',
  'log_destination=stderr',
  'timezone=UTC',
  'log_timezone=UTC',
];

/** What an older version does not know would keep it from starting. */
function settingsFor(major: number): readonly string[] {
  return major >= 18 ? [...SETTINGS, 'io_method=sync'] : SETTINGS;
}

/** What postmaster.pid tells of a server. */
export interface Postmaster {
  readonly pid: number;
  /** The data folder as the server knows it. */
  readonly data: string;
  readonly socketFolder: string;
  /** starting, stopping, ready or standby. */
  readonly status: string;
}

/** Reads the text of postmaster.pid (PostgreSQL manual, "Database File Layout"); null when it is not whole. Pure. */
export function parsePostmaster(text: string): Postmaster | null {
  const lines = text.split('\n');
  const pid = Number(lines[0]);
  if (!Number.isSafeInteger(pid) || pid <= 0) return null;
  return {
    pid,
    data: (lines[1] ?? '').trim(),
    socketFolder: (lines[4] ?? '').trim(),
    status: (lines[7] ?? '').trim(),
  };
}

/** The server of a data folder that runs now; null when none does, whatever postmaster.pid says. */
export function runningPostmaster(data: string): Postmaster | null {
  let postmaster: Postmaster | null;
  try {
    postmaster = parsePostmaster(readFileSync(join(data, 'postmaster.pid'), 'utf8'));
  } catch {
    return null;
  }
  if (!postmaster || !isAlive({ pid: postmaster.pid, start: null })) return null;
  return isPostmaster(postmaster) ? postmaster : null;
}

/** The process ID in a postmaster.pid left by a crash may belong to something else by now. */
function isPostmaster({ pid, data }: Postmaster): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(data);
  } catch {
    return true;
  }
}

/**
 * Starts the server and waits until it answers. It gets a session of its own: a Ctrl-C or SIGTERM for our process group
 * must not end it before us.
 * @throws Error with the end of the server's log when it does not answer within 30 s
 */
export async function startServer(server: Server): Promise<void> {
  const until = Date.now() + START_DEADLINE;
  for (;;) {
    const logged = rotateLog(server);
    const attempt = new AbortController();
    // Whoever started it before us may have been killed while it came up.
    const underWay = runningPostmaster(server.data) !== null;
    const answer = answers(server, until, attempt.signal);
    const failure = await (underWay ? answer : Promise.race([launch(server), answer]));
    attempt.abort();
    if (failure === null) return;
    const output = readLog(server, logged);
    // A killed postmaster's children need a moment to notice, and keep the shared memory until then.
    const passing = /is still in use|lock file .* already exists/.test(output);
    if (!passing || Date.now() > until)
      throw new Error(`PostgreSQL did not start (${failure}): ${explainOutput(output)}`);
    await sleep(100);
  }
}

/** Resolves to what ended the server. */
function launch(server: Server): Promise<string> {
  const log = openSync(
    server.log,
    constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW,
    0o600,
  );
  try {
    const args = [
      '-D',
      server.data,
      '-k',
      server.socketFolder,
      '-p',
      String(PORT),
      ...settingsFor(server.programs.major).flatMap((each) => ['-c', each]),
    ];
    const child = spawnAs(server, 'postgres', args, ['ignore', log, log], true);
    child.unref();
    return new Promise((resolve) => {
      child.on('error', (error) => resolve(error.message));
      child.on('exit', (code, signal) => resolve(signal ?? `exit status ${code}`));
    });
  } finally {
    closeSync(log);
  }
}

/** Resolves to null when the server answers a login, or to a text when the time is over. */
async function answers(server: Server, until: number, signal: AbortSignal): Promise<string | null> {
  let reason = 'no postmaster.pid';
  while (Date.now() < until && !signal.aborted) {
    const running = runningPostmaster(server.data);
    if (running?.status === 'ready') {
      const client = new pg.Client({
        ...connectionSettings(server.socketFolder),
        ssl: false,
        connectionTimeoutMillis: 5000,
      });
      client.on('error', () => {});
      try {
        await client.connect();
        await client.end();
        return null;
      } catch (error) {
        reason = error instanceof Error ? error.message : String(error);
      }
    } else if (running) reason = running.status;
    await sleep(5);
  }
  return `no answer within ${START_DEADLINE / 1000} s: ${reason}`;
}

/**
 * Stops the server of a data folder: a fast shutdown, and after 15 s an immediate one, from which the next start recovers.
 * @throws Error when it still runs, or belongs to somebody else
 */
export async function stopServer(data: string): Promise<void> {
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    const running = runningPostmaster(data);
    if (!running) return;
    try {
      process.kill(running.pid, signal);
    } catch (error) {
      if ((error as { code?: string }).code !== 'ESRCH') throw error;
    }
    const until = Date.now() + STOP_DEADLINE;
    while (Date.now() < until) {
      if (!isAlive({ pid: running.pid, start: null })) return;
      await sleep(5);
    }
  }
  throw new Error(`PostgreSQL in ${data} does not stop; see its log`);
}

/** Keeps the log below two megabytes; returns where the new entries will begin. */
function rotateLog(server: Server): number {
  const size = statSync(server.log, { throwIfNoEntry: false })?.size ?? 0;
  if (size < LOG_LIMIT) {
    if (size === 0) makeLog(server);
    return size;
  }
  renameSync(server.log, `${server.log}.1`);
  makeLog(server);
  return 0;
}

/** The log belongs to the server's account, whoever starts it. */
function makeLog({ log, identity }: Server): void {
  if (existsSync(log)) return;
  const descriptor = openSync(log, 'wx', 0o600);
  try {
    if (identity.account && !identity.capable)
      fchownSync(descriptor, identity.account.uid, identity.account.gid);
  } finally {
    closeSync(descriptor);
  }
}

function readLog(server: Server, from: number): string {
  try {
    const descriptor = openSync(server.log, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      return readFileSync(descriptor).subarray(from).toString('utf8');
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return '';
  }
}
