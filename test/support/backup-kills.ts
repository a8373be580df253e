// Backup and restore that end in the middle: killed, without a database, without a disk. What is left says what it is.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerBackup } from '../../src/cli/backup.ts';
import { registerDomain } from '../../src/cli/domain.ts';
import { registerRestore } from '../../src/cli/restore.ts';
import { registerUser } from '../../src/cli/user.ts';
import { registerVerify } from '../../src/cli/verify.ts';
import { waitUntil } from './child.ts';
import { runCommand } from './command-line.ts';
import { type DatabaseWire, openDatabaseWire } from './database-wire.ts';
import { skipFor } from './needs.ts';
import { type PrivatePostgres, startPostgres } from './private-postgres.ts';
import { fileInQueue } from './queue-stand.ts';
import { sealpostCommand } from './sealpost-process.ts';
import { openTrial, type Trial } from './trial.ts';

export interface KillPoints {
  /** Words of the statement of a backup, and whether the server gets it before the kill. */
  readonly backup: readonly (readonly [string, 'before' | 'after'])[];
  /** The same of a restore. */
  readonly restore: readonly (readonly [string, 'before' | 'after'])[];
  /** Shares of the archive that a restore has read when it is killed. */
  readonly shares: readonly number[];
}

const REGISTERS = [registerBackup, registerDomain, registerRestore, registerUser, registerVerify];
const SPOOLED = '1700000000.M1P2.host';
const USERS = 40;

/** The statement, and not the word in others. */
export const COMMIT = 'COMMIT\0';

interface Stand {
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

async function openStand(): Promise<Stand> {
  const trial = await openTrial(REGISTERS, '[receiver]\nspool = "spool"\n');
  await trial.json('domain', 'add', 'example.org');
  await trial.json(
    'user',
    'add',
    ...Array.from({ length: USERS }, (_, number) => `user${number}@example.org`),
  );
  await fileInQueue(trial.database.pool, { id: 1 }, [Buffer.alloc(900_000, 1)]);
  mkdirSync(join(trial.folder, 'spool', 'new'), { recursive: true });
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

/** A command as a program of its own, that may be killed. */
function startProgram(words: readonly string[], stdin: 'ignore' | 'pipe' = 'ignore'): ChildProcess {
  const { program, args } = sealpostCommand();
  return spawn(program, [...args, ...words], { stdio: [stdin, 'ignore', 'ignore'] });
}

/** Waits until a program stands at its statement. @throws Error when it ends before */
function heldBy(child: ChildProcess, held: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    child.on('exit', (code) => reject(new Error(`it ended by itself, with ${code}`)));
    held.then(resolve, reject);
  });
}

async function killed(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  const [, signal] = await ended;
  // It had not ended by itself, in order or not.
  expect(signal).toBe('SIGKILL');
}

/** A command in this process, by another configuration than the trial's. */
async function runBy(config: string, ...words: readonly string[]): Promise<{ code: number; err: string }> {
  const { code, stderr } = await runCommand(() => {
    const program = new Command('sealpost');
    for (const register of REGISTERS) register(program);
    return program;
  }, [...words, '--config', config]);
  return { code, err: stderr };
}

/** Files that a backup leaves beside its own name. */
function draftsIn({ trial }: Stand): readonly string[] {
  return readdirSync(trial.folder).filter((name) => name.includes('.part-'));
}

