// Vitest's globalSetup of the end-to-end tests: the folder of database-template.ts. In a file of its own, since what vitest's
// main process imports it also transforms, and half of the house would take it minutes.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The variable that names the folder of this run's templates to the processes of the tests. */
export const TEMPLATES = 'SEALPOST_TEST_TEMPLATES';

/** Makes an empty folder for the templates. @returns what removes it after the last test */
export function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'sp-templates-'));
  chmodSync(folder, 0o755);
  process.env[TEMPLATES] = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
