// The configuration in a backup: the files as they are where secrets were asked for, else what they say, without the secret values.
// Comments are then left out, since an old password may stand in one.
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parse, stringify } from 'smol-toml';
import { isTable, type Table } from '../config/conf-d.ts';
import { formatKey } from '../config/problems.ts';

/** One file of the configuration, by its name in the archive. */
export interface ConfigurationFile {
  readonly name: string;
  readonly bytes: Buffer;
}

export interface ConfigurationFiles {
  readonly files: readonly ConfigurationFile[];
  /** Keys whose secret values were taken out. */
  readonly takenOut: readonly string[];
}

/** Where they stand in the archive. */
export const CONFIGURATION = 'configuration/';

/**
 * Reads the files.
 * @param paths sealpost.toml first, then those of conf.d; none: the defaults hold
 * @throws the file system's error
 */
export function readConfiguration(paths: readonly string[], secrets: boolean): ConfigurationFiles {
  const takenOut: string[] = [];
  const files = paths.map((path, index) => {
    const name = join(CONFIGURATION, index === 0 ? 'sealpost.toml' : join('conf.d', basename(path)));
    const bytes = readFileSync(path);
    if (secrets) return { name, bytes };
    const clean = withoutSecrets(parse(bytes.toString('utf8')));
    takenOut.push(...clean.takenOut);
    return { name, bytes: Buffer.from(`${HEADLINE}${stringify(clean.document)}`) };
  });
  return { files, takenOut: [...new Set(takenOut)] };
}

const HEADLINE = '# From a backup of sealpost: without comments, and without the values that are secret.\n';

/** The same document without what is secret, and the keys where something was taken out. Pure. */
export function withoutSecrets(document: Table): {
  readonly document: Table;
  readonly takenOut: readonly string[];
} {
  const takenOut: string[] = [];
  const clean = (value: unknown, path: readonly PropertyKey[]): unknown => {
    if (Array.isArray(value)) return value.map((each, index) => clean(each, [...path, index]));
    if (isTable(value))
      return Object.fromEntries(
        Object.entries(value).flatMap(([name, each]) => {
          const below = clean(each, [...path, name]);
          return below === undefined ? [] : [[name, below]];
        }),
      );
    if (typeof value !== 'string') return value;
    const shown = withoutSecret(String(path.at(-1)), value);
    if (shown !== value) takenOut.push(formatKey(path));
    return shown;
  };
  return { document: clean(document, []) as Table, takenOut };
}

/** The value as it may be written; undefined: none of it. */
function withoutSecret(name: string, value: string): string | undefined {
  // A path to a secret is none.
  if (/_file$/.test(name) || value.startsWith('@/')) return value;
  if (/passw|secret/i.test(name)) return undefined;
  const [, scheme, rest = ''] = /^([a-z][a-z0-9+.-]*:\/\/)(.*)$/is.exec(value) ?? [];
  // libpq's other form: host=... password=...
  if (scheme === undefined) return /passw|secret|pgpass/i.test(value) ? undefined : value;
  const at = rest.lastIndexOf('@');
  const user = at === -1 ? '' : `${rest.slice(0, at).split(':', 1)[0]}@`;
  const place = rest.slice(at + 1);
  const query = place.search(/[?#]/);
  const secretQuery = query !== -1 && /passw|secret|pgpass|key/i.test(place.slice(query));
  return `${scheme}${user}${secretQuery ? place.slice(0, query) : place}`;
}