/** @param points where the commands are killed */
export function describeBackupKills(points: KillPoints): void {
  let stand: Stand;
  const at = (name: string): string => join(stand.trial.folder, name);
  beforeAll(async () => {
    stand = await openStand();
  });
  afterAll(async () => {
    await stand?.source.close();
    await stand?.target.close();
    await stand?.pool.end();
    await stand?.trial.close();
    await stand?.postgres.remove();
  });

  async function rowsThere(table: string): Promise<number> {
    const { rows } = await stand.pool.query<{ there: string | null }>('SELECT to_regclass($1) AS there', [
      `public.${table}`,
    ]);
    if (rows[0]?.there === null) return 0;
    const { rows: counted } = await stand.pool.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM ${table}`,
    );
    return counted[0]?.n ?? 0;
  }

  const restore = (file: string) => runBy(stand.restored, 'restore', file);

  describe('a backup', () => {
    it('has its name only when it is whole, and the next run clears up after one that was killed', async () => {
      const file = at('killed.tar');
      for (const [round, [words, when]] of points.backup.entries()) {
        const held = stand.source.holdAt(words, when);
        const child = startProgram(['backup', file, '--config', stand.wired]);
        await heldBy(child, held);
        await killed(child);
        stand.source.mend();
        // What was there under the name is what is there.
        expect(existsSync(file), words).toBe(round > 0);
        if (round > 0) expect((await stand.trial.sealpost('verify', file)).code, words).toBe(0);
        expect(draftsIn(stand), words).toHaveLength(1);
        expect(await stand.trial.sealpost('backup', file), words).toMatchObject({ code: 0 });
        expect(draftsIn(stand), words).toEqual([]);
        expect((await stand.trial.sealpost('verify', file)).out, words).toMatch(/is whole/);
      }
    });

    it('leaves nothing where the database goes away in the middle, and says so as something that passes', async () => {
      const file = at('cut.tar');
      for (const when of ['before', 'after'] as const) {
        stand.source.cutAt('FROM public."users"', when);
        const { code, err } = await runBy(stand.wired, 'backup', file);
        stand.source.mend();
        expect([code, existsSync(file), draftsIn(stand)], err).toEqual([75, false, []]);
        expect(err).toMatch(/^sealpost: [^\n]*database[^\n]*\n$/);
      }
    });

    it('leaves nothing on a disk that is full, and what was there before', async (context) => {
      const disk = at('disk');
      mkdirSync(disk);
      const file = join(disk, 'backup.tar');
      try {
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk], { stdio: 'pipe' });
      } catch {
        return skipFor(context, 'root: a file system cannot be mounted');
      }
      try {
        writeFileSync(file, 'the night before');
        const { code, out, err } = await stand.trial.sealpost('backup', file);
        expect({ code, out }).toEqual({ code: 1, out: '' });
        expect(err).toMatch(/^sealpost: [^\n]*ENOSPC[^\n]*\n$/);
        expect(readdirSync(disk)).toEqual(['backup.tar']);
        expect(readFileSync(file, 'utf8')).toBe('the night before');
      } finally {
        execFileSync('umount', [disk]);
      }
    });

    it('waits for a migration that runs, and has every row', async () => {
      const { pool } = stand.trial.database;
      const migration = await pool.connect();
      const file = at('migrated.tar');
      try {
        // As a migration that rewrites a table: whoever has an older snapshot finds it empty.
        await migration.query('BEGIN; LOCK TABLE addresses IN ACCESS EXCLUSIVE MODE');
        const backup = stand.trial.json('backup', file);
        await waitUntil('somebody waits for a lock', 10_000, async () => {
          const { rowCount } = await pool.query(
            `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'`,
          );
          return (rowCount ?? 0) > 0;
        });
        await migration.query('ALTER TABLE addresses ADD COLUMN made uuid DEFAULT gen_random_uuid()');
        await migration.query('COMMIT');
        expect(await backup).toMatchObject({ rows: { addresses: USERS } });
      } finally {
        await migration.query('ALTER TABLE addresses DROP COLUMN IF EXISTS made');
        migration.release();
      }
    });
  });

  describe('a restore', () => {
    let tar: string;
    beforeAll(async () => {
      tar = at('whole.tar');
      await stand.trial.json('backup', tar, '--with-spool');
    });

    it('that is killed before its commit leaves an empty place, which takes the next one', async () => {
      const bytes = readFileSync(tar);
      for (const share of points.shares) {
        const child = startProgram(['restore', '-', '--config', stand.restored], 'pipe');
        child.stdin?.on('error', () => undefined);
        child.stdin?.write(bytes.subarray(0, Math.floor(bytes.length * share)));
        await waitUntil('the restore is in its transaction', 10_000, async () => {
          const { rowCount } = await stand.pool.query(
            'SELECT FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()',
          );
          return (rowCount ?? 0) > 0;
        });
        await killed(child);
        expect(await rowsThere('users'), `${share}`).toBe(0);
      }
      for (const [words, when] of points.restore) {
        const held = stand.target.holdAt(words, when);
        const child = startProgram(['restore', tar, '--config', stand.restored]);
        await heldBy(child, held);
        await killed(child);
        stand.target.mend();
        expect(await rowsThere('users'), words).toBe(0);
      }
    });

    it('that is killed in the instant after its commit is told by the next one, and sends nobody’s mail', async () => {
      const held = stand.target.holdAt(COMMIT, 'after');
      const child = startProgram(['restore', tar, '--config', stand.restored]);
      await heldBy(child, held);
      await killed(child);
      stand.target.mend();
      expect(await rowsThere('users')).toBe(USERS);
      const { rows } = await stand.pool.query(
        'SELECT FROM directory_version WHERE restored_from IS NOT NULL',
      );
      expect(rows).toHaveLength(1);
      expect(await restore(tar)).toMatchObject({
        code: 1,
        err: expect.stringMatching(
          /not empty: .*It was restored before, from a backup of 20.*, and is not accepted yet; .*restored\.NAME, for new\/ without that prefix/,
        ),
      });
      // The mail that nobody has filed yet is where the sentence says.
      expect(readdirSync(at('spool-back/tmp'))).toEqual([`restored.${SPOOLED}`]);
      expect(readdirSync(at('spool-back/new'))).toEqual([]);
    });

    it('that loses its database at the commit keeps the mail of the spool, and says what to look for', async () => {
      await stand.pool.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
      stand.target.cutAt(COMMIT, 'after');
      const { code, err } = await restore(tar);
      stand.target.mend();
      expect(code).toBe(1);
      expect(err).toMatch(/lost in the very moment .*run the command again.*restored\.NAME/);
      expect(readdirSync(at('spool-back/tmp'))).toEqual([`restored.${SPOOLED}`]);
      expect((await restore(tar)).err).toMatch(/It was restored before/);
    });

    it('that loses its database before leaves nothing, and the next one does all of it', async () => {
      await stand.pool.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
      stand.target.cutAt('COPY public."users"', 'before');
      expect((await restore(tar)).code).not.toBe(0);
      stand.target.mend();
      expect(await rowsThere('users')).toBe(0);
      expect(readdirSync(at('spool-back/tmp'))).toEqual([]);
      expect(await restore(tar)).toMatchObject({ code: 0 });
      expect(await rowsThere('users')).toBe(USERS);
      expect(readdirSync(at('spool-back/new'))).toEqual([SPOOLED]);
      expect(readdirSync(at('spool-back/tmp'))).toEqual([]);
    });
  });
}
