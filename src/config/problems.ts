// Turns what zod reports into sentences: key path, what stands there, what is allowed, and which key was probably meant.
import * as z from 'zod';
import { type ConfigProblem, showValue } from './errors.ts';
import { nearest } from './nearest.ts';
import { configSchema } from './schema.ts';

/** A finding in the document, without the file it stands in. */
export type DocumentProblem = Omit<ConfigProblem, 'file'>;

/** `['filter', 'listen', 0, 'protocol']` as people write it: `filter.listen[0].protocol`. */
export function formatKey(path: readonly PropertyKey[]): string {
  let key = '';
  for (const step of path) {
    if (typeof step === 'number') key += `[${step}]`;
    else {
      const name = String(step);
      const written = /^[A-Za-z0-9_-]+$/.test(name) ? name : JSON.stringify(name);
      key += key === '' ? written : `.${written}`;
    }
  }
  return key;
}

/** The value at a path of a parsed TOML document; undefined where the path leads nowhere. */
export function valueAt(document: unknown, path: readonly PropertyKey[]): unknown {
  let value = document;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Readonly<Record<PropertyKey, unknown>>)[step];
  }
  return value;
}

/** Every problem of a document that {@link configSchema} refused, in the order of the schema. */
export function describeIssues(issues: readonly z.core.$ZodIssue[], document: unknown): DocumentProblem[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((name) => unknownName([...issue.path, name], name, issue.path));
    }
    const found = showValue(valueAt(document, issue.path));
    return [{ key: formatKey(issue.path), found, expected: expectedBy(issue) }];
  });
}

function expectedBy(issue: z.core.$ZodIssue): string {
  // The schema's own sentences all begin with "expected"; zod's begin otherwise.
  if (issue.message.startsWith('expected ')) return issue.message.slice('expected '.length);
  const node = schemaAt(issue.path);
  if (node.type === 'integer') return `a whole number from ${node.minimum} to ${node.maximum}`;
  switch (issue.code) {
    case 'invalid_type':
      return issue.expected === 'object'
        ? `the section [${formatKey(issue.path)}]`
        : (TYPE_NAMES[issue.expected] ?? issue.expected);
    case 'invalid_value':
      return oneOf(issue.values.map(String));
    case 'too_small':
      return 'a text that is not empty';
    case 'too_big':
      return `at most ${issue.maximum} characters`;
    default:
      return issue.message;
  }
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'a text in quotes',
  boolean: 'true or false, without quotes',
  array: 'a list in [brackets]',
};

function oneOf(values: readonly string[]): string {
  return `one of ${values.map((value) => JSON.stringify(value)).join(', ')}`;
}

function unknownName(
  path: readonly PropertyKey[],
  name: string,
  section: readonly PropertyKey[],
): DocumentProblem {
  const siblings = namesIn(section);
  const problem = { key: formatKey(path), found: 'an unknown key' };
  const near = nearest(name, siblings);
  if (near !== undefined) return { ...problem, expected: `${JSON.stringify(near)} (did you mean that?)` };
  const elsewhere = allNames().find((key) => key === name || key.endsWith(`.${name}`));
  if (elsewhere !== undefined)
    return { ...problem, expected: `${JSON.stringify(elsewhere)} (did you mean that?)` };
  const anywhere = nearest(name, allNames().map(lastName));
  const fullName = allNames().find((key) => lastName(key) === anywhere);
  if (fullName !== undefined)
    return { ...problem, expected: `${JSON.stringify(fullName)} (did you mean that?)` };
  return { ...problem, expected: oneOf(siblings) };
}

function lastName(key: string): string {
  return key.slice(key.lastIndexOf('.') + 1);
}

/** The JSON Schema of the file as people write it; the one place from which key names are read. */
export function inputSchema(): z.core.JSONSchema.JSONSchema {
  return z.toJSONSchema(configSchema, { io: 'input' });
}

/** The schema of the value at a path; {} where the path leads nowhere. */
export function schemaAt(path: readonly PropertyKey[]): z.core.JSONSchema.JSONSchema {
  let node: z.core.JSONSchema._JSONSchema | undefined = inputSchema();
  for (const step of path) {
    if (typeof node !== 'object') return {};
    if (typeof step === 'number') node = Array.isArray(node.items) ? node.items[0] : node.items;
    else node = node.properties?.[String(step)];
  }
  return typeof node === 'object' ? node : {};
}

/** The names that a section knows. */
function namesIn(section: readonly PropertyKey[]): readonly string[] {
  return Object.keys(schemaAt(section).properties ?? {});
}

let everyName: readonly string[] | undefined;

/** Every name with its section, such as `filter.next_hop`; those of lists of tables are left out. */
function allNames(): readonly string[] {
  const walk = (node: z.core.JSONSchema._JSONSchema, prefix: string): string[] =>
    typeof node !== 'object'
      ? []
      : Object.entries(node.properties ?? {}).flatMap(([name, child]) => [
          `${prefix}${name}`,
          ...walk(child, `${prefix}${name}.`),
        ]);
  everyName ??= walk(inputSchema(), '');
  return everyName;
}
