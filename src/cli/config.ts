// sealpost config check|describe|set: is the configuration right, and what can stand in it. Neither needs a database.
import type { Command } from 'commander';
import { describeConfig } from '../config/describe.ts';
import { ConfigError, type ConfigProblem } from '../config/errors.ts';
import { type LoadOptions, loadConfig } from '../config/load.ts';
import { inputSchema } from '../config/problems.ts';
import { EXIT } from '../host/exit-codes.ts';
import { withCommonOptions } from './command.ts';
import { registerConfigSet } from './config-set.ts';

interface ConfigOptions {
  readonly config?: string;
  readonly json?: boolean;
}

/** What a command prints, where, and how it ends. */
export interface CommandOutput {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** Adds `config check`, `config describe` and `config set`. */
export function registerConfig(program: Command): void {
  const config = program
    .command('config')
    .description('check the configuration file, change a key of it, or print the default one');
  withCommonOptions(
    config.command('check').description('read the configuration and name every error'),
    'sealpost config check --config /etc/sealpost/sealpost.toml',
  ).action((options: ConfigOptions) => {
    emit(checkConfig(options.config === undefined ? {} : { path: options.config }, options.json === true));
  });
  withCommonOptions(
    config
      .command('describe')
      .description('print the annotated default sealpost.toml; --json: its JSON Schema'),
    'sealpost config describe > sealpost.toml',
  ).action((options: ConfigOptions) => {
    const text = options.json === true ? `${JSON.stringify(inputSchema(), null, 2)}\n` : describeConfig();
    emit({ stdout: text, stderr: '', exitCode: EXIT.done });
  });
  registerConfigSet(config);
}

/** What `config check` answers: `FILE: ok` and the warnings, or every error. */
export function checkConfig(options: LoadOptions, json: boolean): CommandOutput {
  try {
    const { path, extraFiles, keysSet, warnings } = loadConfig(options);
    if (json)
      return ok(
        `${JSON.stringify({ ok: true, file: path, conf_d: extraFiles, keys: keysSet, errors: [], warnings }, null, 2)}\n`,
      );
    const summary =
      path === null
        ? 'no configuration file, the defaults hold: ok'
        : `${[path, ...extraFiles].join(', ')}: ok (${countOf(keysSet)} set)`;
    const stderr = warnings.map((warning) => `sealpost: warning: ${warning}\n`).join('');
    return { stdout: `${summary}\n`, stderr, exitCode: EXIT.done };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const help = '"sealpost config describe" prints every key with its meaning';
    if (!json)
      return {
        stdout: '',
        stderr: `sealpost: ${error.message}\nsealpost: ${help}\n`,
        exitCode: EXIT.refused,
      };
    const errors = error.problems.map(({ file, key, found, expected }) => ({ file, key, found, expected }));
    const answer = { ok: false, file: fileOf(error.problems), errors };
    return { stdout: `${JSON.stringify(answer, null, 2)}\n`, stderr: '', exitCode: EXIT.refused };
  }
}

/** The file that was read; null where every problem is one of the environment. */
function fileOf(problems: readonly ConfigProblem[]): string | null {
  return problems.find((problem) => problem.file !== 'environment')?.file ?? null;
}

function countOf(keys: number): string {
  return keys === 1 ? '1 key' : `${keys} keys`;
}

function ok(stdout: string): CommandOutput {
  return { stdout, stderr: '', exitCode: EXIT.done };
}

function emit(output: CommandOutput): void {
  process.stdout.write(output.stdout);
  process.stderr.write(output.stderr);
  process.exitCode = output.exitCode;
}
