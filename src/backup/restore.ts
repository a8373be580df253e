// Restores a backup into an empty place: rows first, all of them or none, then the files. Nothing is let out in plaintext afterwards
// until somebody has accepted the state (accept.ts).
import { existsSync } from 'node:fs';
import { chown, mkdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import pg from 'pg';
import type { LoadedConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { acceptServer } from '../database/accept-server.ts';
import { redactUrl } from '../database/errors.ts';
import { messageOf } from '../database/exit.ts';
import { Refused } from '../host/exit-codes.ts';
import { replaceFile } from '../host/replace-file.ts';
import { domainOfKeyFile, submissionKeyPath, writeOnce } from '../publishing/submission-key.ts';
import type { ConfigurationFile } from './configuration.ts';
import type { Head } from './format.ts';
import { createLoader, FILES_LEFT, type Loader } from './load.ts';
import { createSpoolPlacer } from './place-spool.ts';
import { ArchiveDamaged } from './read-archive.ts';
import { configurationOf, type RestoredConfiguration, writeConfiguration } from './restored-configuration.ts';
import { SECRETS, STATE, STATE_FILES, SUBMISSION_KEYS } from './secrets.ts';
import { withConnection } from './snapshot.ts';
import { nameOf, readFrom } from './source.ts';
import { newerSchema } from './verify.ts';
import { walk } from './walk.ts';

export interface RestoreOptions {
  /** A path, or `-` for standard input. */
  readonly file: string;
  /** The configuration of this machine; null: it has none, and gets the backup's. */
  readonly existing: LoadedConfig | null;
  /** Where the backup's configuration goes then. */
  readonly target: string;
  /** Counts in place of database.url; null: that counts. */
  readonly databaseUrl: string | null;
}

export interface RestoreReport {
  /** RFC 3339: what was committed at that moment is here. */
  readonly takenAt: string;
  readonly program: string;
  readonly hostname: string;
  /** As a person knows it, without a password. */
  readonly database: string;
  readonly rows: Readonly<Record<string, number>>;
  /** The file that was written; null: this machine had its own. */
  readonly configuration: string | null;
  /** Keys of it whose values the backup does not have. */
  readonly takenOut: readonly string[];
  /** Files of the spool that were put back. */
  readonly spoolFiles: number;
  /** Secrets in the backup that a person has to put where they belong. */
  readonly secretsLeft: readonly string[];
}

/** What is known while the backup is read. */
interface State {
  readonly options: RestoreOptions;
  readonly files: ConfigurationFile[];
  head: Head | null;
  chosen: RestoredConfiguration | null;
  /** `committing`: the rows may count. `committed`: they do, and what is written from now on is not taken back. */
  phase: 'reading' | 'committing' | 'committed';
}

/**
 * Restores.
 * @throws Refused where the place is not empty, or the backup is not whole or of a newer program; DatabaseUnavailable
 */
export async function restore(options: RestoreOptions): Promise<RestoreReport> {
  const state: State = { options, files: [], head: null, chosen: null, phase: 'reading' };
  const spool = createSpoolPlacer(() => chosen(state).config.receiver.spool);
  try {
    return await load(state, spool);
  } catch (error) {
    if (state.phase === 'committed')
      throw new Refused(
        `the database is restored, and the files beside it are not all in their place: ${messageOf(error)}; ${FILES_LEFT}`,
        { cause: error },
      );
    if (state.phase === 'committing' && !isRolledBack(error))
      throw new Refused(
        `the connection to the database was lost in the very moment in which the restore was committed (${messageOf(error)}): run the command again. If it says that the database is not empty, the restore is done, and ${FILES_LEFT}`,
        { cause: error },
      );
    await spool.drop();
    if (!(error instanceof ArchiveDamaged)) throw error;
    throw new Refused(`${nameOf(options.file)}: ${error.message}; nothing was restored`, { cause: error });
  }
}

/** Whether the server itself says that nothing counts. */
function isRolledBack(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.severity === 'ERROR';
}

/** The configuration to go by: known when the first entry behind it comes. */
function chosen(state: State): RestoredConfiguration {
  const { existing, target, databaseUrl } = state.options;
  if (state.chosen !== null) return state.chosen;
  if (existing === null) state.chosen = configurationOf(state.files, target, databaseUrl);
  else {
    const { config } = existing;
    const url = databaseUrl ?? config.database.url;
    state.chosen = { config: { ...config, database: { ...config.database, url } }, files: [] };
  }
  return state.chosen;
}

async function load(state: State, spool: ReturnType<typeof createSpoolPlacer>): Promise<RestoreReport> {
  const { file } = state.options;
  const connection = createConnection();
  try {
    const { head, database, manifest, problems } = await walk(readFrom(file), {
      head: (found) => {
        state.head = found;
      },
      file: (name, bytes) => void state.files.push({ name, bytes }),
      spool: (entry) => spool.stage(entry),
      async database(found) {
        const [newer] = newerSchema(found.migrations, state.head?.program ?? 'unknown');
        if (newer !== undefined) throw new Refused(newer);
        await (await connection.open(chosen(state).config)).begin(found);
      },
      piece: async (table, bytes) => connection.loader().write(table, bytes),
    });
    if (problems.length > 0)
      throw new ArchiveDamaged(
        `it is not whole (${problems[0]}${problems.length > 1 ? `, and ${problems.length - 1} more` : ''}); "sealpost verify" names everything`,
      );
    await connection.loader().settle(manifest);
    await spool.ready();
    state.phase = 'committing';
    await connection.loader().commit();
    state.phase = 'committed';
    const { config, files } = chosen(state);
    // Whoever restores into a server says that it is the right one.
    await acceptServer(config);
    const spoolFiles = await spool.place();
    await writeConfiguration(files);
    await writeStateFiles(config, state.files);
    return {
      takenAt: database.taken_at,
      program: head.program,
      hostname: head.hostname,
      database: redactUrl(config.database.url),
      rows: manifest.rows,
      configuration: files[0]?.path ?? null,
      takenOut: files.length === 0 ? [] : head.taken_out,
      spoolFiles,
      secretsLeft: state.files.map(({ name }) => name).filter((name) => name.startsWith(SECRETS)),
    };
  } finally {
    await connection.close();
  }
}

interface Connection {
  open(config: Config): Promise<Loader>;
  /** @throws Error before it is open */
  loader(): Loader;
  /** Ends it: what was not committed is gone. */
  close(): Promise<void>;
}

/** A connection that is opened while the backup is read, and closed when that has ended. */
function createConnection(): Connection {
  const state: { loader?: Loader; end?: () => void; ended?: Promise<void> } = {};
  return {
    open: (config) =>
      new Promise((resolve, reject) => {
        state.ended = withConnection(config, (client) => {
          const loader = createLoader(client);
          state.loader = loader;
          resolve(loader);
          return new Promise<void>((end) => {
            state.end = end;
          });
        });
        state.ended.catch(reject);
      }),
    loader() {
      if (state.loader === undefined) throw new ArchiveDamaged('rows come before the head of the database');
      return state.loader;
    },
    async close() {
      state.end?.();
      await state.ended?.catch(() => undefined);
    },
  };
}

/** Puts back the secret files of state_dir that are not there, with the owner of the folder. */
async function writeStateFiles(config: Config, files: readonly ConfigurationFile[]): Promise<void> {
  for (const { name, bytes } of files) {
    const domain = name.startsWith(SUBMISSION_KEYS) ? domainOfKeyFile(basename(name)) : null;
    if (domain !== null) {
      await mkdir(config.state_dir, { recursive: true });
      await writeOnce(submissionKeyPath(config.state_dir, domain), config.state_dir, bytes);
      continue;
    }
    const known = STATE_FILES.find((each) => name === `${STATE}${each}`);
    const path = join(config.state_dir, basename(name));
    if (known === undefined || existsSync(path)) continue;
    await mkdir(config.state_dir, { recursive: true });
    await replaceFile(path, bytes);
    if (process.getuid?.() !== 0) continue;
    const { uid, gid } = await stat(config.state_dir);
    await chown(path, uid, gid);
  }
}
