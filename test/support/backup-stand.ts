// A database with a wire to it and an empty one with another, and the commands backup and restore as programs that may be killed.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { createMessage, encrypt, generateKey } from 'openpgp';
import pg from 'pg';
import { expect } from 'vitest';
import { WHOLE_BYTES } from '../../receiver/queue/types.ts';
import { registerBackup } from '../../src/cli/backup.ts';
import { registerDomain } from '../../src/cli/domain.ts';
import { registerKey } from '../../src/cli/key.ts';
import { registerRestore } from '../../src/cli/restore.ts';
import { registerUser } from '../../src/cli/user.ts';
import { registerVerify } from '../../src/cli/verify.ts';
import { runCommand } from './command-line.ts';
import { type DatabaseWire, openDatabaseWire } from './database-wire.ts';
import { fillTables } from './fill-tables.ts';
import { type PrivatePostgres, startPostgres } from './private-postgres.ts';
import { fileInQueue } from './queue-stand.ts';
import { sealpostCommand } from './sealpost-process.ts';
import { importFor, openTrial, type Trial } from './trial.ts';

const REGISTERS = [
  registerBackup,
  registerDomain,
  registerKey,
  registerRestore,
  registerUser,
  registerVerify,
];
export const SPOOLED = '1700000000.M1P2.host';
export const USERS = 40;

/** The statement, and not the word in others. */
export const COMMIT = 'COMMIT\0';

export interface BackupStand {
  readonly trial: Trial;
  readonly postgres: PrivatePostgres;
  /** To the database of the backup. */
  readonly source: DatabaseWire;
  /** To the empty one. */
  readonly target: DatabaseWire;
  readonly pool: pg.Pool;
  /** Configurations: through the wire, and of the machine that is restored to. */
  readonly wired: string;
  readonly restored: string;
}

/** @param size bytes of what is sealed */
async function sealedLetter(size: number): Promise<Uint8Array> {
  const { publicKey } = await generateKey({
    userIDs: [{ email: 'user0@example.org' }],
    format: 'object',
  });
  const message = await createMessage({ binary: randomBytes(size) });
  return (await encrypt({ message, encryptionKeys: publicKey, format: 'binary' })) as Uint8Array;
}

/** @param filled tables that have at least one row each */
export async function openBackupStand(filled: readonly string[]): Promise<BackupStand> {
  const trial = await openTrial(REGISTERS, '[receiver]\nspool = "spool"\n');
  await trial.json('domain', 'add', 'example.org');
  await trial.json(
    'user',
    'add',
    ...Array.from({ length: USERS }, (_, number) => `user${number}@example.org`),
  );
  await fileInQueue(trial.database.pool, { id: 1 }, [await sealedLetter(900_000)]);
  if (filled.length > 0) {
    const { privateKey } = await generateKey({
      userIDs: [{ email: 'user0@example.org' }],
      format: 'object',
    });
    await importFor(trial, 'user0@example.org', privateKey);
    // One that lies in pieces.
    await fileInQueue(trial.database.pool, { id: 1 }, [await sealedLetter(WHOLE_BYTES + 1)]);
    await fillTables(trial.database.pool, filled);
  }
  mkdirSync(join(trial.folder, 'spool', 'new'), { recursive: true });
  mkdirSync(temporaryOf(trial));
  writeFileSync(join(trial.folder, 'spool', 'new', SPOOLED), 'Subject: not filed\n\nyet\n');
  const postgres = await startPostgres();
  const pool = new pg.Pool({ connectionString: postgres.url, max: 2 });
  pool.on('error', () => undefined);
  const source = await openDatabaseWire(trial.database.pool);
  const { username, pathname } = new URL(postgres.url);
  const target = await openDatabaseWire({
    options: {
      ...pool.options,
      host: postgres.socketFolder,
      port: postgres.port,
      user: username,
      database: pathname.slice(1),
    },
  });
  const configured = (name: string, url: string): string =>
    trial.file(
      `${name}.toml`,
      `hostname = "mx.example"\nstate_dir = "${name}"\n[database]\nurl = "${url}"\n[receiver]\nspool = "${name === 'wired' ? 'spool' : 'spool-back'}"\n`,
    );
  return {
    trial,
    postgres,
    source,
    target,
    pool,
    wired: configured('wired', source.url),
    restored: configured('restored', target.url),
  };
}

/** For temporary files of what is killed. */
const temporaryOf = ({ folder }: Trial): string => join(folder, 'temporary');

/** A command as a program of its own, that may be killed. */
export function startProgram(
  { trial }: BackupStand,
  words: readonly string[],
  stdin: 'ignore' | 'pipe' = 'ignore',
): ChildProcess {
  const { program, args } = sealpostCommand();
  return spawn(program, [...args, ...words], {
    stdio: [stdin, 'ignore', 'ignore'],
    env: { ...process.env, TMPDIR: temporaryOf(trial) },
  });
}

/** Waits until a program stands at its statement. @throws Error when it ends before */
export function heldBy(child: ChildProcess, held: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on('exit', (code) => reject(new Error(`it ended by itself, with ${code}`)));
    held.then(resolve, reject);
  });
}

export async function killed(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  const [, signal] = await ended;
  // It had not ended by itself, in order or not.
  expect(signal).toBe('SIGKILL');
}

/** A command in this process, by another configuration than the trial's. */
export async function runBy(
  config: string,
  ...words: readonly string[]
): Promise<{ code: number; err: string }> {
  const { code, stderr } = await runCommand(() => {
    const program = new Command('sealpost');
    for (const register of REGISTERS) register(program);
    return program;
  }, [...words, '--config', config]);
  return { code, err: stderr };
}

/** Files that a backup leaves beside its own name. */
export function draftsIn({ trial }: BackupStand): readonly string[] {
  return readdirSync(trial.folder).filter((name) => name.includes('.part-'));
}

/** Rows of a table of the database that is restored to; 0 where there is none. */
export async function rowsThere({ pool }: Pick<BackupStand, 'pool'>, table: string): Promise<number> {
  const { rows } = await pool.query<{ there: string | null }>('SELECT to_regclass($1) AS there', [
    `public.${table}`,
  ]);
  if (rows[0]?.there === null) return 0;
  const { rows: counted } = await pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`);
  return counted[0]?.n ?? 0;
}

export async function closeBackupStand(stand: BackupStand): Promise<void> {
  await stand.source.close();
  await stand.target.close();
  await stand.pool.end();
  await stand.trial.close();
  await stand.postgres.remove();
}
