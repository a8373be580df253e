// Enrolments in a row, and what they leave: rows of every table, files, descriptors, sockets and listeners. A few in test/e2e, ten
// thousand in test/long.
import { expect } from 'vitest';
import type { Database } from '../../src/database/open.ts';
import { enrolMany, keysFor, type ManyOptions } from './enrol-many.ts';
import { filesBelow, heldByProcess, rowsOfTables } from './left-behind.ts';
import type { PortalStand } from './portal-stand.ts';

/** PostgreSQL's own files. */
const DATABASE = ['state/postgres'];

/** What the directory's readers catch up by: it keeps the last ten thousand versions, and removes the others by the thousand. */
const CHANGES = 'public.directory_changes';
const MOST_VERSIONS = 11_000;

async function versionsKept({ pool }: Pick<Database, 'pool'>): Promise<number> {
  const { rows } = await pool.query<{ kept: string }>(
    'SELECT coalesce(max(version) - min(version), 0)::text AS kept FROM directory_changes',
  );
  return Number(rows[0]?.kept);
}

/**
 * Enrols, and expects exactly what should be there afterwards.
 * @param warmUp enrolments before, after which the pool of connections is full and every module is loaded
 */
export async function leaveNothingBehind(
  stand: PortalStand,
  warmUp: number,
  options: ManyOptions,
): Promise<void> {
  const { trial } = stand.enrolment;
  const keys = await keysFor(Math.min(options.count, 100));
  await enrolMany(stand, keys, { ...options, count: warmUp, overHttp: warmUp / 2 });
  const rows = await rowsOfTables(trial.database);
  const files = filesBelow(trial.folder, DATABASE);
  const held = heldByProcess();
  const warnings: string[] = [];
  const listen = (warning: Error): void => void warnings.push(warning.message);
  process.on('warning', listen);
  const began = performance.now();
  const { users, keys: left, keyEvents } = await enrolMany(stand, keys, options);
  const seconds = (performance.now() - began) / 1000;
  process.removeListener('warning', listen);
  process.stdout.write(
    `${users} enrolments in ${seconds.toFixed(0)} s, ${(users / seconds).toFixed(1)} a second; ${left} keys in use\n`,
  );
  const { [CHANGES]: changes, ...others } = rows;
  const and = (table: string, more: number): Readonly<Record<string, number>> => ({
    [table]: (others[table] ?? 0) + more,
  });
  const { [CHANGES]: changesNow, ...othersNow } = await rowsOfTables(trial.database);
  process.stdout.write(`rows of ${CHANGES}: ${changes} before, ${changesNow} now\n`);
  expect(await versionsKept(trial.database)).toBeLessThan(MOST_VERSIONS);
  expect(othersNow).toEqual({
    ...others,
    ...and('public.users', users),
    ...and('public.addresses', users),
    // The language of each.
    ...and('public.enrolments', users),
    ...and('public.keys', left),
    ...and('public.key_events', keyEvents),
  });
  expect(filesBelow(trial.folder, DATABASE)).toEqual(files);
  const after = heldByProcess();
  // Idle connections to the database may have ended; none may be there that was not before.
  for (const [kind, count] of Object.entries(after.descriptors))
    expect(count, `descriptors: ${kind}`).toBeLessThanOrEqual(held.descriptors[kind] ?? 0);
  expect(after.listening).toEqual(held.listening);
  expect(after.processListeners).toEqual(held.processListeners);
  expect(warnings).toEqual([]);
}
