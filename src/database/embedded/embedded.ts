// The embedded database (`embedded:`): one PostgreSQL below state_dir, used by the daemon, the command line and the pipe
// filter at the same time. Whoever comes first starts it, the last one stops it, and nobody needs to be there for long.
//
// state_dir/postgres (0700) belongs to the server's account: state_dir's owner, else user sealpost. So root
// and that account can use it. Login is by reaching the socket in it.
import { createHash } from 'node:crypto';
import { mkdirSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { addLease, countLeases, dropLease, takeLock } from '../../host/process-lock.ts';
import { createData } from './data.ts';
import { makePrivate, openToAll, ownAccount } from './private-folder.ts';
import { connectionSettings, findPrograms, type Server } from './programs.ts';
import { runningPostmaster, startServer, stopServer } from './server.ts';
import { DatabaseUnavailable } from './unavailable.ts';
import { type Account, chooseAccount, ownerOf, type ServerIdentity, serverIdentity } from './user.ts';

/** The use of an embedded server by one part of a process. */
export interface EmbeddedDatabase {
  /** The folder of everything that belongs to it. */
  readonly folder: string;
  readonly connection: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly database: string;
  };
  /** Ends the use; the last user stops the server. Never throws; twice is harmless. */
  release(): Promise<void>;
}

/** How long to wait for others that start or stop the server. Milliseconds. */
const LOCK_DEADLINE = 60_000;

/** How often a user looks whether the server has died, to start it again. Milliseconds. */
const WATCH_INTERVAL = 1000;

/** sun_path of a unix-domain address holds 107 bytes (unix(7)); PostgreSQL appends the name of its socket. */
const LONGEST_SOCKET_FOLDER = 107 - '/.s.PGSQL.5432'.length;

/**
 * Uses the embedded server of a state folder; makes its data and starts it when that is needed. While in use, a server
 * that dies is started again.
 * @throws DatabaseUnavailable with the reason and the help when it cannot be had
 */
export async function openEmbedded(stateDir: string, logger?: Logger): Promise<EmbeddedDatabase> {
  const { folder, lease, socketFolder } = await enter(resolve(stateDir));
  const watch = watchServer(folder, logger);
  let released: Promise<void> | undefined;
  const release = async (): Promise<void> => {
    await watch.end();
    try {
      await leave(folder, lease);
    } catch (error) {
      logger?.warn(
        { event: 'embedded_left', err: error },
        'the embedded database could not be left in order',
      );
    }
  };
  return {
    folder,
    connection: connectionSettings(socketFolder),
    release: () => {
      released ??= release();
      return released;
    },
  };
}

/** A lease on a server that runs. */
interface Entered {
  readonly folder: string;
  readonly lease: string;
  readonly socketFolder: string;
}

/** @throws DatabaseUnavailable */
async function enter(stateDir: string): Promise<Entered> {
  let folder = join(stateDir, 'postgres');
  try {
    const realState = realStateDir(stateDir);
    folder = join(realState, 'postgres');
    return await takeLease(folder, prepareFolders(realState, folder));
  } catch (error) {
    throw new DatabaseUnavailable(
      `the embedded database below ${folder} cannot be used: ${error instanceof Error ? error.message : error}${helpFor(error)}`,
      { cause: error },
    );
  }
}

/** What mends it, by the system's code; '' where the error says so itself. */
function helpFor(error: unknown): string {
  switch ((error as { readonly code?: unknown }).code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return '; make room on that file system';
    case 'EROFS':
      return '; mount that file system writable, or set state_dir to another one';
    case 'EACCES':
    case 'EPERM':
      return '; run sealpost as root or as the account that state_dir belongs to';
    default:
      return '';
  }
}

async function takeLease(folder: string, account: Account | null): Promise<Entered> {
  const unlock = await takeLock(join(folder, 'locks'), LOCK_DEADLINE);
  try {
    const lease = addLease(join(folder, 'leases'));
    try {
      return { folder, lease, socketFolder: await ensureRunning(folder, account, true) };
    } catch (error) {
      dropLease(lease);
      throw error;
    }
  } finally {
    unlock();
  }
}

/** Gives the lease back, and stops the server when no living process has one. */
async function leave(folder: string, lease: string): Promise<void> {
  let unlock: () => void;
  try {
    unlock = await takeLock(join(folder, 'locks'), LOCK_DEADLINE);
  } catch (error) {
    dropLease(lease);
    throw error;
  }
  try {
    dropLease(lease);
    if (countLeases(join(folder, 'leases')) === 0) await stopServer(join(folder, 'data'));
  } finally {
    unlock();
  }
}

