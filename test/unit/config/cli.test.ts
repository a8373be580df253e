// sealpost config check and describe: output and exit codes. Two real processes, the rest by function.
// @module-tag slow
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkConfig, registerConfig } from '../../../src/cli/config.ts';
import { describeConfig } from '../../../src/config/describe.ts';

let folder: string;
let good: string;
let bad: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sealpost-config-'));
  good = join(folder, 'good.toml');
  bad = join(folder, 'bad.toml');
  writeFileSync(good, 'hostname = "mx1"\n[filter]\nmemory_budget = "1MB"\n');
  writeFileSync(bad, '[observe]\nlog_level = "verbose"\n');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('config check of a good file tells how many keys it sets, and warnings apart', () => {
  const output = checkConfig({ path: good, env: {} }, false);
  expect(output.stdout).toBe(`${good}: ok (2 keys set)\n`);
  expect(output.stderr).toMatch(/^sealpost: warning: filter.memory_budget is below .*\n$/);
  expect(output.exitCode).toBe(0);
});

test('config check without a file says that the defaults hold', () => {
  const output = checkConfig({ cwd: folder, env: {}, systemFile: join(folder, 'none.toml') }, false);
  expect(output).toEqual({
    stdout: 'no configuration file, the defaults hold: ok\n',
    stderr: '',
    exitCode: 0,
  });
});

test('config check --json gives ok and file, and each error with key, found and expected', () => {
  const ok = checkConfig({ path: good, env: {} }, true);
  expect(JSON.parse(ok.stdout)).toMatchObject({ ok: true, file: good, keys: 2, errors: [] });
  const failed = checkConfig({ path: bad, env: { SEALPOST_DATABASE_URL: 'x' } }, true);
  expect(failed.exitCode).toBe(1);
  expect(failed.stderr).toBe('');
  expect(JSON.parse(failed.stdout)).toEqual({
    ok: false,
    file: bad,
    errors: [
      {
        file: 'environment',
        key: 'SEALPOST_DATABASE_URL',
        found: '"x"',
        expected: '"embedded:" or "postgres://user@host/name"',
      },
      {
        file: bad,
        key: 'observe.log_level',
        found: '"verbose"',
        expected: 'one of "trace", "debug", "info", "warn", "error", "fatal", "silent"',
      },
    ],
  });
});

test('every command shows an example in their help', () => {
  const program = new Command();
  registerConfig(program);
  const config = program.commands.find((command) => command.name() === 'config');
  const helps = config?.commands.map((command) => {
    let help = '';
    command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
    return help;
  });
  expect(helps).toEqual([
    expect.stringContaining('$ sealpost config check --config /etc/sealpost/sealpost.toml'),
    expect.stringContaining('$ sealpost config describe > sealpost.toml'),
    expect.stringContaining('$ sealpost config set filter.next_hop lmtp:unix:/run/dovecot/lmtp'),
  ]);
});

/** Runs the command in a process of its own, as the command line does. */
function sealpostConfig(...args: string[]) {
  const script = `
    import { Command } from 'commander';
    import { registerConfig } from './src/cli/config.ts';
    const program = new Command();
    registerConfig(program);
    await program.parseAsync(['config', ...JSON.parse(process.env['ARGS'])], { from: 'user' });
  `;
  return spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
    encoding: 'utf8',
    env: { ...process.env, ARGS: JSON.stringify(args), SEALPOST_CONFIG: '', SEALPOST_DATABASE_URL: '' },
  });
}

test('config check of a bad file ends with 1, names the error on standard error, and needs no database', () => {
  const { status, stdout, stderr } = sealpostConfig('check', '--config', bad);
  expect(stdout).toBe('');
  expect(stderr).toBe(
    [
      `sealpost: ${bad}: observe.log_level: found "verbose"; expected one of "trace", "debug", "info", "warn", "error", "fatal", "silent"`,
      'sealpost: "sealpost config describe" prints every key with its meaning',
      '',
    ].join('\n'),
  );
  expect(status).toBe(1);
});

test('config describe prints the annotated default file and ends with 0, also beside a bad file', () => {
  const { status, stdout, stderr } = sealpostConfig('describe', '--config', bad);
  expect(stderr).toBe('');
  expect(stdout).toBe(describeConfig());
  expect(status).toBe(0);
});
