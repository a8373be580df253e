// Asks Postfix about files that are not in their place yet: `postfix check` on a copy of the configuration.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { postfixEnvironment } from './postconf.ts';
import { type Contents, FILES, recordsFolder } from './records.ts';

const PATIENCE_MS = 60_000;

/**
 * Checks new files beside everything else of a configuration folder.
 * @returns what Postfix has against them, and not against the files that are there; empty: nothing
 * @throws Error where postfix(1) cannot be run
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
    const before = new Set(complaints.length === 0 ? [] : await complaintsOf(configDir));
    const fresh = complaints.filter((line) => !before.has(line));
    if (fresh.length > 0) return fresh;
    const checked = await runIn('postfix', ['-c', copy, 'check']);
    return checked.failed ? linesOf(checked.said, copy) : [];
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

function isOneOf(names: readonly string[], name: string): boolean {
  return names.includes(name);
}

/** What postconf(1) says while it reads both files: unused and undefined parameters, services that it cannot read. */
async function complaintsOf(configDir: string): Promise<readonly string[]> {
  const main = await runIn('postconf', ['-c', configDir, '-n']);
  const master = await runIn('postconf', ['-c', configDir, '-M']);
  return [...new Set([...linesOf(main.said, configDir), ...linesOf(master.said, configDir)])];
}

/** Without the folder, which differs between a copy and what it is one of. */
function linesOf(text: string, folder: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.replaceAll(`${folder}/`, '').replace(/^\S*postconf: /, ''))
    .filter((line) => line !== '');
}

async function runIn(program: string, args: readonly string[]): Promise<{ said: string; failed: boolean }> {
  try {
    const { stderr } = await promisify(execFile)(program, args, {
      timeout: PATIENCE_MS,
      env: postfixEnvironment(),
      maxBuffer: 16 * 2 ** 20,
    });
    return { said: stderr, failed: false };
  } catch (error) {
    if (!(error instanceof Error && 'stderr' in error && 'code' in error)) throw error;
    if (typeof error.code === 'string') throw error;
    const said = String(error.stderr).trim();
    return { said: said === '' ? `${program} ${args.join(' ')}: ${error.message}` : said, failed: true };
  }
}
