// The npm package: packed, and installed into an empty place without a warning.
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Finished, mustRun, runProgram } from '../../support/child.ts';
import { skipFor } from '../../support/needs.ts';
import { repository } from '../../support/places.ts';

const PATIENCE = 900_000;

describe('the npm package', () => {
  let folder: string;
  let home: string;
  let away: string | null = null;
  let installed: Finished;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sp-npm-'));
    home = join(folder, 'home');
    await mkdir(home);
    const asked = await runProgram('npm', ['view', 'commander', 'version', '--fetch-retries=0'], {
      timeout: 300_000,
    });
    if (asked.code !== 0) {
      away = `npm: the registry does not answer: ${asked.stderr.trim().split('\n')[0]}`;
      return;
    }
    // The lane has built; `npm pack` by itself does.
    await mustRun('npm', ['pack', repository, '--ignore-scripts', '--pack-destination', folder], {
      cwd: folder,
    });
    const [tarball = ''] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
    installed = await runProgram(
      'npm',
      [
        'install',
        '--global',
        '--prefix',
        home,
        '--prefer-offline',
        '--no-audit',
        '--no-fund',
        join(folder, tarball),
      ],
      { cwd: home, timeout: PATIENCE },
    );
  }, PATIENCE);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const run = (program: string, ...args: string[]): Promise<Finished> =>
    mustRun(join(home, 'bin', program), args, { cwd: home, timeout: 120_000 });

  it('is installed without a warning', (context) => {
    skipFor(context, away);
    const { code, stdout, stderr } = installed;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.toString()).toMatch(/^\s*added \d+ packages/);
  });

  it('brings the bundle: its programs run, and the private database is made', async (context) => {
    skipFor(context, away);
    for (const program of ['sealpost', 'sealpost-pipe', 'sealpost-pull'])
      expect((await run(program, '--version')).stdout.toString()).toMatch(/^\d+\.\d+\.\d+\n$/);
    const place = join(home, 'etc');
    await run(
      'sealpost',
      'init',
      '--no-input',
      '--dir',
      place,
      '--postfix-config',
      join(home, 'none'),
      '--domain',
      'example.org',
    );
    const listed = await run('sealpost', '--config', join(place, 'sealpost.toml'), 'domain', 'list');
    expect(listed.stdout.toString()).toContain('example.org');
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
