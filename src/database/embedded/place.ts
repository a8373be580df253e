// Where the embedded PostgreSQL has its data, for those who only ask: nothing of it is loaded or made.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../../config/schema.ts';

/** @param stateDir as `config.state_dir` */
export function embeddedFolder(stateDir: string): string {
  return join(stateDir, 'postgres');
}

/** Whether database.url asks for the embedded one, and it was never made. */
export function isEmbeddedMissing({ database, state_dir }: Pick<Config, 'database' | 'state_dir'>): boolean {
  return database.url === 'embedded:' && !existsSync(embeddedFolder(state_dir));
}
