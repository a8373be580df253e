// The client for a user's own machine: dist/sealpost-pull/ is a small npm package of its own, made from client/. It brings what
// it needs of the rest in its one file, and of npm only what is listed here.
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The packages that client/ may import; they stay outside the bundle and are installed beside it. */
const IMPORTED = ['commander', 'openpgp', 'zod'];

/** OpenPGP.js loads it by itself, for Brainpool keys, and does not name it among its dependencies. */
const LOADED_BY_OPENPGP = 'eckey-utils';

/**
 * Makes the package's folder, which has to be empty or missing.
 * @param {string} folder
 * @returns {Promise<import('esbuild').Metafile>} what the bundle was made from
 */
export async function packageClient(folder) {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const program = join(folder, 'sealpost-pull.js');
  mkdirSync(folder, { recursive: true });
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [join(root, 'client', 'main.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    external: IMPORTED,
    define: { SEALPOST_VERSION: JSON.stringify(manifest.version) },
    metafile: true,
    logLevel: 'silent',
  });
  chmodSync(program, 0o755);
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  copyFileSync(join(root, 'docs', 'pull.md'), join(folder, 'README.md'));
  copyFileSync(join(root, 'packaging', 'man', 'sealpost-pull.1'), join(folder, 'sealpost-pull.1'));
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifestOf(manifest), null, 2)}\n`);
  return metafile;
}

/** The client's package.json: the server's, with less in it. */
function manifestOf({ version, license, type, engines, dependencies }) {
  return {
    name: 'sealpost-pull',
    version,
    description:
      "Fetches a user's mail from sealpost's encrypted queue, decrypts it, and writes it to a Maildir",
    license,
    type,
    private: true,
    engines,
    bin: { 'sealpost-pull': 'sealpost-pull.js' },
    man: './sealpost-pull.1',
    dependencies: Object.fromEntries(
      [...IMPORTED, LOADED_BY_OPENPGP].sort().map((name) => [name, dependencies[name]]),
    ),
  };
}
