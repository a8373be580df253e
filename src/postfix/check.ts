// Asks Postfix about files that are not in their place yet: `postfix check` on a copy of the configuration.
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PostfixSilent, runPostfix } from './ask.ts';
import { type Contents, FILES, recordsFolder } from './records.ts';

const PATIENCE_MS = 60_000;
/** No plan adds a second definition of a name, and one that gives the last of two another value makes postconf(1) say so. */
const STANDS_TWICE = /: overriding earlier entry: /;

/**
 * Checks new files beside everything else of a configuration folder.
 * @returns what Postfix has against them, and not against the files that are there, or that it gave no answer; empty: nothing
 */
export async function checkContents(configDir: string, contents: Contents): Promise<readonly string[]> {
  const parent = recordsFolder(configDir);
  await mkdir(parent, { recursive: true, mode: 0o700 });
  const copy = await mkdtemp(join(parent, 'check-'));
  try {
    for (const name of await readdir(configDir))
      if (!isOneOf(FILES, name) && name !== 'sealpost-applied')
        await symlink(join(configDir, name), join(copy, name));
    for (const file of FILES) await writeFile(join(copy, file), contents[file], { mode: 0o644 });
    const complaints = await complaintsOf(copy);
    const before = new Set((complaints.length === 0 ? [] : await complaintsOf(configDir)).map(gistOf));
    const fresh = complaints.filter((line) => !before.has(gistOf(line)));
    if (fresh.length > 0) return fresh;
    const { code, stderr } = await runPostfix('postfix', copy, ['check'], { patienceMs: PATIENCE_MS });
    if (code === 0) return [];
    return stderr.trim() === '' ? [`postfix check ended with status ${code}`] : linesOf(stderr, copy);
  } catch (error) {
    if (error instanceof PostfixSilent) return [error.message];
    throw error;
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

function isOneOf(names: readonly string[], name: string): boolean {
  return names.includes(name);
}

/** What postconf(1) says while it reads both files: unused and undefined parameters, services that it cannot read. */
async function complaintsOf(configDir: string): Promise<readonly string[]> {
  const said: string[] = [];
  for (const flag of ['-n', '-M']) {
    const { code, stderr } = await runPostfix('postconf', configDir, [flag], { patienceMs: PATIENCE_MS });
    const mute = code !== 0 && stderr.trim() === '';
    said.push(
      ...(mute ? [`postconf -c ${configDir} ${flag} ended with status ${code}`] : linesOf(stderr, configDir)),
    );
  }
  return [...new Set(said)];
}

/** A complaint without the number of its line, which a change above it moves. */
function gistOf(complaint: string): string {
  return complaint.replace(/, line \d+:/, ':');
}

/** Without the folder, which differs between a copy and what it is one of. */
function linesOf(text: string, folder: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.replaceAll(`${folder}/`, '').replace(/^\S*postconf: /, ''))
    .filter((line) => line !== '' && !STANDS_TWICE.test(line));
}
