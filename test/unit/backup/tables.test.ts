// Which tables a backup holds: every one that the migrations make, or the reason why not.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { COPIED_TABLES, OWN_TABLES, partitionBounds } from '../../../src/backup/tables.ts';
import { packageRoot } from '../../../src/config/package.ts';
import { readMigrations } from '../../../src/database/migrate.ts';

describe('the tables of a backup', () => {
  it('are all that the migrations make', () => {
    const made = readMigrations().flatMap(({ name }) => {
      const sql = readFileSync(join(packageRoot(), 'migrations', `${name}.sql`), 'utf8');
      return [...sql.matchAll(/^CREATE TABLE (?:IF NOT EXISTS )?"?(\w+)"?(?! PARTITION OF)\b/gm)]
        .map(([, table = '']) => table)
        .filter((table) => table !== 'events_other');
    });
    expect(made.length).toBeGreaterThan(20);
    const known = new Set<string>([...COPIED_TABLES, ...OWN_TABLES]);
    expect(made.filter((table) => !known.has(table))).toEqual([]);
    expect(COPIED_TABLES.filter((table) => !made.includes(table))).toEqual([]);
  });

  it('have partitions of one day each', () => {
    expect(partitionBounds('events_20261231')).toEqual({
      from: '2026-12-31T00:00:00.000Z',
      until: '2027-01-01T00:00:00.000Z',
    });
    for (const name of [
      'events_other',
      'events',
      'events_20261331',
      'users',
      'events_20261231; DROP TABLE users',
    ])
      expect(partitionBounds(name)).toBeNull();
  });
});
