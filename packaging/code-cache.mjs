// Makes FILE.js.cache for the files of a built program: what V8 compiled of them. Of those that a command loads which asks the
// database, it is what such a command compiles until it is connected; of the others, what loading them compiles.
//   node code-cache.mjs FOLDER
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import module, { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { constants, Script } from 'node:vm';

const [folder = ''] = process.argv.slice(2);
const program = join(folder, 'main.js');
const require = createRequire(program);
const plain = require.extensions['.js'];
const scripts = new Map();

/** As src/host/compile-cache.ts does it, and keeps what it compiled. */
require.extensions['.js'] = (loaded, file) => {
  if (dirname(file) !== folder || file === program) return plain(loaded, file);
  const script = new Script(module.wrap(readFileSync(file, 'latin1')), {
    filename: file,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  scripts.set(file, script);
  script
    .runInThisContext()
    .call(loaded.exports, loaded.exports, createRequire(file), loaded, file, dirname(file));
};

function keep() {
  for (const [file, script] of scripts) writeFileSync(`${file}.cache`, script.createCachedData());
  scripts.clear();
}

/** Loads what is not loaded yet; not the sealing threads' file, which begins to work. */
function loadOthers() {
  const names = readdirSync(folder).filter((name) => name.endsWith('.js'));
  for (const name of names) if (name !== 'worker.js') require(join(folder, name));
}

const state = mkdtempSync(join(tmpdir(), 'sealpost-build-'));
process.on('exit', () => {
  rmSync(state, { recursive: true, force: true });
  // Nobody listens where the database should be.
  const temporary = 75;
  if (process.exitCode !== temporary) throw new Error(`a command ended with ${process.exitCode}`);
  keep();
  loadOthers();
  keep();
  process.exitCode = 0;
});
const config = join(state, 'sealpost.toml');
writeFileSync(
  config,
  `state_dir = ${JSON.stringify(state)}\n[database]\nurl = "postgres://nobody@127.0.0.1:1/none"\n`,
);
process.argv = [process.execPath, program, 'user', 'list', '--config', config];
require(program);
