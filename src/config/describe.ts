// Prints the annotated default sealpost.toml from the schema: descriptions, defaults and allowed values come from there.
import type * as z from 'zod';
import { inputSchema } from './problems.ts';

type Node = z.core.JSONSchema.JSONSchema;

const WIDTH = 100;

const PREAMBLE = [
  '# sealpost.toml: every key with its meaning and its default, as `sealpost config describe` prints it.',
  '#',
  '# Looked for in --config, $SEALPOST_CONFIG, ./sealpost.toml and /etc/sealpost/sealpost.toml. A key that is left out has',
  '# its default; a key that is unknown is an error. Sizes: "50MB", "256MiB". Durations: "250ms", "90s", "5m", "1h", "6d".',
  '# `sealpost config check` reads a file and names every error.',
  '#',
  '# The files conf.d/*.toml beside this one are read after it, in the order of their names: tables are merged, and of a key that',
  '# stands twice the later one counts. A list, such as that of all [[filter.listen]], is one value: the later one is the whole list.',
];

/**
 * The default configuration as an annotated TOML file. It parses, and validates to exactly the defaults; keys without a
 * default, or whose default depends on the machine, are commented out.
 */
export function describeConfig(): string {
  const lines = [...PREAMBLE, '', ...describeTable(inputSchema(), [], false)];
  return `${lines
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trimEnd()}\n`;
}

/** The plain keys of a table first, then its sub-tables: in TOML a key after a [section] belongs to that section. */
function describeTable(node: Node, path: readonly string[], isListItem: boolean): string[] {
  const properties = Object.entries(node.properties ?? {}).map(
    ([name, child]) => [name, asNode(child)] as const,
  );
  const plain = properties.filter(([, child]) => !isTable(child) && !isTableList(child));
  const lines = isListItem ? [] : tableHeader(node, path, plain.length > 0);
  for (const [name, child] of plain) lines.push(...comment(child), assignment(name, child), '');
  for (const [name, child] of properties) {
    if (isTable(child)) lines.push(...describeTable(child, [...path, name], false));
    if (isTableList(child)) lines.push(...describeTableList(child, [...path, name]));
  }
  return lines;
}

function tableHeader(node: Node, path: readonly string[], hasKeys: boolean): string[] {
  if (path.length === 0) return [];
  return [...comment(node), ...(hasKeys ? [`[${path.join('.')}]`] : []), ''];
}

/** The default entries of a list of tables; what each key means is said at the first. */
function describeTableList(node: Node, path: readonly string[]): string[] {
  const item = asNode(Array.isArray(node.items) ? node.items[0] : node.items);
  const entries = (Array.isArray(node.default) ? node.default : []) as Readonly<Record<string, unknown>>[];
  const lines = comment(node);
  for (const [index, entry] of entries.entries()) {
    lines.push(`[[${path.join('.')}]]`);
    for (const [name, schema] of Object.entries(item.properties ?? {})) {
      const child = asNode(schema);
      const value = entry[name];
      if (index > 0 && value === undefined) continue;
      if (index === 0) lines.push(...comment(child));
      lines.push(value === undefined ? assignment(name, child) : `${name} = ${toml(value)}`);
    }
    lines.push('');
  }
  return lines;
}

/** `key = default`, or a commented-out example where the default is none or the machine's own. */
function assignment(name: string, node: Node): string {
  const example = node.example;
  if (example !== undefined) return `# ${name} = ${toml(example)}`;
  return node.default === undefined ? `# ${name} = ""` : `${name} = ${toml(node.default)}`;
}

function comment(node: Node): string[] {
  const allowed = allowedValues(node);
  const text = [node.description, allowed].filter((part) => part !== undefined).join('; ');
  return text === '' ? [] : wrap(text).map((line) => `# ${line}`);
}

/** The values of an enum, or the range of a number. */
function allowedValues(node: Node): string | undefined {
  if (node.enum) return `one of: ${node.enum.map(toml).join(', ')}`;
  if (node.type === 'integer' && node.minimum !== undefined && node.maximum !== undefined) {
    return `from ${node.minimum} to ${node.maximum}`;
  }
  return undefined;
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length + 1 > WIDTH) {
      lines.push(line);
      line = '';
    }
    line += line === '' ? word : ` ${word}`;
  }
  return [...lines, line];
}

function isTable(node: Node): boolean {
  return node.type === 'object';
}

function isTableList(node: Node): boolean {
  return (
    node.type === 'array' && asNode(Array.isArray(node.items) ? node.items[0] : node.items).type === 'object'
  );
}

function asNode(schema: z.core.JSONSchema._JSONSchema | undefined): Node {
  return typeof schema === 'object' ? schema : {};
}

/** A plain value as TOML; JSON's texts, numbers, booleans and lists of them are written the same way there. */
function toml(value: unknown): string {
  return Array.isArray(value) ? `[${value.map(toml).join(', ')}]` : JSON.stringify(value);
}
