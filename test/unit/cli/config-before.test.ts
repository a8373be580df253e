// `sealpost --config FILE COMMAND`: as after the command.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { calledBy, createProgram } from '../../../src/cli/program.ts';
import { runCommand } from '../../support/command-line.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sp-'));
  for (const name of ['a', 'b'])
    writeFileSync(join(folder, `${name}.toml`), `hostname = "${name}.example"\n`);
  writeFileSync(join(folder, 'own.conf'), 'nonsense = 1\n');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (line: string) => {
  const words = line.split(' ').map((word) => word.replace('DIR', folder));
  return runCommand(() => createProgram(calledBy(words)), words);
};

describe('--config', () => {
  it.each([
    ['--config DIR/a.toml config check', 'a.toml: ok'],
    ['--config=DIR/a.toml config check', 'a.toml: ok'],
    ['config check --config DIR/b.toml', 'b.toml: ok'],
    // The nearer one counts.
    ['--config DIR/a.toml config check --config DIR/b.toml', 'b.toml: ok'],
  ])('%s', async (line, expected) => {
    const { code, stdout, stderr } = await run(line);
    expect({ code, stderr, said: stdout.toString() }).toEqual({
      code: 0,
      stderr: '',
      said: expect.stringContaining(expected),
    });
  });

  it('names sealpost’s own file where the command’s names that of another program', async () => {
    const { code, stderr } = await run('--config DIR/own.conf import zeyple --config DIR/none');
    expect(code).toBe(1);
    expect(stderr).toMatch(/own\.conf.*nonsense/);
  });

  it('without its file, or without a command, is wrong usage', async () => {
    expect(await run('--config')).toMatchObject({ code: 2 });
    expect(await run('--config DIR/a.toml')).toMatchObject({ code: 2 });
    expect(await run('--confg DIR/a.toml config check')).toMatchObject({ code: 2 });
  });
});
