// Asks postfix(1) whether it runs, and lets it read its files again.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Refused } from '../host/exit-codes.ts';
import { postfixEnvironment } from './postconf.ts';

const PATIENCE_MS = 30_000;

/** Whether the master daemon of a configuration runs. @param configDir as Postfix's own -c; null: where Postfix has it */
export async function isRunning(configDir: string | null): Promise<boolean> {
  try {
    await postfix(configDir, 'status');
    return true;
  } catch {
    return false;
  }
}

/** @throws Refused with what Postfix said */
export async function reload(configDir: string | null): Promise<void> {
  try {
    await postfix(configDir, 'reload');
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error);
    throw new Refused(`the files were changed, but Postfix was not reloaded: ${said}`);
  }
}

async function postfix(configDir: string | null, word: string): Promise<void> {
  const where = configDir === null ? [] : ['-c', configDir];
  await promisify(execFile)('postfix', [...where, word], { timeout: PATIENCE_MS, env: postfixEnvironment() });
}
