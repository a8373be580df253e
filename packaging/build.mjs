// `npm run build`: dist/ from the sources, each file compiled; and what is started, bundled: a program that has to find six
// hundred files starts a quarter of a second later. sealpost-pipe is one file, since Postfix starts it for every message;
// sealpost is a few, with compiled code beside them (program.mjs). sealpost-pull is a package of its own (client.mjs), for other
// machines.
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { packageClient } from './client.mjs';
import { bundleProgram } from './program.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');

/**
 * The first lines of sealpost-pipe, which sh(1) and Node.js both read: to Node.js the second line is a string and a
 * comment. pipe(8) gives a short PATH, and `#!/usr/bin/env node` would end with 127 where node is not on it: Postfix
 * takes that for permanent and bounces the mail. Standard error goes nowhere, since pipe(8) would put whatever Node.js
 * itself says there in front of our line; sealpost-pipe writes to standard output only.
 */
function launcher() {
  const folders = new Set(['/usr/local/bin', '/usr/bin', '/bin', dirname(process.execPath)]);
  const quoted = [...folders].map((folder) => `'${folder.replaceAll("'", "'\\''")}'`).join(':');
  return [
    '#!/bin/sh',
    [
      `":" //; PATH="\${PATH:+$PATH:}"${quoted}`,
      'unset NODE_OPTIONS',
      'command -v node >/dev/null 2>&1 && exec node --no-warnings -- "$0" "$@" 2>/dev/null',
      'echo "4.3.5 sealpost-pipe: Node.js (node) was not found on the PATH"',
      'exit 75',
    ].join('; '),
  ].join('\n');
}

/**
 * Bundles sealpost-pipe into one executable file with nothing to load but Node's own modules.
 * @param {string} outfile its folder must belong to a package of type "module", or the name end with .mjs
 */
export async function bundlePipe(outfile) {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  await build({
    absWorkingDir: root,
    entryPoints: [join(root, 'filters', 'pipe', 'main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'eof',
    banner: { js: launcher() },
    define: { SEALPOST_VERSION: JSON.stringify(version) },
    logLevel: 'silent',
  });
  chmodSync(outfile, 0o755);
}

/** Type-checks and compiles everything into dist/. */
function compile() {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const ended = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
    cwd: root,
    stdio: 'inherit',
  });
  if (ended.status !== 0) throw new Error('tsc found errors (above); "npm run check" shows them again');
}

async function timed(what, work) {
  const started = performance.now();
  await work();
  process.stdout.write(`${what} (${((performance.now() - started) / 1000).toFixed(1)} s)\n`);
}

async function main() {
  rmSync(dist, { recursive: true, force: true });
  await timed('compiled dist/', async () => compile());
  // The bundle is the program; its unbundled twin would only be wired by mistake.
  for (const folder of [join('filters', 'pipe'), 'client'])
    for (const name of ['main.js', 'main.js.map']) rmSync(join(dist, folder, name), { force: true });
  await timed('bundled dist/cli/', () => bundleProgram(root, dist));
  const pipe = join(dist, 'sealpost-pipe.js');
  await timed('bundled dist/sealpost-pipe.js', () => bundlePipe(pipe));
  await timed('made the package dist/sealpost-pull/', () => packageClient(join(dist, 'sealpost-pull')));
  process.stdout.write(`sealpost-pipe: ${Math.round(statSync(pipe).size / 1024)} KiB\n`);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main().catch((error) => {
    // Half a dist/ would look like one that can be run.
    rmSync(dist, { recursive: true, force: true });
    process.stderr.write(
      `sealpost: the build failed: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    process.exitCode = 1;
  });
}
