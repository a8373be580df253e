// `config set`: one key of sealpost.toml or of a file of conf.d, judged by the schema before it is written. Reads files, writes none.
import { parse } from 'smol-toml';
import { isTable } from './conf-d.ts';
import { setInToml, type Value } from './edit.ts';
import { ConfigError, type ConfigProblem } from './errors.ts';
import { type Layer, parseLayer } from './layers.ts';
import { loadLayers } from './load.ts';
import { describeIssues, schemaAt } from './problems.ts';
import { parseConfig } from './schema.ts';

/** What is to be written, or why nothing. */
export type KeyChange =
  | {
      readonly kind: 'change' | 'nothing';
      readonly file: string;
      readonly text: string;
      readonly value: Value;
    }
  /** In one sentence. */
  | { readonly kind: 'refused'; readonly because: string };

/**
 * Plans the change of one key, in the file that has the last word on it: where none sets it, in the first one.
 * @param key such as `filter.next_hop`
 * @param typed such as `lmtp:unix:/run/dovecot/lmtp`, `true`, `["a", "b"]`
 * @param env counts as in {@link loadLayers}
 */
export function planKey(
  layers: readonly Layer[],
  key: string,
  typed: string,
  cwd: string,
  env: Readonly<Record<string, string | undefined>>,
): KeyChange {
  const path = key.split('.');
  const refused = (because: string): KeyChange => ({ kind: 'refused', because });
  const unknown = unknownKey(path);
  if (unknown !== null) return refused(unknown);
  const node = schemaAt(path);
  if (node.type === 'object' || isListOfTables(path))
    return refused(
      `${key} is a ${node.type === 'object' ? 'table' : 'list of tables'}: edit the file, or put one into conf.d; "sealpost config describe" shows its keys`,
    );
  const file = layers.findLast(({ document }) => hasKey(document, path)) ?? layers[0];
  if (file === undefined) return refused('there is no configuration file yet: "sealpost init" writes one');
  const before = problemsOf(layers, cwd, env);
  const tried = valuesFor(node.type, typed).map((value) =>
    tryValue(layers, file, path, value, before, cwd, env),
  );
  return tried.find(({ kind }) => kind !== 'refused') ?? tried[0] ?? refused(`${key} cannot be set`);
}

function tryValue(
  layers: readonly Layer[],
  file: Layer,
  path: readonly string[],
  value: Value,
  before: readonly ConfigProblem[],
  cwd: string,
  env: Readonly<Record<string, string | undefined>>,
): KeyChange {
  const text = setInToml(file.text, path, value);
  if (text === null)
    return {
      kind: 'refused',
      because: `${file.path} has ${path.join('.')}, or what is around it, in a form that cannot be changed line by line: edit it by hand`,
    };
  const changed = parseLayer({ ...file, text });
  const after = problemsOf(
    layers.map((layer) => (layer === file ? changed : layer)),
    cwd,
    env,
  );
  const key = path.join('.');
  const known = new Set(before.map((problem) => JSON.stringify(problem)));
  // A file that is wrong elsewhere may be mended key by key.
  const worse = after.find((problem) => isAbout(problem, key) || !known.has(JSON.stringify(problem)));
  if (worse !== undefined)
    return { kind: 'refused', because: `${worse.key}: found ${worse.found}; expected ${worse.expected}` };
  return { kind: text === file.text ? 'nothing' : 'change', file: file.path, text, value };
}

function isAbout(problem: ConfigProblem, key: string): boolean {
  return problem.key === key || problem.key.startsWith(`${key}[`);
}

function problemsOf(
  layers: readonly Layer[],
  cwd: string,
  env: Readonly<Record<string, string | undefined>>,
): readonly ConfigProblem[] {
  try {
    loadLayers(layers, cwd, env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

function hasKey(document: unknown, [name = '', ...rest]: readonly string[]): boolean {
  if (!isTable(document) || !Object.hasOwn(document, name)) return false;
  return rest.length === 0 || hasKey(document[name], rest);
}

/** What is wrong with a name, with the one that was probably meant; null: it is one. */
function unknownKey(path: readonly string[]): string | null {
  const document = path.reduceRight<unknown>((below, name) => ({ [name]: below }), 0);
  const parsed = parseConfig(document);
  const issues = parsed.success ? [] : parsed.error.issues.filter(({ code }) => code === 'unrecognized_keys');
  const [problem] = describeIssues(issues, document);
  if (problem !== undefined) return `${problem.key}: found ${problem.found}; expected ${problem.expected}`;
  // Below a plain value there is nothing.
  return Object.keys(schemaAt(path)).length === 0
    ? `${path.join('.')}: found an unknown key; expected one that "sealpost config describe" prints`
    : null;
}

function isListOfTables(path: readonly string[]): boolean {
  const { type, items } = schemaAt(path);
  const item = Array.isArray(items) ? items[0] : items;
  return type === 'array' && typeof item === 'object' && item.type === 'object';
}

/** What was typed, as the values that it may mean; the likelier one first. */
function valuesFor(type: unknown, typed: string): readonly Value[] {
  if (type === 'string') return [typed];
  const read = readToml(typed);
  return read === null || typeof read === 'string' ? [typed] : [read, typed];
}

function readToml(typed: string): Value | null {
  try {
    const { x } = parse(`x = ${typed}`);
    return isValue(x) && !typed.includes('\n') ? x : null;
  } catch {
    return null;
  }
}

function isValue(value: unknown): value is Value {
  return Array.isArray(value) ? value.every(isValue) : ['string', 'number', 'boolean'].includes(typeof value);
}

/** Whether a value holds a password, as only URLs do here. */
export function holdsPassword(typed: string): boolean {
  return /:\/\/[^/@]*:[^/]*@|[?&]password=/.test(typed);
}
