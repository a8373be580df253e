// The migrations folder is found and read, and a payload of a notification too.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readMigrations } from '../../../src/database/migrate.ts';
import { parseChange } from '../../../src/database/notifications.ts';

it('reads migrations in the order of the journal, tables before triggers', () => {
  const names = readMigrations().map(({ name }) => name);
  expect(names.slice(0, 2)).toEqual(['0000_tables', '0001_triggers']);
});

it('knows a destructive migration by its first line', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sealpost-migrations-'));
  try {
    mkdirSync(join(folder, 'meta'));
    writeFileSync(
      join(folder, 'meta', '_journal.json'),
      JSON.stringify({
        entries: [
          { tag: 'a', when: 1 },
          { tag: 'b', when: 2 },
        ],
      }),
    );
    writeFileSync(join(folder, 'a.sql'), '-- destructive: drops the old column\nSELECT 1');
    writeFileSync(join(folder, 'b.sql'), '-- Adds\n-- destructive\nSELECT 1');
    expect(readMigrations(folder).map(({ destructive }) => destructive)).toEqual([true, false]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

it.each([
  ['{"table":"users","key":"7"}', { table: 'users', key: '7' }],
  ['{"table":"keys","key":null}', { table: 'keys', key: null }],
  ['{"table":"of a newer program","key":"7"}', null],
  ['{"table":"users"}', null],
  ['', null],
  [undefined, null],
])('reads the notification %s as %j', (payload, change) => expect(parseChange(payload)).toEqual(change));
