// Changes one value in the text of a TOML file; comments and layout stay. Pure. No TOML library for Node.js gives the place of a
// value back, so lines are found here, and the result counts only where the TOML library reads exactly the wanted document from it.
import { isDeepStrictEqual } from 'node:util';
import { parse, stringify, type TomlPrimitive } from 'smol-toml';
import { isTable, type Table } from './conf-d.ts';

/** A value as it can stand in TOML. */
export type Value = string | number | bigint | boolean | readonly Value[];

/**
 * Sets one key.
 * @param text TOML that can be parsed
 * @returns the new text; null where the file says it in a way that cannot be changed by line (an inline table, say)
 */
export function setInToml(text: string, path: readonly string[], value: Value): string | null {
  const wanted = withValue(parse(text), path, value);
  if (wanted === null) return null;
  const literal = literalOf(value);
  const lines = readLines(text);
  const there = lines
    .filter((line) => line.kind === 'value')
    .findLast((line) => isDeepStrictEqual(line.path, path));
  const changed = there === undefined ? inserted(text, lines, path, literal) : replaced(text, there, literal);
  try {
    return isDeepStrictEqual(likeRead(parse(changed)), likeRead(wanted)) ? changed : null;
  } catch {
    return null;
  }
}

/** Tables of one prototype, whoever made them. */
function likeRead(document: Table): Table {
  return parse(stringify(document));
}

/** As it is written in TOML. */
export function literalOf(value: Value): string {
  return stringify({ x: value as TomlPrimitive })
    .replace(/^x = /, '')
    .trimEnd();
}

/** null where a value stands in the way, such as `filter = 1` of `filter.next_hop`. */
function withValue(document: Table, path: readonly string[], value: Value): Table | null {
  const [name = '', ...rest] = path;
  if (rest.length === 0) return { ...document, [name]: value };
  const below = Object.hasOwn(document, name) ? document[name] : {};
  if (!isTable(below)) return null;
  const changed = withValue(below, rest, value);
  return changed === null ? null : { ...document, [name]: changed };
}

/** What a line is, or several that make up one value. */
type Line =
  /** `[table]`; null: an element of a list of tables, in which nothing is set here. */
  | { readonly kind: 'table'; readonly path: readonly string[] | null; readonly at: number }
  | {
      readonly kind: 'value';
      readonly path: readonly string[];
      readonly at: number;
      /** The number of its lines. */
      readonly count: number;
      /** `key =` with the blank behind it. */
      readonly head: string;
      /** The comment behind the value, with the blanks before it. */
      readonly tail: string;
    };

function readLines(text: string): readonly Line[] {
  const lines = text.split('\n');
  const found: Line[] = [];
  let table: readonly string[] | null = [];
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? '';
    const header = /^\s*(\[\[?)\s*([^\]]*?)\s*\]/.exec(line);
    if (header !== null) {
      table = header[1] === '[[' ? null : keyPath(header[2] ?? '');
      found.push({ kind: 'table', path: table, at });
      continue;
    }
    const value = /^\s*#|^\s*$/.test(line) ? null : readValue(lines, at);
    if (value === null) continue;
    if (table !== null) found.push({ kind: 'value', ...value, path: [...table, ...value.path] });
    at += value.count - 1;
  }
  return found;
}

const KEY_PART = String.raw`(?:[\w-]+|"(?:[^"\\]|\\.)*"|'[^']*')`;
const KEY = new RegExp(String.raw`^\s*(${KEY_PART}(?:\s*\.\s*${KEY_PART})*)\s*=\s*`);

function readValue(lines: readonly string[], at: number) {
  const [head = '', key = ''] = KEY.exec(lines[at] ?? '') ?? [];
  if (head === '') return null;
  for (let count = 1; at + count <= lines.length; count++) {
    const body = lines
      .slice(at, at + count)
      .join('\n')
      .slice(head.length);
    if (isValue(body)) return { path: keyPath(key), at, count, head, tail: commentBehind(body) };
  }
  return null;
}

function isValue(text: string): boolean {
  try {
    parse(`x = ${text}`);
    return true;
  } catch {
    return false;
  }
}

/** The comment behind a value, from the first `#` before which the value is whole. */
function commentBehind(body: string): string {
  for (let at = body.indexOf('#'); at !== -1; at = body.indexOf('#', at + 1))
    if (isValue(body.slice(0, at))) return /\s*$/.exec(body.slice(0, at))?.[0] + body.slice(at);
  return '';
}

function keyPath(key: string): readonly string[] {
  const path: string[] = [];
  for (let table: unknown = parse(`${key} = 0`); isTable(table); ) {
    const [name = ''] = Object.keys(table);
    path.push(name);
    table = table[name];
  }
  return path;
}

function replaced(text: string, there: Extract<Line, { kind: 'value' }>, literal: string): string {
  const lines = text.split('\n');
  lines.splice(there.at, there.count, `${there.head}${literal}${there.tail}`);
  return lines.join('\n');
}

/** Below a commented-out example of the key, else behind the last value of its table, else in a new table at the end. */
function inserted(text: string, read: readonly Line[], path: readonly string[], literal: string): string {
  const lines = text.split('\n');
  const table = path.slice(0, -1);
  const name = /^[\w-]+$/.test(path.at(-1) ?? '') ? path.at(-1) : JSON.stringify(path.at(-1));
  const assignment = `${name} = ${literal}`;
  const header = read.find((line) => line.kind === 'table' && isDeepStrictEqual(line.path, table));
  if (header === undefined && table.length > 0) {
    const start = text === '' || text.endsWith('\n') ? text : `${text}\n`;
    return `${start}${start === '' ? '' : '\n'}[${table.join('.')}]\n${assignment}\n`;
  }
  const from = header === undefined ? 0 : header.at + 1;
  const to = read.find((line) => line.kind === 'table' && line.at >= from)?.at ?? lines.length;
  const last = read
    .filter((line) => line.kind === 'value')
    .findLast((line) => line.at >= from && line.at < to);
  const example = lines.findIndex(
    (line, at) => at >= from && at < to && new RegExp(`^\\s*#\\s*${name}\\s*=`).test(line),
  );
  const start = header === undefined ? firstFreeLine(lines, to) : from;
  const behindLast = last === undefined ? start : last.at + last.count;
  lines.splice(example === -1 ? behindLast : example + 1, 0, assignment);
  return lines.join('\n');
}

/** Behind the comments that a file begins with. */
function firstFreeLine(lines: readonly string[], to: number): number {
  const end = lines.findIndex((line, at) => at >= to || !line.startsWith('#'));
  return end === -1 ? lines.length : Math.min(end, to);
}
