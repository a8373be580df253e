// Looks whether a backup is what was written and can be used: every hash, every key, every message of the queue, every count.
import { readMigrations } from '../database/migrate.ts';
import { createRowCheck } from './check-rows.ts';
import { ArchiveDamaged } from './read-archive.ts';
import { readFrom } from './source.ts';
import { type Walked, walk } from './walk.ts';

export interface VerifyReport {
  readonly ok: boolean;
  /** What is wrong, each named. */
  readonly problems: readonly string[];
  /** RFC 3339; null where it could not be read. */
  readonly takenAt: string | null;
  /** The version of the program that made it. */
  readonly program: string | null;
  readonly secrets: boolean;
  readonly spool: boolean;
  readonly entries: number;
  readonly rows: Readonly<Record<string, number>>;
}

/**
 * Reads the backup from its first byte to its last, in constant memory.
 * @param file a path, or `-` for standard input
 * @throws Refused where it cannot be opened, or is sealed
 */
export async function verify(file: string): Promise<VerifyReport> {
  const check = createRowCheck();
  let walked: Walked;
  try {
    walked = await walk(readFrom(file), {
      head: () => undefined,
      database: () => undefined,
      table: ({ name }) => check.of(name),
    });
  } catch (error) {
    if (!(error instanceof ArchiveDamaged)) throw error;
    return {
      ok: false,
      problems: [error.message, ...check.problems],
      takenAt: null,
      program: null,
      secrets: false,
      spool: false,
      entries: 0,
      rows: {},
    };
  }
  check.end();
  const { head, database, manifest } = walked;
  const problems = [...walked.problems, ...check.problems, ...newerSchema(database.migrations, head.program)];
  return {
    ok: problems.length === 0,
    problems,
    takenAt: database.taken_at,
    program: head.program,
    secrets: head.secrets,
    spool: head.spool,
    entries: manifest.entries.length,
    rows: manifest.rows,
  };
}

/** One sentence where the backup has migrations that this program does not know; else none. */
export function newerSchema(migrations: readonly number[], program: string): readonly string[] {
  const known = new Set(readMigrations().map(({ madeAt }) => madeAt));
  return migrations.every((madeAt) => known.has(madeAt))
    ? []
    : [
        `the backup is of a newer sealpost (${program}) than this program, whose tables it does not know: use that version or a newer one`,
      ];
}
