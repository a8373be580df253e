// Asks postfix(1) whether it runs, and lets it read its files again.
import { Refused } from '../host/exit-codes.ts';
import { PostfixSilent, runPostfix } from './ask.ts';

const PATIENCE_MS = 30_000;

/** Whether the master daemon of a configuration runs. @param configDir as Postfix's own -c; null: where Postfix has it */
export async function isRunning(configDir: string | null): Promise<boolean> {
  return (await tell(configDir, 'status')) === null;
}

/** @throws Refused with what Postfix said */
export async function reload(configDir: string | null): Promise<void> {
  const failure = await tell(configDir, 'reload');
  if (failure !== null) throw new Refused(`the files were changed, but Postfix was not reloaded: ${failure}`);
}

/** @returns null where it did; else what it said */
async function tell(configDir: string | null, word: 'status' | 'reload'): Promise<string | null> {
  try {
    const { code, stderr } = await runPostfix('postfix', configDir, [word], { patienceMs: PATIENCE_MS });
    return code === 0 ? null : stderr.trim();
  } catch (error) {
    if (error instanceof PostfixSilent) return error.message;
    throw error;
  }
}
