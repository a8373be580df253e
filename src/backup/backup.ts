// Makes a backup while mail flows: the configuration, the spool if asked for, and after it one consistent snapshot of the database.
// In this order a message is in the spool, or in the snapshot, or in both; it is filed once all the same, since its row is named for
// its file.
import type { PublicKey } from 'openpgp';
import type { LoadedConfig } from '../config/load.ts';
import { packageVersion } from '../config/package.ts';
import { readConfiguration } from './configuration.ts';
import { noteBackup, STANDARD, writeTo } from './destination.ts';
import { DATABASE_HEAD, type DatabaseHead, FORMAT, HEAD, type Head, jsonBytes } from './format.ts';
import { sealedTo } from './seal.ts';
import { readSecrets } from './secrets.ts';
import { withSnapshot } from './snapshot.ts';
import { addSpools } from './spool.ts';
import { type ArchiveWriter, createArchive, NobodyReads } from './write-archive.ts';

export interface BackupOptions {
  /** A path, or `-` for standard output. */
  readonly file: string;
  /** Whom it is sealed to; none: it is not sealed. */
  readonly to: readonly PublicKey[];
  readonly secrets: boolean;
  readonly spool: boolean;
  /** Unix milliseconds. */
  readonly now: number;
}

export interface BackupReport {
  readonly file: string;
  /** RFC 3339: what was committed at that moment is in it. */
  readonly takenAt: string;
  readonly sealed: boolean;
  readonly secrets: boolean;
  /** Files of the spool; null: it was not asked for. */
  readonly spoolFiles: number | null;
  readonly rows: Readonly<Record<string, number>>;
  /** Keys of the configuration whose values were left out. */
  readonly takenOut: readonly string[];
}

/**
 * Writes the backup; whatever fails, no half file has the name.
 * @throws DatabaseUnavailable, DatabaseNotMigrated, Refused, and what the file system throws
 */
export async function backUp(loaded: LoadedConfig, options: BackupOptions): Promise<BackupReport> {
  const archive = createArchive(new Date(options.now));
  const filled = fill(archive, loaded, options).catch((error: unknown) => {
    archive.fail(error instanceof Error ? error : new Error(String(error)));
    throw error;
  });
  // Both have to end: the second removes what it wrote. What failed because of the other is not told.
  const [report, written] = await Promise.allSettled([filled, write(archive, options)]);
  if (report.status === 'rejected' && !(report.reason instanceof NobodyReads)) throw report.reason;
  if (written.status === 'rejected') throw written.reason;
  if (report.status === 'rejected') throw report.reason;
  if (options.file !== STANDARD) await noteBackup(loaded.config.state_dir, options.file);
  return report.value;
}

async function write(archive: ArchiveWriter, { file, to }: BackupOptions): Promise<void> {
  try {
    await writeTo(file, to.length === 0 ? archive.bytes : await sealedTo(to, archive.bytes));
  } catch (error) {
    archive.fail(error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
}

async function fill(
  archive: ArchiveWriter,
  { config, path, extraFiles }: LoadedConfig,
  { file, to, secrets, spool, now }: BackupOptions,
): Promise<BackupReport> {
  const { files, takenOut } = readConfiguration(path === null ? [] : [path, ...extraFiles], secrets);
  const head: Head = {
    format: FORMAT,
    program: packageVersion(),
    started_at: new Date(now).toISOString(),
    hostname: config.hostname,
    secrets,
    spool,
    taken_out: [...takenOut],
  };
  await archive.add(HEAD, jsonBytes(head));
  for (const each of files) await archive.add(each.name, each.bytes);
  if (secrets) for (const each of await readSecrets(config)) await archive.add(each.name, each.bytes);
  const spoolFiles = spool ? await addSpools(archive, config.receiver.spool) : null;
  const { takenAt, rows } = await withSnapshot(config, async (snapshot) => {
    await archive.add(DATABASE_HEAD, jsonBytes(snapshot.head satisfies DatabaseHead));
    for (const table of snapshot.head.tables) await archive.addRows(table.name, snapshot.copy(table));
    return { takenAt: snapshot.head.taken_at, rows: await archive.finish() };
  });
  return { file, takenAt, sealed: to.length > 0, secrets, spoolFiles, rows, takenOut };
}
