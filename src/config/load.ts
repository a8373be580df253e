// Finds, reads and validates sealpost.toml: all errors at once, secrets from the environment, relative paths made absolute.
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse, TomlError } from 'smol-toml';
import { crossCheck, warningsAbout } from './checks.ts';
import { ConfigError, type ConfigProblem } from './errors.ts';
import { errorCode, type FileOptions, findFile, type Source, unreadable } from './find-file.ts';
import { type DocumentProblem, describeIssues, formatKey } from './problems.ts';
import { type Config, configSchema } from './schema.ts';

/** A configuration that can be used. */
export interface LoadedConfig {
  /** Validated; `state_dir`, `receiver.spool` and the files of `smime.trust` are absolute, every listener has a name. */
  readonly config: Config;
  /** Absolute path of the file; null when there is none and the defaults hold. */
  readonly path: string | null;
  /** Absolute: relative ones start at the file's folder, or at cwd. The same as `config.state_dir`. */
  readonly stateDir: string;
  /** How many keys the file sets. */
  readonly keysSet: number;
  /** One sentence for each setting that works but is probably not what was meant. */
  readonly warnings: readonly string[];
}

export interface LoadOptions extends FileOptions {
  /** Default: process.cwd() */
  readonly cwd?: string;
  /** Default: process.env */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * Reads the file that {@link findFile} finds, else the defaults.
 * @throws ConfigError with every problem of the file and the environment
 */
export function loadConfig(options: LoadOptions = {}): LoadedConfig {
  const cwd = options.cwd ?? process.cwd();
  const env = options.env ?? process.env;
  const source = findFile(options, cwd, env);
  const file = source?.path ?? 'the defaults';
  const document = source ? parseDocument(source) : {};
  const keysSet = countKeys(document);

  const problems: ConfigProblem[] = [];
  const dates = takeDates(document, []);
  const overrides = readOverrides(cwd, env, problems);
  applyOverrides(document, overrides);

  const parsed = configSchema.safeParse(document);
  const found: DocumentProblem[] = [
    ...dates.map((path) => ({
      path,
      key: formatKey(path),
      found: 'a date',
      expected: 'no date: no key takes one',
    })),
    ...(parsed.success ? [] : describeIssues(parsed.error.issues, document)),
    ...crossCheck(document),
  ];
  for (const { key, found: what, expected } of found) {
    const override = overrides.find((candidate) => candidate.key === key);
    problems.push(
      override
        ? { file: 'environment', key: override.variable, found: what, expected }
        : { file, key, found: what, expected },
    );
  }
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems);

  const folder = source ? dirname(source.path) : cwd;
  const config = finish(parsed.data, folder);
  const warnings = [
    ...warningsAbout(config, document),
    ...(source ? readableSecret(source, document, overrides) : []),
  ];
  return { config, path: source?.path ?? null, stateDir: config.state_dir, keysSet, warnings };
}

type Table = Record<string, unknown>;

function parseDocument(source: Source): Table {
  try {
    return parse(source.text, { unsafeKeyBehaviour: 'throw' });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // Only the first line: the rest quotes the file, which may hold a password.
    const found = (error.message.split('\n')[0] ?? '').replace(/^Invalid TOML document: /, '');
    const key = `line ${error.line}, column ${error.column}`;
    throw new ConfigError([
      { file: source.path, key, found: `a syntax error (${found})`, expected: 'TOML 1.0' },
    ]);
  }
}

/** How many values the document sets; a list of plain values is one. */
function countKeys(value: unknown): number {
  if (Array.isArray(value) && value.some(isTable))
    return value.reduce((sum: number, item) => sum + countKeys(item), 0);
  if (!isTable(value)) return 1;
  return Object.values(value).reduce((sum: number, item) => sum + countKeys(item), 0);
}

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** Removes every date from the document (zod would take one for an empty table) and gives their paths. */
function takeDates(value: unknown, path: readonly PropertyKey[]): (readonly PropertyKey[])[] {
  if (typeof value !== 'object' || value === null || value instanceof Date) return [];
  const container = value as Record<PropertyKey, unknown>;
  return Object.keys(container).flatMap((name) => {
    const step = Array.isArray(value) ? Number(name) : name;
    const child = container[name];
    if (!(child instanceof Date)) return takeDates(child, [...path, step]);
    delete container[name];
    return [[...path, step]];
  });
}

