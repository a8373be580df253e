// One change of a Postfix at a time, after whatever a killed one has left is brought to an end.
import { access, constants, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Refused } from '../host/exit-codes.ts';
import { takeLock } from '../host/process-lock.ts';
import { type Recovered, recover } from './exchange.ts';
import { recordsFolder } from './records.ts';

/** Milliseconds: another run takes a few seconds at most. */
const LOCK_PATIENCE_MS = 30_000;

/** Runs one at a time, after whatever an interrupted run has left is brought to an end. */
export async function underLock<T>(
  configDir: string,
  task: (configDir: string, recovered: Recovered | null) => Promise<T>,
): Promise<T> {
  const folder = recordsFolder(configDir);
  await access(configDir, constants.W_OK).catch(() => {
    throw new Refused(`${configDir} cannot be written by this user: run this as root`);
  });
  const lock = join(folder, 'lock');
  await mkdir(lock, { recursive: true, mode: 0o700 });
  const { uid, mode } = await stat(folder);
  if (uid !== process.getuid?.() || (mode & 0o022) !== 0)
    throw new Refused(
      `${folder} must belong to this user and be writable by nobody else: what lies in it is put back as it is`,
    );
  const release = await takeLock(lock, LOCK_PATIENCE_MS);
  try {
    return await task(configDir, await recover(configDir));
  } finally {
    release();
  }
}
