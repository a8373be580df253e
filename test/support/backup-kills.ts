// Backup and restore that end in the middle: killed, without a database, without a disk. What is left says what it is.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type BackupStand,
  COMMIT,
  closeBackupStand,
  draftsIn,
  heldBy,
  killed,
  openBackupStand,
  rowsThere,
  runBy,
  SPOOLED,
  startProgram,
  USERS,
} from './backup-stand.ts';
import { waitUntil } from './child.ts';
import { skipFor } from './needs.ts';

export interface KillPoints {
  /** Tables that have rows: the others are passed over by a restore. */
  readonly filled: readonly string[];
  /** Words of the statement of a backup, and whether the server gets it before the kill. */
  readonly backup: readonly (readonly [string, 'before' | 'after'])[];
  /** The same of a restore. */
  readonly restore: readonly (readonly [string, 'before' | 'after'])[];
  /** Shares of the archive that a restore has read when it is killed. */
  readonly shares: readonly number[];
}

const at = ({ trial }: BackupStand, name: string): string => join(trial.folder, name);

/** @param points where the commands are killed */
export function describeBackupKills(points: KillPoints): void {
  let opened: BackupStand;
  beforeAll(async () => {
    opened = await openBackupStand(points.filled);
  });
  afterAll(async () => {
    if (opened !== undefined) await closeBackupStand(opened);
  });
  describeBackup(() => opened, points);
  describeRestore(() => opened, points);
}

