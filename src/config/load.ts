// Finds, reads and validates sealpost.toml: all errors at once, secrets from the environment, relative paths made absolute.
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { crossCheck, warningsAbout } from './checks.ts';
import { isTable, type Table } from './conf-d.ts';
import { ConfigError, type ConfigProblem } from './errors.ts';
import { errorCode, type FileOptions, findFile, unreadable } from './find-file.ts';
import { fileOf, type Layer, mergedDocument, readLayers } from './layers.ts';
import { type DocumentProblem, describeIssues, formatKey } from './problems.ts';
import { type Config, parseConfig } from './schema.ts';

/** A configuration that can be used. */
export interface LoadedConfig {
  /** Validated; `state_dir`, `receiver.spool` and the files of `smime.trust` are absolute, every listener has a name. */
  readonly config: Config;
  /** Absolute path of the file; null when there is none and the defaults hold. */
  readonly path: string | null;
  /** The files of conf.d beside it, in the order in which they count. */
  readonly extraFiles: readonly string[];
  /** Absolute: relative ones start at the file's folder, or at cwd. The same as `config.state_dir`. */
  readonly stateDir: string;
  /** How many keys the files set. */
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
 * Reads the file that {@link findFile} finds and conf.d beside it, else the defaults.
 * @throws ConfigError with every problem of the files and the environment
 */
export function loadConfig(options: LoadOptions = {}): LoadedConfig {
  const cwd = options.cwd ?? process.cwd();
  const env = options.env ?? process.env;
  return loadLayers(readLayers(findFile(options, cwd, env)), cwd, env);
}

/**
 * The same, of files that were read already, the one that counts most last; none: the defaults.
 * @throws ConfigError with every problem of the files and the environment
 */
export function loadLayers(
  layers: readonly Layer[],
  cwd: string,
  env: Readonly<Record<string, string | undefined>>,
): LoadedConfig {
  const [main, ...extra] = layers;
  const document = mergedDocument(layers);
  const keysSet = countKeys(document);

  const problems: ConfigProblem[] = [];
  const dates = takeDates(document, []);
  const overrides = readOverrides(cwd, env, problems);
  applyOverrides(document, overrides);

  const parsed = parseConfig(document);
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
        : { file: fileOf(layers, key) ?? 'the defaults', key, found: what, expected },
    );
  }
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems);

  const folder = main ? dirname(main.path) : cwd;
  const config = finish(parsed.data, folder);
  return {
    config,
    path: main?.path ?? null,
    extraFiles: extra.map(({ path }) => path),
    stateDir: config.state_dir,
    keysSet,
    warnings: [
      ...warningsAbout(config, document),
      ...layers.flatMap((layer) => readableSecret(layer, overrides)),
    ],
  };
}

/** How many values the document sets; a list of plain values is one. */
function countKeys(value: unknown): number {
  if (Array.isArray(value) && value.some(isTable))
    return value.reduce((sum: number, item) => sum + countKeys(item), 0);
  if (!isTable(value)) return 1;
  return Object.values(value).reduce((sum: number, item) => sum + countKeys(item), 0);
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
    ['listen_url', 'SEALPOST_DATABASE_LISTEN_URL'],
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
function readableSecret({ path, document }: Layer, overrides: readonly Override[]): string[] {
  const section = document.database;
  const holdsSecret = Object.entries(isTable(section) ? section : {}).some(
    ([name, value]) =>
      typeof value === 'string' &&
      HAS_PASSWORD.test(value) &&
      !overrides.some((other) => other.name === name),
  );
  const syncs = Array.isArray(document.sync) ? document.sync : [];
  const holdsDsn = syncs.some(
    (each) => isTable(each) && typeof each.url === 'string' && HAS_PASSWORD.test(each.url),
  );
  if (!(holdsSecret || holdsDsn) || ((statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o004) === 0)
    return [];
  const help = holdsSecret ? 'use SEALPOST_DATABASE_URL_FILE' : 'give @FILE as the url of [[sync]]';
  return [`${path} holds a database password and is readable by everybody: chmod o-r, or ${help}`];
}

const HAS_PASSWORD = /:\/\/[^/@]*:[^/]*@/;
