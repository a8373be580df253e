// What Node.js 22.8 and newer compiled of this program, kept for the next start. Nothing needs it.
import module from 'node:module';
import { userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * Keeps compiled code in the home folder of the account that runs this (by the passwd file: $HOME may be another's under sudo).
 * Node's own default is a folder with a known name in /tmp, which anybody can make first, and what is found there is run as it
 * is. Where the folder cannot be written, or Node.js knows no such cache, everything is compiled again.
 */
export function keepCompiled(): void {
  const { enableCompileCache } = module as { enableCompileCache?: (folder: string) => unknown };
  if (enableCompileCache === undefined || process.env.NODE_COMPILE_CACHE !== undefined) return;
  const home = homeOfAccount();
  if (home !== null && isAbsolute(home)) enableCompileCache(join(home, '.cache', 'sealpost'));
}

/** null: a uid without an account. */
function homeOfAccount(): string | null {
  try {
    return userInfo().homedir;
  } catch {
    return null;
  }
}
