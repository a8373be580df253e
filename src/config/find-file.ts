// Which sealpost.toml counts, and whether root may trust it.
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ConfigError } from './errors.ts';

export interface FileOptions {
  /** The file of --config; it must exist. */
  readonly path?: string;
  /** The last place looked at, by root the first one; default: /etc/sealpost/sealpost.toml */
  readonly systemFile?: string;
  /** Who asks; default: this process. */
  readonly uid?: number;
}

/** A file that was read. */
export interface Source {
  readonly path: string;
  readonly text: string;
  /** Root found it where it stands: neither it nor what belongs to it may be somebody else's. */
  readonly guarded: boolean;
}

/**
 * Reads the first of: `path`, `$SEALPOST_CONFIG`, `./sealpost.toml`, `/etc/sealpost/sealpost.toml`; null where there is neither of
 * the last two. For root these change places, and `./sealpost.toml` must be one that nobody else can have put there: it says
 * which database a command of root's changes, and which programs run.
 * @throws ConfigError where it cannot be read, or is not to be trusted
 */
export function findFile(
  options: FileOptions,
  cwd: string,
  env: Readonly<Record<string, string | undefined>>,
): Source | null {
  if (options.path !== undefined)
    return readSource(resolve(cwd, options.path), 'an existing file for --config');
  const named = env.SEALPOST_CONFIG;
  if (named !== undefined && named !== '') {
    return readSource(resolve(cwd, named), 'an existing file in $SEALPOST_CONFIG');
  }
  const local = resolve(cwd, 'sealpost.toml');
  const system = resolve(cwd, options.systemFile ?? '/etc/sealpost/sealpost.toml');
  if ((options.uid ?? process.getuid?.()) !== 0) return readSource(local, null) ?? readSource(system, null);
  const found = readSource(system, null);
  if (found !== null) return found;
  return readSource(local, null, true);
}

/**
 * Reads a further file of the same configuration.
 * @throws ConfigError where it cannot be read, or is not to be trusted
 */
export function readExtra(path: string, guarded: boolean): Source {
  const read = readSource(path, 'a readable TOML file', guarded);
  if (read !== null) return read;
  throw new ConfigError([{ file: path, key: '', ...unreadable('ENOENT', null) }]);
}

interface Access {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/**
 * Whether somebody else than root may have written a file, or may put another one in its place. Pure.
 * @param file, folder what stat(2) says
 */
export function isForeign(file: Access, folder: Access): boolean {
  return [file, folder].some(
    ({ uid, gid, mode }) => uid !== 0 || (mode & 0o002) !== 0 || (gid !== 0 && (mode & 0o020) !== 0),
  );
}

/** @throws ConfigError rather than to go on without the file: the defaults would lie in that very folder */
function refuseForeign(path: string): void {
  const file = statSync(path, { throwIfNoEntry: false });
  const folder = statSync(dirname(path), { throwIfNoEntry: false });
  if (file === undefined || folder === undefined || !isForeign(file, folder)) return;
  const whose =
    file.uid === 0 ? 'a file that others than root can change or replace' : `a file of uid ${file.uid}`;
  throw new ConfigError([
    {
      file: path,
      key: '',
      found: whose,
      expected:
        "root's own file in a folder of root's that nobody else can write to; root looks in /etc/sealpost first, and --config names any other",
    },
  ]);
}

/**
 * @param required what is expected where there is no file; null: then there is nothing to read
 * @param guarded whether it must be root's own
 */
function readSource(path: string, required: string | null, guarded = false): Source | null {
  if (guarded) refuseForeign(path);
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const code = errorCode(error);
    if (required === null && (code === 'ENOENT' || code === 'ENOTDIR')) return null;
    throw new ConfigError([{ file: path, key: '', ...unreadable(code, required) }]);
  }
  try {
    // TextDecoder drops a byte order mark, which TOML allows.
    return { path, text: new TextDecoder('utf-8', { fatal: true }).decode(bytes), guarded };
  } catch {
    const found = 'bytes that are not UTF-8';
    throw new ConfigError([{ file: path, key: '', found, expected: 'a TOML file in UTF-8' }]);
  }
}

/** Why a file cannot be read, by the code of the system's error. */
export function unreadable(code: string, required: string | null): { found: string; expected: string } {
  const expected = required ?? 'a readable TOML file';
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return { found: 'no such file', expected: `${expected}; "sealpost init" writes one` };
    case 'EISDIR':
      return { found: 'a directory', expected: 'a TOML file' };
    case 'EACCES':
    case 'EPERM':
      return {
        found: 'no permission to read it',
        expected: `a file that uid ${process.getuid?.()} may read`,
      };
    default:
      return { found: `a read error (${code})`, expected };
  }
}

/** Such as `ENOENT`. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
}