interface Override {
  readonly key: string;
  readonly name: string;
  readonly variable: string;
  readonly value: string;
}

function readOverrides(
  cwd: string,
  env: Readonly<Record<string, string | undefined>>,
  problems: ConfigProblem[],
): Override[] {
  const names = [
    ['url', 'SEALPOST_DATABASE_URL'],
    ['read_url', 'SEALPOST_DATABASE_READ_URL'],
  ] as const;
  const overrides: Override[] = [];
  for (const [name, variable] of names) {
    const fileVariable = `${variable}_FILE`;
    const direct = env[variable] || undefined;
    const secretFile = env[fileVariable] || undefined;
    const key = `database.${name}`;
    if (direct !== undefined && secretFile !== undefined) {
      problems.push({
        file: 'environment',
        key: variable,
        found: `both ${variable} and ${fileVariable}`,
        expected: 'one of them',
      });
    } else if (direct !== undefined) overrides.push({ key, name, variable, value: direct });
    else if (secretFile !== undefined) {
      const value = readSecret(resolve(cwd, secretFile), fileVariable, problems);
      if (value !== undefined) overrides.push({ key, name, variable: fileVariable, value });
    }
  }
  return overrides;
}

function readSecret(path: string, variable: string, problems: ConfigProblem[]): string | undefined {
  const problem = (found: string, expected: string) =>
    problems.push({ file: 'environment', key: variable, found, expected });
  try {
    const text = /^[^\r\n]*/.exec(readFileSync(path, 'utf8'))?.[0] ?? '';
    if (text !== '') return text;
    problem(`no text in the first line of ${path}`, 'a file that holds the URL');
  } catch (error) {
    const { found } = unreadable(errorCode(error), null);
    problem(`${JSON.stringify(path)}, ${found}`, 'a readable file that holds the URL');
  }
  return undefined;
}

function applyOverrides(document: Table, overrides: readonly Override[]): void {
  for (const { name, value } of overrides) {
    const section = document.database ?? {};
    // A `database` that is no table is an error of its own; it stays as it is, to be reported.
    if (!isTable(section)) return;
    section[name] = value;
    document.database = section;
  }
}

/** Makes paths absolute and gives every filter listener a name of its own. */
function finish(config: Config, folder: string): Config {
  const taken = new Set(
    config.filter.listen.flatMap((listener) => (listener.name === undefined ? [] : [listener.name])),
  );
  const listen = config.filter.listen.map((listener) => {
    if (listener.name !== undefined) return listener;
    let name: string = listener.protocol;
    for (let number = 2; taken.has(name); number++) name = `${listener.protocol}-${number}`;
    taken.add(name);
    return { ...listener, name };
  });
  return {
    ...config,
    state_dir: resolve(folder, config.state_dir),
    filter: { ...config.filter, listen },
    smime: {
      ...config.smime,
      trust: config.smime.trust.map((each) => (each === 'system' ? each : resolve(folder, each))),
    },
    receiver: { ...config.receiver, spool: config.receiver.spool.map((spool) => resolve(folder, spool)) },
  };
}

/** A warning where others on this machine may read a password out of the file. */
function readableSecret(source: Source, document: Table, overrides: readonly Override[]): string[] {
  const section = document.database;
  const holdsSecret = Object.entries(isTable(section) ? section : {}).some(
    ([name, value]) =>
      typeof value === 'string' &&
      /:\/\/[^/@]*:[^/]*@/.test(value) &&
      !overrides.some((other) => other.name === name),
  );
  if (!holdsSecret || (statSync(source.path).mode & 0o004) === 0) return [];
  return [
    `${source.path} holds a database password and is readable by everybody: chmod o-r, or use SEALPOST_DATABASE_URL_FILE`,
  ];
}
