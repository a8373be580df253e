// Applies migrations/, which drizzle-kit makes and whose journal gives their order, and tells which are applied.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Pool, PoolClient } from 'pg';
import { z } from 'zod';

/** Migrations by name (the file name without .sql), oldest first. */
export interface MigrationStatus {
  readonly applied: readonly string[];
  readonly pending: readonly string[];
  /** Applied by a newer program. They are additive, so this one works on. */
  readonly unknown: readonly string[];
}

/** A pending migration removes something, and nobody said that it may. Nothing was applied. */
export class DestructiveMigration extends Error {
  override readonly name = 'DestructiveMigration';
}

interface Migration {
  readonly name: string;
  readonly sql: string;
  /** Its first line is the comment "-- destructive". */
  readonly destructive: boolean;
}

type Connected = { readonly pool: Pool };

const journalSchema = z.object({ entries: z.array(z.object({ tag: z.string() })) });

/** "sealpost" as a number: whoever migrates holds this advisory lock for its transaction. */
const ADVISORY_LOCK = '8315161578091606900';

/**
 * The folder of the package that this file belongs to, whether it runs from sources or from dist/.
 * @throws Error when there is none: the installation is broken
 */
export function packageRoot(start: string = fileURLToPath(import.meta.url)): string {
  for (let folder = dirname(start); ; folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).name === 'sealpost') return folder;
    if (folder === dirname(folder))
      throw new Error(`no package.json of sealpost above ${start}; reinstall sealpost`);
  }
}

/** Reads the migrations of a folder in the order of its journal. */
export function readMigrations(folder: string = join(packageRoot(), 'migrations')): readonly Migration[] {
  const journal = journalSchema.parse(
    JSON.parse(readFileSync(join(folder, 'meta', '_journal.json'), 'utf8')),
  );
  return journal.entries.map(({ tag }) => {
    const sql = readFileSync(join(folder, `${tag}.sql`), 'utf8');
    return { name: tag, sql, destructive: /^\s*--\s*destructive\b/i.test(sql) };
  });
}

/**
 * Tells by name which migrations are applied, missing, or of a newer program. One query; changes nothing.
 * @param options.folder another folder than the package's own (tests)
 */
export async function migrationStatus(
  database: Connected,
  options: { folder?: string } = {},
): Promise<MigrationStatus> {
  const migrations = readMigrations(options.folder);
  return compare(migrations, await appliedNames(database.pool));
}

/**
 * Applies what is missing, each migration in a transaction of its own. Two at once are safe: they take turns.
 * @returns the names of what this call applied
 * @throws DestructiveMigration when one of them removes something and `allowDestructive` is not true
 */
export async function applyMigrations(
  database: Connected,
  options: { allowDestructive?: boolean; folder?: string } = {},
): Promise<readonly string[]> {
  const migrations = readMigrations(options.folder);
  const { pending } = compare(migrations, await appliedNames(database.pool));
  const refused = migrations.filter(({ name, destructive }) => destructive && pending.includes(name));
  if (refused.length > 0 && options.allowDestructive !== true) {
    throw new DestructiveMigration(
      `${refused.map(({ name }) => name).join(', ')} would remove tables, columns or rows; ` +
        'make a backup, then run `sealpost migrate --allow-destructive`',
    );
  }
  const applied: string[] = [];
  const client = await database.pool.connect();
  let failure: Error | undefined;
  try {
    while (pending.length > 0) {
      const name = await applyNext(client, migrations);
      if (name === null) break;
      applied.push(name);
    }
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error));
    throw error;
  } finally {
    client.release(failure);
  }
  return applied;
}

/** Applies the oldest missing migration; null when there is none (any more: another process may have been faster). */
async function applyNext(client: PoolClient, migrations: readonly Migration[]): Promise<string | null> {
  await client.query('BEGIN');
  // Large tables take their time, and so may another migrate that holds the lock.
  await unhurried(client, 'SET LOCAL statement_timeout = 0');
  await unhurried(client, `SELECT pg_advisory_xact_lock(${ADVISORY_LOCK})`);
  await client.query(
    `CREATE TABLE IF NOT EXISTS sealpost_migrations
       (name text PRIMARY KEY, applied_at timestamp with time zone NOT NULL DEFAULT now())`,
  );
  const rows = await client.query<{ name: string }>('SELECT name FROM sealpost_migrations');
  const [name] = compare(
    migrations,
    rows.rows.map((row) => row.name),
  ).pending;
  const next = migrations.find((migration) => migration.name === name);
  if (next) {
    for (const statement of next.sql.split('--> statement-breakpoint')) await unhurried(client, statement);
    await client.query('INSERT INTO sealpost_migrations (name) VALUES ($1)', [next.name]);
  }
  await client.query('COMMIT');
  return next?.name ?? null;
}

async function unhurried(client: PoolClient, text: string): Promise<void> {
  await client.query({ text, query_timeout: 3_600_000 } as { text: string });
}

function compare(migrations: readonly Migration[], applied: readonly string[]): MigrationStatus {
  const known = migrations.map(({ name }) => name);
  return {
    applied: known.filter((name) => applied.includes(name)),
    pending: known.filter((name) => !applied.includes(name)),
    unknown: applied.filter((name) => !known.includes(name)).sort(),
  };
}

async function appliedNames(pool: Pool): Promise<readonly string[]> {
  try {
    const result = await pool.query<{ name: string }>('SELECT name FROM sealpost_migrations ORDER BY name');
    return result.rows.map((row) => row.name);
  } catch (error) {
    const undefinedTable = '42P01';
    if (error instanceof Error && (error as { code?: string }).code === undefinedTable) return [];
    throw error;
  }
}