function describeBackup(stand: () => BackupStand, points: KillPoints): void {
  describe('a backup', () => {
    it('has its name only when it is whole, and the next run clears up after one that was killed', async () => {
      const file = at(stand(), 'killed.tar');
      for (const [round, [words, when]] of points.backup.entries()) {
        const held = stand().source.holdAt(words, when);
        const child = startProgram(stand(), ['backup', file, '--config', stand().wired]);
        await heldBy(child, held);
        await killed(child);
        stand().source.mend();
        // What was there under the name is what is there.
        expect(existsSync(file), words).toBe(round > 0);
        if (round > 0) expect((await stand().trial.sealpost('verify', file)).code, words).toBe(0);
        expect(draftsIn(stand()), words).toHaveLength(1);
        expect(await stand().trial.sealpost('backup', file), words).toMatchObject({ code: 0 });
        expect(draftsIn(stand()), words).toEqual([]);
        expect((await stand().trial.sealpost('verify', file)).out, words).toMatch(/is whole/);
      }
    });

    it('leaves nothing where the database goes away in the middle, and says so as something that passes', async () => {
      const file = at(stand(), 'cut.tar');
      for (const when of ['before', 'after'] as const) {
        stand().source.cutAt('FROM public."users"', when);
        const { code, err } = await runBy(stand().wired, 'backup', file);
        stand().source.mend();
        expect([code, existsSync(file), draftsIn(stand())], err).toEqual([75, false, []]);
        expect(err).toMatch(/^sealpost: [^\n]*database[^\n]*\n$/);
      }
    });

    it('leaves nothing on a disk that is full, and what was there before', async (context) => {
      const disk = at(stand(), 'disk');
      mkdirSync(disk);
      const file = join(disk, 'backup.tar');
      try {
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk], { stdio: 'pipe' });
      } catch {
        return skipFor(context, 'root: a file system cannot be mounted');
      }
      try {
        writeFileSync(file, 'the night before');
        const { code, out, err } = await stand().trial.sealpost('backup', file);
        expect({ code, out }).toEqual({ code: 1, out: '' });
        expect(err).toMatch(/^sealpost: [^\n]*ENOSPC[^\n]*\n$/);
        expect(readdirSync(disk)).toEqual(['backup.tar']);
        expect(readFileSync(file, 'utf8')).toBe('the night before');
      } finally {
        execFileSync('umount', [disk]);
      }
    });

    it('waits for a migration that runs, and has every row', async () => {
      const { pool } = stand().trial.database;
      const migration = await pool.connect();
      const file = at(stand(), 'migrated.tar');
      try {
        // As a migration that rewrites a table: whoever has an older snapshot finds it empty.
        await migration.query('BEGIN; LOCK TABLE addresses IN ACCESS EXCLUSIVE MODE');
        const backup = stand().trial.json('backup', file);
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
}

function describeRestore(stand: () => BackupStand, points: KillPoints): void {
  describe('a restore', () => {
    let tar: string;
    let rows: Readonly<Record<string, number>>;
    beforeAll(async () => {
      tar = at(stand(), 'whole.tar');
      ({ rows } = (await stand().trial.json('backup', tar, '--with-spool')) as { rows: typeof rows });
    });

    it('that is killed before its commit leaves an empty place, which takes the next one', async () => {
      const bytes = readFileSync(tar);
      for (const share of points.shares) {
        const child = startProgram(stand(), ['restore', '-', '--config', stand().restored], 'pipe');
        child.stdin?.on('error', () => undefined);
        child.stdin?.write(bytes.subarray(0, Math.floor(bytes.length * share)));
        await waitUntil('the restore is in its transaction', 10_000, async () => {
          const { rowCount } = await stand().pool.query(
            'SELECT FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()',
          );
          return (rowCount ?? 0) > 0;
        });
        await killed(child);
        expect(await rowsThere(stand(), 'users'), `${share}`).toBe(0);
      }
      // A table without rows has no COPY.
      const empty = Object.keys(rows).filter((table) => rows[table] === 0);
      const reached = points.restore.filter(
        ([words]) => !empty.some((table) => words.includes(`"${table}"`)),
      );
      process.stdout.write(
        `killed at ${reached.length} of ${points.restore.length} points; without rows: ${empty.join(', ')}\n`,
      );
      for (const [words, when] of reached) {
        const held = stand().target.holdAt(words, when);
        const child = startProgram(stand(), ['restore', tar, '--config', stand().restored]);
        await heldBy(child, held);
        await killed(child);
        stand().target.mend();
        expect(await rowsThere(stand(), 'users'), words).toBe(0);
      }
    });

    it('that is killed in the instant after its commit is told by the next one, and sends nobody’s mail', async () => {
      const held = stand().target.holdAt(COMMIT, 'after');
      const child = startProgram(stand(), ['restore', tar, '--config', stand().restored]);
      await heldBy(child, held);
      await killed(child);
      stand().target.mend();
      expect(await rowsThere(stand(), 'users')).toBe(USERS);
      const { rows } = await stand().pool.query(
        'SELECT FROM directory_version WHERE restored_from IS NOT NULL',
      );
      expect(rows).toHaveLength(1);
      expect(await runBy(stand().restored, 'restore', tar)).toMatchObject({
        code: 1,
        err: expect.stringMatching(
          /not empty: .*It was restored before, from a backup of 20.*, and is not accepted yet; .*restored\.NAME, for new\/ without that prefix/,
        ),
      });
      // The mail that nobody has filed yet is where the sentence says.
      expect(readdirSync(at(stand(), 'spool-back/tmp'))).toEqual([`restored.${SPOOLED}`]);
      expect(readdirSync(at(stand(), 'spool-back/new'))).toEqual([]);
    });

    it('that loses its database at the commit keeps the mail of the spool, and says what to look for', async () => {
      await stand().pool.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
      stand().target.cutAt(COMMIT, 'after');
      const { code, err } = await runBy(stand().restored, 'restore', tar);
      stand().target.mend();
      expect(code).toBe(75);
      expect(err).toMatch(/lost in the very moment .*run the command again.*restored\.NAME/);
      expect(readdirSync(at(stand(), 'spool-back/tmp'))).toEqual([`restored.${SPOOLED}`]);
      expect((await runBy(stand().restored, 'restore', tar)).err).toMatch(/It was restored before/);
    });

    it('that loses its database before leaves nothing of its own, and the next one does all of it', async () => {
      await stand().pool.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
      stand().target.cutAt('COPY public."users"', 'before');
      expect((await runBy(stand().restored, 'restore', tar)).code).not.toBe(0);
      stand().target.mend();
      expect(await rowsThere(stand(), 'users')).toBe(0);
      // Of the one before, whose rows counted.
      expect(readdirSync(at(stand(), 'spool-back/tmp'))).toEqual([`restored.${SPOOLED}`]);
      expect(await runBy(stand().restored, 'restore', tar)).toMatchObject({ code: 0 });
      expect(await rowsThere(stand(), 'users')).toBe(USERS);
      expect(readdirSync(at(stand(), 'spool-back/new'))).toEqual([SPOOLED]);
      expect(readdirSync(at(stand(), 'spool-back/tmp'))).toEqual([]);
    });
  });
}
