// What the Tab key completes: by the answers, and by bash itself on the script that is printed.
// @module-tag slow
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { calledBy, createProgram } from '../../../src/cli/program.ts';
import { runCommand } from '../../support/command-line.ts';

const run = async (words: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await runCommand(() => createProgram(calledBy(words)), words);
  expect({ code, stderr }, words.join(' ')).toEqual({ code: 0, stderr: '' });
  return stdout.toString();
};

/** What is offered for the last word, without the descriptions; and the directive. */
const offered = async (line: string): Promise<readonly string[]> =>
  (await run(['completion', 'complete', '--', ...line.split(' ')]))
    .trimEnd()
    .split('\n')
    .map((each) => each.replace(/\t.*/, ''));

// Loads every command, which is half of the house.
beforeAll(() => offered(''), 240_000);

describe('completion', () => {
  it.each([
    ['do', ['domain', 'doctor', ':4']],
    ['user re', ['rename', 'remove', ':4']],
    ['--config x.toml user re', ['rename', 'remove', ':4']],
    ['--config=x.toml user re', ['rename', 'remove', ':4']],
    ['user set --quota-', ['--quota-messages', ':4']],
    ['user list --json --lim', ['--limit', ':4']],
    ['import csv --expired ', ['take', 'refuse', ':4']],
    ['completion ', ['bash', 'zsh', 'fish', ':4']],
    ['--con', ['--config', ':4']],
    // A file, as far as anybody knows.
    ['key import al', [':0']],
    ['user add --config ', [':0']],
    ['--config ', [':0']],
    ['nonsense ', [':0']],
  ])('of "sealpost %s"', async (line, expected) => {
    expect(await offered(line)).toEqual(expected);
  });

  it('knows every command, and not what the scripts ask', async () => {
    const all = await offered('');
    expect(all.length).toBeGreaterThan(24);
    expect(all).toEqual(expect.arrayContaining(['init', 'serve', 'postfix', 'completion']));
    expect(all).not.toContain('complete');
  });

  it.each(['zsh', 'fish'])('prints a script for %s that asks the program', async (shell) => {
    expect(await run(['completion', shell])).toContain('sealpost completion complete -- ');
  });
});

describe('bash, with the script', () => {
  /** @returns what bash would offer, and what the program was asked */
  async function complete(words: readonly string[]) {
    const folder = mkdtempSync(join(tmpdir(), 'sp-'));
    try {
      const asked = join(folder, 'asked');
      const program = `#!/bin/sh\nprintf '<%s>' "$@" > ${asked}\nprintf 'show\\tone of them\\nset\\tanother\\n:4\\n'\n`;
      writeFileSync(join(folder, 'sealpost'), program, { mode: 0o755 });
      writeFileSync(join(folder, 'script'), await run(['completion', 'bash']));
      const quoted = words.map((word) => `'${word}'`).join(' ');
      const line = `set -u; source ./script; source ./script; COMP_WORDS=(sealpost ${quoted} after) COMP_CWORD=${words.length}; _sealpost; printf '%s\\n' "\${COMPREPLY[@]}"; complete -p sealpost`;
      const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', line], {
        cwd: folder,
        encoding: 'utf8',
        env: { PATH: `${folder}:/usr/bin:/bin` },
      });
      return { stdout, stderr, asked: readFileSync(asked, 'utf8'), folder };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  it('offers what the program answers, and file names where it answers nothing', async () => {
    const { stdout, stderr, asked } = await complete(['domain', 's']);
    expect(stderr).toBe('');
    expect(stdout).toBe('show\nset\ncomplete -o default -F _sealpost sealpost\n');
    expect(asked).toBe('<completion><complete><--><domain><s>');
  });

  it('runs nothing of what was typed', async () => {
    const { asked } = await complete(['$(touch made)', '>', 'a b', ';', '']);
    expect(asked).toBe('<completion><complete><--><$(touch made)><>><a b><;><>');
  });
});
