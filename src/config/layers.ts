// The files that make up one configuration: sealpost.toml, and conf.d/*.toml beside it, each with what it says.
import { parse, TomlError } from 'smol-toml';
import { confFiles, isTable, mergeDocuments, type Table } from './conf-d.ts';
import { ConfigError } from './errors.ts';
import { errorCode, readExtra, type Source, unreadable } from './find-file.ts';
import { formatKey } from './problems.ts';

/** One file. */
export interface Layer extends Source {
  readonly document: Table;
}

/**
 * Reads the files of conf.d, and takes all of them apart.
 * @param source sealpost.toml; null: there is none, and no conf.d then
 * @throws ConfigError for a file that cannot be read, is not to be trusted, or is no TOML
 */
export function readLayers(source: Source | null): readonly Layer[] {
  if (source === null) return [];
  return [source, ...extraFiles(source).map((path) => readExtra(path, source.guarded))].map(parseLayer);
}

function extraFiles(source: Source): readonly string[] {
  try {
    return confFiles(source.path);
  } catch (error) {
    throw new ConfigError([
      {
        file: `${source.path}: conf.d`,
        key: '',
        ...unreadable(errorCode(error), 'a folder that can be read'),
      },
    ]);
  }
}

/** @throws ConfigError with the place of a syntax error */
export function parseLayer(source: Source): Layer {
  try {
    return { ...source, document: parse(source.text, { unsafeKeyBehaviour: 'throw' }) };
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

/** What all of them say together. */
export function mergedDocument(layers: readonly Layer[]): Table {
  return mergeDocuments(layers.map(({ document }) => structuredClone(document)));
}

/** The file whose word counts for a key such as `filter.listen[0].address`, or for the nearest one above it. Pure. */
export function fileOf(layers: readonly Layer[], key: string): string | undefined {
  const keys = layers.map(({ path, document }) => ({ path, names: keysOf(document, []) }));
  for (
    let asked = key;
    ;
    asked = asked.slice(0, Math.max(asked.lastIndexOf('.'), asked.lastIndexOf('['), 0))
  ) {
    const found = keys.findLast(({ names }) => asked !== '' && names.has(asked));
    if (found !== undefined) return found.path;
    if (asked === '') return layers[0]?.path;
  }
}

/** Every key of a document with those above it, as {@link formatKey} writes them. */
function keysOf(value: unknown, path: readonly PropertyKey[]): ReadonlySet<string> {
  const below = Array.isArray(value) ? [...value.entries()] : isTable(value) ? Object.entries(value) : [];
  return new Set([
    ...(path.length === 0 ? [] : [formatKey(path)]),
    ...below.flatMap(([step, child]) => [...keysOf(child, [...path, step])]),
  ]);
}
