// What Node.js compiled of this program, kept for the next start. Nothing needs it.
import { readFileSync } from 'node:fs';
import module, { createRequire } from 'node:module';
import { userInfo } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { constants, Script } from 'node:vm';

/**
 * Takes compiled code from where it is kept: by Node.js 22.8 and newer in the home folder of the account that runs this (by the
 * passwd file: $HOME may be another's under sudo), by an older one beside the program, where the build put it.
 * Node's own default is a folder with a known name in /tmp, which anybody can make first, and what is found there is run as it
 * is. Where the folder cannot be written, or nothing is kept, everything is compiled again.
 */
export function keepCompiled(): void {
  const { enableCompileCache } = module as { enableCompileCache?: (folder: string) => unknown };
  if (enableCompileCache === undefined) readCompiled(dirname(fileURLToPath(import.meta.url)));
  else if (process.env.NODE_COMPILE_CACHE === undefined) {
    const home = homeOfAccount();
    if (home !== null && isAbsolute(home)) enableCompileCache(join(home, '.cache', 'sealpost'));
  }
}

/** null: a uid without an account. */
function homeOfAccount(): string | null {
  try {
    return userInfo().homedir;
  } catch {
    return null;
  }
}

/**
 * Has require() take the compiled code of `folder`'s files from the `.cache` beside each of them. V8 refuses code of another
 * version, or made with other options, and compiles the text.
 */
function readCompiled(folder: string): void {
  const { extensions } = createRequire(import.meta.url);
  const plain = extensions['.js'];
  extensions['.js'] = (loaded, file) => {
    const cachedData = dirname(file) === folder ? compiledOf(file) : null;
    if (cachedData === null) return plain(loaded, file);
    // esbuild writes ASCII.
    const script = new Script(module.wrap(readFileSync(file, 'latin1')), {
      filename: file,
      cachedData,
      importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    });
    script.runInThisContext().call(loaded.exports, loaded.exports, createRequire(file), loaded, file, folder);
  };
}

function compiledOf(file: string): Buffer | null {
  try {
    return readFileSync(`${file}.cache`);
  } catch {
    return null;
  }
}
