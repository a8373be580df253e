// conf.d/*.toml beside sealpost.toml: which files they are, and how documents become one. Knows no schema: sealpost-pipe, which
// does not load it, reads them, too.
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

export type Table = Record<string, unknown>;

export function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/**
 * The files of the folder conf.d beside a file, in the order of their names, byte by byte. Hidden ones are left out.
 * @throws Error of the system where the folder is there and cannot be read
 */
export function confFiles(path: string): readonly string[] {
  const folder = join(dirname(path), 'conf.d');
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.toml') && !name.startsWith('.'))
      .sort()
      .map((name) => join(folder, name));
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return [];
    throw error;
  }
}

/**
 * Lays documents over each other: tables are merged, and of everything else the later one counts. A list is one value, a list of
 * tables such as [[filter.listen]] included: what a later file says is the whole list, as with the list of the defaults. Pure.
 */
export function mergeDocuments(documents: readonly Table[]): Table {
  return documents.reduce<Table>((under, over) => mergeTables(under, over), {});
}

function mergeTables(under: Table, over: Table): Table {
  const merged: Table = { ...under };
  for (const [name, value] of Object.entries(over)) {
    const there = Object.hasOwn(merged, name) ? merged[name] : undefined;
    merged[name] = isTable(there) && isTable(value) ? mergeTables(there, value) : value;
  }
  return merged;
}