/**
 * With the lock held: sees to it that the server runs.
 * @param create false: data that is gone is not made anew (somebody has removed it under a running program)
 * @returns the folder of its socket
 */
async function ensureRunning(folder: string, account: Account | null, create: boolean): Promise<string> {
  const data = join(folder, 'data');
  const running = runningPostmaster(data);
  if (running?.status === 'ready') return running.socketFolder;
  if (running?.status === 'stopping') await stopServer(data);
  const programs = findPrograms(data);
  const identity = serverIdentity(account, join(programs.folder, 'postgres'), dirname(folder));
  const socketFolder = settleFolders(folder, identity);
  const server: Server = { programs, data, socketFolder, log: join(folder, 'server.log'), identity };
  if (!ownerOf(data)) {
    if (!create) throw new Error(`${data} is gone`);
    await createData(server);
  }
  await startServer(server);
  return socketFolder;
}

function watchServer(folder: string, logger: Logger | undefined): { end(): Promise<void> } {
  const data = join(folder, 'data');
  let busy: Promise<void> | undefined;
  const restart = async (): Promise<void> => {
    const unlock = await takeLock(join(folder, 'locks'), LOCK_DEADLINE);
    try {
      if (runningPostmaster(data)) return;
      logger?.warn({ event: 'embedded_died', folder }, 'the embedded database has died; starting it again');
      await ensureRunning(folder, process.getuid?.() === 0 ? chooseAccount([data]) : null, false);
    } finally {
      unlock();
    }
  };
  const timer = setInterval(() => {
    if (busy || runningPostmaster(data)) return;
    busy = restart()
      .catch((error: unknown) =>
        logger?.error({ event: 'embedded_not_started', err: error }, 'the embedded database does not start'),
      )
      .finally(() => {
        busy = undefined;
      });
  }, WATCH_INTERVAL).unref();
  return {
    end: async () => {
      clearInterval(timer);
      await busy;
    },
  };
}

/** Makes the folders that everybody needs to take the lock; returns the server's account (null: our own). */
function prepareFolders(stateDir: string, folder: string): Account | null {
  const account = process.getuid?.() === 0 ? chooseAccount([join(folder, 'data'), folder, stateDir]) : null;
  const owner = ownerOf(folder);
  if (owner && !account && owner.uid !== process.getuid?.()) {
    throw new Error(
      `it belongs to uid ${owner.uid}, and this is uid ${process.getuid?.()}; run sealpost as that user or as root`,
    );
  }
  for (const path of [folder, join(folder, 'locks'), join(folder, 'leases')])
    mkdirSync(path, { recursive: true, mode: 0o700 });
  return account;
}

/** state_dir with symbolic links resolved, so that every process means the same one. Made when it is not there. */
function realStateDir(stateDir: string): string {
  // Others may pass: the server's account must get through, and what is private has folders of its own.
  if (mkdirSync(stateDir, { recursive: true }) !== undefined) openToAll(stateDir);
  return realpathSync(stateDir);
}

/**
 * The folder that holds the folder of the socket: `folder` itself, or where its path is too long for a socket a private
 * folder in /tmp (not $TMPDIR, which may differ between daemon and command line) named by a hash of the path.
 */
export function socketHome(folder: string): string {
  const fits = Buffer.byteLength(join(folder, 'run')) <= LONGEST_SOCKET_FOLDER && !/[",]/.test(folder);
  return fits ? folder : `/tmp/sealpost-${createHash('sha256').update(folder).digest('hex').slice(0, 16)}`;
}

/** Gives every folder the owner that it must have now, and makes the one of the socket. Returns the latter. */
function settleFolders(folder: string, identity: ServerIdentity): string {
  const { account, capable } = identity;
  const self = ownAccount();
  const server = account ?? self;
  // A server with a capability is out of reach of everybody but root (see ServerIdentity.capable).
  const around = capable ? self : server;
  const home = socketHome(folder);
  for (const path of [folder, join(folder, 'locks'), join(folder, 'leases'), home])
    makePrivate(path, around, [self, server]);
  const socketFolder = join(home, 'run');
  makePrivate(socketFolder, server, [self, server]);
  return socketFolder;
}
