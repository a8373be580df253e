// Databases that are made once in a run of the tests, and copied for every stand: initdb and the migrations cost some
// seconds, a copy a tenth of one. Outside of a run of vitest (the quickstart, the benchmark) there are no templates.
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { configSchema } from '../../src/config/schema.ts';
import { applyMigrations } from '../../src/database/migrate.ts';
import { openDatabase } from '../../src/database/open.ts';
import { takeLock } from '../../src/host/process-lock.ts';
import { mustRun } from './child.ts';
import { TEMPLATES } from './template-folder.ts';

/**
 * Puts a copy of a template in place.
 * @param name of the template
 * @param make makes it at the path it is given, when this is the first to ask; must leave nothing running
 * @param target a path whose folder exists, and which does not
 * @returns false where there are no templates: the caller makes its own
 */
export async function placeCopy(
  name: string,
  make: (path: string) => Promise<void> | void,
  target: string,
): Promise<boolean> {
  const folder = process.env[TEMPLATES];
  if (folder === undefined) return false;
  const template = join(folder, name);
  if (!existsSync(template)) {
    const locks = join(folder, `${name}.locks`);
    mkdirSync(locks, { recursive: true });
    const unlock = await takeLock(locks, 120_000);
    try {
      if (!existsSync(template)) await makeTemplate(template, make);
    } finally {
      unlock();
    }
  }
  await mustRun('cp', ['-a', '--reflink=auto', template, target]);
  return true;
}

/** A template is there only when it is whole. */
async function makeTemplate(template: string, make: (path: string) => Promise<void> | void): Promise<void> {
  const draft = `${template}.new`;
  rmSync(draft, { recursive: true, force: true });
  await make(draft);
  renameSync(draft, template);
}

/**
 * Puts the data of an embedded database with every migration applied below a state folder that has none yet.
 * @param stateDir absolute; made when it is not there
 * @returns false where there are no templates
 */
export async function placeMigratedDatabase(stateDir: string): Promise<boolean> {
  const home = join(stateDir, 'postgres');
  if (process.env[TEMPLATES] === undefined) return false;
  mkdirSync(stateDir, { recursive: true });
  // The server's account must get through.
  chmodSync(stateDir, 0o755);
  mkdirSync(home, { mode: 0o700 });
  return placeCopy('embedded', makeMigratedData, join(home, 'data'));
}

async function makeMigratedData(path: string): Promise<void> {
  const state = join(dirname(path), 'making');
  mkdirSync(state, { mode: 0o755 });
  try {
    const database = await openDatabase(configSchema.parse({ state_dir: state }), { requireMigrated: false });
    try {
      await applyMigrations(database);
    } finally {
      await database.close();
    }
    renameSync(join(state, 'postgres', 'data'), path);
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
}
