// Enrolments in a row, and what they leave: rows of every table, files, descriptors, sockets and listeners. A few in test/e2e, ten
// thousand in test/long.
import { expect } from 'vitest';
import type { Database } from '../../src/database/open.ts';
import { enrolMany, keysFor, type ManyOptions, type ManyResult } from './enrol-many.ts';
import { filesBelow, type Held, heldByProcess, rowsOfTables } from './left-behind.ts';
import type { PortalStand } from './portal-stand.ts';

/** PostgreSQL's own files. */
const DATABASE = ['state/postgres'];

/** What the directory's readers catch up by: it keeps the last ten thousand versions, and removes the others by the thousand. */
const CHANGES = 'public.directory_changes';
const MOST_VERSIONS = 11_000;

/** Different keys; each is handed over by many users. */
const KEYS = 100;

export interface RowOptions extends ManyOptions {
  /** Enrolments before: afterwards the pool of connections is full, and every module is loaded. */
  readonly warmUp: number;
  /** After so many enrolments what is left is looked at. */
  readonly lookEvery: number;
}

/** What was there before. */
interface Before {
  readonly rows: Readonly<Record<string, number>>;
  readonly files: readonly string[];
  readonly held: Held;
}

/** Enrols, and expects exactly what should be there afterwards. */
export async function leaveNothingBehind(
  stand: PortalStand,
  { warmUp, lookEvery, ...options }: RowOptions,
): Promise<void> {
  const { trial } = stand.enrolment;
  const keys = await keysFor(Math.min(options.count, KEYS));
  await enrolMany(stand, keys, { ...options, count: warmUp, overHttp: warmUp / 2 });
  const before: Before = {
    rows: await rowsOfTables(trial.database),
    files: filesBelow(trial.folder, DATABASE),
    held: heldByProcess(),
  };
  const warnings: string[] = [];
  const listen = (warning: Error): void => void warnings.push(warning.message);
  process.on('warning', listen);
  const made = { users: 0, keys: 0, keyEvents: 0 };
  const began = performance.now();
  while (made.users < options.count) {
    const count = Math.min(lookEvery, options.count - made.users);
    const overHttp = Math.max(0, options.overHttp - made.users);
    const more = await enrolMany(stand, keys, { ...options, count, overHttp });
    made.users += more.users;
    made.keys += more.keys;
    made.keyEvents += more.keyEvents;
    const seconds = (performance.now() - began) / 1000;
    process.removeListener('warning', listen);
    await expectNothingElse(stand, before, made);
    process.on('warning', listen);
    const memory = Math.round(process.memoryUsage().rss / 1_000_000);
    process.stdout.write(
      `${made.users} enrolments in ${seconds.toFixed(0)} s, ${(made.users / seconds).toFixed(1)} a second; ${made.keys} keys in use; ${memory} MB\n`,
    );
  }
  process.removeListener('warning', listen);
  expect(warnings).toEqual([]);
}

async function expectNothingElse(stand: PortalStand, before: Before, made: ManyResult): Promise<void> {
  const { trial } = stand.enrolment;
  const { [CHANGES]: _, ...rows } = before.rows;
  const { [CHANGES]: __, ...rowsNow } = await rowsOfTables(trial.database);
  const and = (table: string, more: number): Readonly<Record<string, number>> => ({
    [table]: (rows[table] ?? 0) + more,
  });
  expect(rowsNow).toEqual({
    ...rows,
    ...and('public.users', made.users),
    ...and('public.addresses', made.users),
    // The language of each.
    ...and('public.enrolments', made.users),
    ...and('public.keys', made.keys),
    ...and('public.key_events', made.keyEvents),
  });
  expect(await versionsKept(trial.database)).toBeLessThan(MOST_VERSIONS);
  expect(filesBelow(trial.folder, DATABASE)).toEqual(before.files);
  const held = heldByProcess();
  // Idle connections to the database may have ended; none may be there that was not before.
  for (const [kind, count] of Object.entries(held.descriptors))
    expect(count, `descriptors: ${kind}`).toBeLessThanOrEqual(before.held.descriptors[kind] ?? 0);
  expect(held.listening).toEqual(before.held.listening);
  expect(held.processListeners).toEqual(before.held.processListeners);
}

async function versionsKept({ pool }: Pick<Database, 'pool'>): Promise<number> {
  const { rows } = await pool.query<{ kept: string }>(
    'SELECT coalesce(max(version) - min(version), 0)::text AS kept FROM directory_changes',
  );
  return Number(rows[0]?.kept);
}
