// Applies migrations/, made by drizzle-kit, through drizzle's own migrator, and tells by name which are applied.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DrizzleQueryError } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate } from 'drizzle-orm/node-postgres/migrator';
import pg from 'pg';
import * as z from 'zod';
import { packageRoot } from '../config/package.ts';
import { connectClient } from './client.ts';

/** Migrations by name (the file name without .sql), oldest first. */
export interface MigrationStatus {
  readonly applied: readonly string[];
  readonly pending: readonly string[];
  /** Applied by a newer program, by the moment they were made. They are additive, so this one works on. */
  readonly unknown: readonly string[];
}

/** A pending migration removes something, and nobody said that it may. Nothing was applied. */
export class DestructiveMigration extends Error {
  override readonly name = 'DestructiveMigration';
}

interface Migration {
  readonly name: string;
  /** Unix milliseconds of its making: what drizzle's table knows it by. */
  readonly madeAt: number;
  /** Its first line is the comment "-- destructive". Read when it is asked for: every command asks for the names alone. */
  readonly destructive: boolean;
}

type Connected = { readonly pool: Pick<pg.Pool, 'query'> };

const journalSchema = z.object({ entries: z.array(z.object({ tag: z.string(), when: z.number() })) });

/** "sealpost" as a number: whoever migrates holds this advisory lock. */
export const ADVISORY_LOCK = '8315161578091606900';

/** Where drizzle's migrator keeps its account. */
const ACCOUNT = { migrationsSchema: 'public', migrationsTable: 'sealpost_migrations' } as const;

/** Reads the migrations of a folder in the order of its journal. */
export function readMigrations(folder: string = migrationsFolder()): readonly Migration[] {
  const journal = journalSchema.parse(
    JSON.parse(readFileSync(join(folder, 'meta', '_journal.json'), 'utf8')),
    { jitless: true },
  );
  return journal.entries.map(({ tag, when }) => ({
    name: tag,
    madeAt: when,
    get destructive() {
      return /^\s*--\s*destructive\b/i.test(readFileSync(join(folder, `${tag}.sql`), 'utf8'));
    },
  }));
}

function migrationsFolder(): string {
  return join(packageRoot(), 'migrations');
}

/**
 * Tells by name which migrations are applied, missing, or of a newer program. One query; changes nothing.
 * @param options.folder another folder than the package's own (tests)
 */
export async function migrationStatus(
  database: Connected,
  options: { folder?: string } = {},
): Promise<MigrationStatus> {
  return compare(readMigrations(options.folder), await appliedMoments(database.pool));
}

/**
 * Applies what is missing, all of it in one transaction. Two at once are safe: they take turns.
 * @returns the names of what this call applied
 * @throws DestructiveMigration when one of them removes something and `allowDestructive` is not true; Error with the
 *   commands that help where the role has not the rights
 */
export async function applyMigrations(
  database: { readonly pool: pg.Pool },
  options: { allowDestructive?: boolean; folder?: string } = {},
): Promise<readonly string[]> {
  const folder = options.folder ?? migrationsFolder();
  const migrations = readMigrations(folder);
  // A connection of its own, without the pool's deadlines: large tables take their time, and so may another migrate.
  const settings = { ...database.pool.options, query_timeout: 0, statement_timeout: 0 };
  // The lock ends with its transaction, and not with a session that a pooler would give to others.
  const guard = await connectClient(settings);
  try {
    await guard.query(
      `BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0; SELECT pg_advisory_xact_lock(${ADVISORY_LOCK})`,
    );
    const client = await connectClient(settings);
    try {
      const { pending } = compare(migrations, await appliedMoments(client));
      const refused = migrations.filter((each) => pending.includes(each.name) && each.destructive);
      if (refused.length > 0 && options.allowDestructive !== true) {
        throw new DestructiveMigration(
          `${refused.map(({ name }) => name).join(', ')} would remove tables, columns or rows; ` +
            'make a backup, then run `sealpost migrate --allow-destructive`',
        );
      }
      if (pending.length > 0)
        await migrate(drizzle(client), { migrationsFolder: folder, ...ACCOUNT }).catch((error: unknown) => {
          throw withRightsNamed(error, client);
        });
      return pending;
    } finally {
      await client.end();
    }
  } finally {
    // The end of the transaction gives the lock back.
    await guard.query('ROLLBACK').catch(() => undefined);
    await guard.end();
  }
}

