// The benchmark itself: one small part of it, through the real programs. Its figures are not looked at.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runProgram } from '../support/child.ts';
import { need } from '../support/needs.ts';
import { repository } from '../support/places.ts';

need('postfix', 'postgresql', 'root');

it('measures one part on request, shows progress, and writes the report', async () => {
  const out = await mkdtemp(join(tmpdir(), 'sealpost-bench-'));
  try {
    const tsx = join(repository, 'node_modules/tsx/dist/cli.mjs');
    const args = [tsx, 'bench/run.ts', '--quick', '--only', 'greeting', '--out', out];
    const done = await runProgram(process.execPath, args, { cwd: repository, timeout: 170_000 });
    expect(done.code, done.stderr).toBe(0);
    expect(done.stderr).toMatch(/bench \[\d+:\d\d, about \d+:\d\d left\] greeting: /);
    const report = await readFile(join(out, 'latest.md'), 'utf8');
    expect(report).toMatch(/## Targets[\s\S]*\| greeting, median \| below 10 ms \| [\d.]+ ms \|/);
    expect(done.stdout.toString('utf8')).toContain(report);
  } finally {
    await rm(out, { recursive: true, force: true });
  }
});

it('says which parts there are when it is asked for another one', async () => {
  const tsx = join(repository, 'node_modules/tsx/dist/cli.mjs');
  const args = [tsx, 'bench/run.ts', '--only', 'nothing'];
  const done = await runProgram(process.execPath, args, { cwd: repository, timeout: 60_000 });
  expect(done.code).toBe(2);
  expect(done.stderr).toMatch(/found --only nothing, expected some of proxy, large, pipe, greeting/);
});
