// Makes a fresh machine ready: checks Node.js, installs the npm packages, the Debian packages that a purpose needs (where
// it is root), and builds. Plain JavaScript over Node's own modules, since nothing else may be there yet.
//
//   node packaging/prepare.mjs [--quickstart | --dev | --test | --long | --bench]
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { withoutServices } from './no-services.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const LOWEST_NODE = [20, 19];

/** Debian package -> programs or files that it brings. */
const PACKAGES = JSON.parse(readFileSync(join(root, 'packaging', 'debian-packages.json'), 'utf8'));

const TEST = [
  'postfix',
  'postgresql',
  'gnupg',
  'sq',
  'swaks',
  'openssl',
  'python3',
  'dovecot-imapd',
  'dovecot-lmtpd',
  'dovecot-pgsql',
  'pgbouncer',
  'groff-base',
  'systemd',
];

/** Programs that people read mail with, and what shows them without a screen and reads them aloud. */
const READERS = [
  'neomutt',
  'gpgsm',
  'thunderbird',
  'claws-mail',
  'claws-mail-pgpmime',
  'claws-mail-pgpinline',
  'claws-mail-smime-plugin',
  'xvfb',
  'xauth',
  'dbus-daemon',
  'at-spi2-core',
  'python3-pyatspi',
];

/** What signs, verifies and filters beside sealpost, and who verifies what they signed. */
const SIGNERS = ['opendkim', 'opendkim-tools', 'python3-dkim', 'rspamd', 'amavisd-new'];

const WANTED = {
  quickstart: ['postfix', 'gnupg', 'swaks'],
  dev: ['postfix', 'swaks'],
  test: TEST,
  // Other releases of Debian, in roots of their own; programs that people read mail with; databases of other programs; signers and
  // spam filters; what stands before the portal, and what asks for metrics; databases on several machines.
  long: [
    ...TEST,
    'mmdebstrap',
    'lintian',
    ...READERS,
    ...SIGNERS,
    'mariadb-server',
    'sqlite3',
    'chromium',
    'nginx',
    'caddy',
    'dirmngr',
    'gpg-wks-client',
    'iproute2',
    'prometheus',
    'patroni',
    'etcd-server',
    'haproxy',
  ],
  bench: [
    'postfix',
    'postfix-pgsql',
    'postgresql',
    'gnupg',
    'python3',
    'python3-aiosmtpd',
    'python3-m2crypto',
  ],
};

/**
 * Installs what is missing for a purpose, and builds where that runs a build: `npm test` builds by itself, `dev` runs the sources.
 * @param {'quickstart' | 'dev' | 'test' | 'long' | 'bench'} purpose
 * @returns {{ missing: { name: string, reason: string }[] }} Debian packages that could not be had, and why
 */
export function prepare(purpose) {
  checkNode();
  installNpmPackages();
  const missing = installDebianPackages(WANTED[purpose]);
  if (purpose !== 'test' && purpose !== 'long' && purpose !== 'dev') buildWhenOlder();
  return { missing };
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [lowestMajor = 0, lowestMinor = 0] = LOWEST_NODE;
  if (major > lowestMajor || (major === lowestMajor && minor >= lowestMinor)) return;
  fail(`found Node.js ${process.versions.node}, expected ${LOWEST_NODE.join('.')} or newer`);
}

function installNpmPackages() {
  const marker = join(root, 'node_modules', '.package-lock.json');
  const lock = join(root, 'package-lock.json');
  if (existsSync(marker) && statSync(marker).mtimeMs >= statSync(lock).mtimeMs) return;
  say('installing the npm packages (npm install) ...');
  // Not npm ci: it refuses a lock file that lacks optional packages of other platforms, which a registry may not have.
  const args = ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'];
  run('npm', args, 'npm install failed; is the npm registry reachable?');
}

function isThere(name) {
  return (PACKAGES[name] ?? []).every((path) => existsSync(path));
}

function installDebianPackages(names) {
  const absent = names.filter((name) => !isThere(name));
  if (absent.length === 0) return [];
  if (process.getuid?.() !== 0)
    return absent.map((name) => ({ name, reason: 'not installed, and we are not root' }));
  if (!existsSync('/usr/bin/apt-get'))
    return absent.map((name) => ({ name, reason: 'not installed, and no apt-get' }));
  say(`installing Debian packages: ${absent.join(' ')} (a minute or so) ...`);
  // What is installed here is for private instances: no service of the machine must start.
  return withoutServices(() => aptGetInstall(absent));
}

function aptGetInstall(absent) {
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  spawnSync('debconf-set-selections', [], {
    input: 'postfix postfix/main_mailer_type select No configuration\n',
    env: environment,
  });
  spawnSync('apt-get', ['update', '-qq'], { env: environment, stdio: 'ignore' });
  const installed = spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...absent], {
    env: environment,
    encoding: 'utf8',
  });
  const last = (installed.stderr ?? '').trim().split('\n').at(-1) ?? '';
  return absent
    .filter((name) => !isThere(name))
    .map((name) => ({ name, reason: `apt-get could not install it${last === '' ? '' : `: ${last}`}` }));
}

function newest(path) {
  const found = statSync(path);
  if (!found.isDirectory()) return found.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))));
}

function buildWhenOlder() {
  const built = join(root, 'dist', 'sealpost-pipe.js');
  const sources = [
    'src',
    'filters',
    'policy',
    'receiver',
    'client',
    'docs',
    'packaging',
    'package.json',
    'tsconfig.json',
  ];
  const changed = Math.max(
    ...sources
      .map((name) => join(root, name))
      .filter(existsSync)
      .map(newest),
  );
  if (existsSync(built) && statSync(built).mtimeMs >= changed) return;
  say('building (npm run build) ...');
  run('npm', ['run', '--silent', 'build'], 'the build failed');
}

function run(command, args, problem) {
  const ended = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (ended.status !== 0) fail(problem);
}

function say(text) {
  process.stdout.write(`${text}\n`);
}

function fail(text) {
  process.stderr.write(`sealpost: ${text}\n`);
  process.exit(1);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const purpose = Object.keys(WANTED).find((name) => process.argv.includes(`--${name}`)) ?? 'quickstart';
  for (const { name, reason } of prepare(purpose).missing) say(`without ${name}: ${reason}`);
}