/**
 * Applies migrations in the transaction that a connection is in: they count when it does.
 * @param level the migrations to apply, by the moment of their making; default: all that are missing
 * @throws Error with the commands that help where the role has not the rights
 */
export async function migrateWithin(client: pg.Client, level?: readonly number[]): Promise<void> {
  const folder = level === undefined ? null : folderOf(level);
  try {
    await migrate(drizzle(withinTransaction(client)), {
      migrationsFolder: folder ?? migrationsFolder(),
      ...ACCOUNT,
    });
  } catch (error) {
    throw withRightsNamed(error, client);
  } finally {
    if (folder !== null) rmSync(folder, { recursive: true, force: true });
  }
}

/** A folder with only some of the migrations: drizzle's migrator applies all that it finds. */
function folderOf(level: readonly number[]): string {
  const all = migrationsFolder();
  const folder = mkdtempSync(join(tmpdir(), 'sealpost-migrations-'));
  mkdirSync(join(folder, 'meta'));
  const journal = JSON.parse(readFileSync(join(all, 'meta', '_journal.json'), 'utf8')) as {
    entries: { when: number; tag: string }[];
  };
  const entries = journal.entries.filter(({ when }) => level.includes(when));
  for (const { tag } of entries) cpSync(join(all, `${tag}.sql`), join(folder, `${tag}.sql`));
  writeFileSync(join(folder, 'meta', '_journal.json'), JSON.stringify({ ...journal, entries }));
  return folder;
}

/** The connection for a migrator that begins a transaction of its own: a savepoint stands for it. */
function withinTransaction(client: pg.Client): pg.Client {
  const instead: Readonly<Record<string, string>> = {
    begin: 'SAVEPOINT sealpost_migrate',
    commit: 'RELEASE SAVEPOINT sealpost_migrate',
    rollback: 'ROLLBACK TO SAVEPOINT sealpost_migrate',
  };
  const query = (config: { readonly text: string }, values: unknown[]) =>
    client.query({ ...config, text: instead[config.text.trim()] ?? config.text }, values);
  return Object.assign(Object.create(client) as pg.Client, { query });
}

/** What the role lacks; drizzle's migrator begins with CREATE SCHEMA IF NOT EXISTS, for which PostgreSQL asks the first of them. */
function withRightsNamed(error: unknown, client: pg.Client): unknown {
  const insufficientPrivilege = '42501';
  const cause = error instanceof DrizzleQueryError ? error.cause : error;
  if (!(cause instanceof pg.DatabaseError) || cause.code !== insufficientPrivilege) return error;
  const [role, name] = [client.user ?? 'the role', client.database ?? ''].map((each) =>
    pg.escapeIdentifier(each),
  );
  return new Error(
    `${cause.message}: migrations need CREATE on the database and on its schema public. As a superuser: ` +
      `GRANT CREATE ON DATABASE ${name} TO ${role}; and in that database: GRANT CREATE ON SCHEMA public TO ${role}`,
    { cause: error },
  );
}

function compare(migrations: readonly Migration[], applied: readonly number[]): MigrationStatus {
  const isApplied = ({ madeAt }: Migration): boolean => applied.includes(madeAt);
  return {
    applied: migrations.filter(isApplied).map(({ name }) => name),
    pending: migrations.filter((migration) => !isApplied(migration)).map(({ name }) => name),
    unknown: applied
      .filter((moment) => !migrations.some(({ madeAt }) => madeAt === moment))
      .map((moment) => `made ${new Date(moment).toISOString()}`),
  };
}

async function appliedMoments(connection: Pick<pg.Pool, 'query'>): Promise<readonly number[]> {
  try {
    const result = await connection.query<{ created_at: string }>(
      `SELECT created_at FROM ${ACCOUNT.migrationsSchema}.${ACCOUNT.migrationsTable} ORDER BY created_at`,
    );
    return result.rows.map((row) => Number(row.created_at));
  } catch (error) {
    const undefinedTable = '42P01';
    if (error instanceof Error && (error as { code?: string }).code === undefinedTable) return [];
    throw error;
  }
}
