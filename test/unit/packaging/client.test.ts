// The package for a user's own machine, as the build makes it: what is in it, and what it asks of npm.
// @module-tag slow
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import type { Metafile } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asPull } from '../../../client/command.ts';
import { packageClient } from '../../../packaging/client.mjs';
import { repository } from '../../support/places.ts';

let folder: string;
let metafile: Metafile;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sp-'));
  metafile = await packageClient(folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const json = async (path: string) => JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;

/** What the bundle loads when it runs, Node's own modules left out. */
function loaded(): readonly string[] {
  const imports = Object.values(metafile.outputs).flatMap((output) => output.imports);
  const names = imports.filter(({ external }) => external).map(({ path }) => path);
  return [...new Set(names)].filter((name) => !name.startsWith('node:')).sort();
}

describe('the package sealpost-pull', () => {
  it('is made of the client and of rooms that know no server: no database, no configuration, no npm package', () => {
    const rooms = ['client/', 'src/pacing/', 'src/queue-api/', 'src/host/', 'src/message/', 'src/openpgp/'];
    const inputs = Object.keys(metafile.inputs);
    expect(inputs).toContain('client/pull/pull.ts');
    expect(inputs.filter((input) => !rooms.some((room) => input.startsWith(room)))).toEqual([]);
  });

  it('loads commander, openpgp and zod, and nothing else', () => {
    expect(loaded()).toEqual(['commander', 'openpgp', 'zod']);
  });

  it('depends on what it loads, and on what openpgp loads by itself, in the versions of the server', async () => {
    const { dependencies } = (await json(join(repository, 'package.json'))) as {
      dependencies: Record<string, string>;
    };
    const wanted = [...loaded(), 'eckey-utils'];
    expect(await json(join(folder, 'package.json'))).toMatchObject({
      name: 'sealpost-pull',
      bin: { 'sealpost-pull': 'sealpost-pull.js' },
    });
    expect((await json(join(folder, 'package.json'))).dependencies).toEqual(
      Object.fromEntries(wanted.map((name) => [name, dependencies[name]])),
    );
    const openpgp = await readFile(join(repository, 'node_modules/openpgp/dist/node/openpgp.mjs'), 'utf8');
    const byItself = [...openpgp.matchAll(/nodeRequire\('([a-z-]+)'\)/g)].map(([, name = '']) => name);
    expect([...new Set(byItself)].filter((name) => !isBuiltin(name))).toEqual(['eckey-utils']);
  });

  it('brings its licence, its manual page and how it is used', async () => {
    expect((await readdir(folder)).sort()).toEqual([
      'LICENSE',
      'README.md',
      'package.json',
      'sealpost-pull.1',
      'sealpost-pull.js',
    ]);
  });

  it('has a manual page that names every option, and no other', async () => {
    const page = await readFile(join(folder, 'sealpost-pull.1'), 'utf8');
    const described = [...page.matchAll(/^\.It Fl -([a-z-]+)/gm)].map(([, name]) => `--${name}`);
    const options = asPull(new Command('sealpost-pull'), 'sealpost-pull').options.map(({ long }) => long);
    expect([...described].sort()).toEqual([...options].sort());
  });
});
