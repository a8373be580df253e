// A database as a newer program leaves it, which another node of the service, or this machine before a step back, has run.
import { loadConfig } from '../../src/config/load.ts';
import { openDatabase } from '../../src/database/open.ts';

/** Unix milliseconds of the making of a migration that no program of today brings. */
const MADE_AT = Date.UTC(2099, 0, 1);

/** Enters a migration that this program does not know. @param path of the configuration that names the database */
export async function migrateAsNewer(path: string): Promise<void> {
  const database = await openDatabase(loadConfig({ path }).config, { poolSize: 1 });
  try {
    await database.pool.query('INSERT INTO sealpost_migrations (hash, created_at) VALUES ($1, $2)', [
      'of a newer program',
      MADE_AT,
    ]);
  } finally {
    await database.close();
  }
}
