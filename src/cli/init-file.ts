// What `sealpost init` writes into a new sealpost.toml: what differs from the defaults, and nothing else. Pure.
import { isDeepStrictEqual } from 'node:util';
import { parse, stringify } from 'smol-toml';
import { isTable, mergeDocuments, type Table } from '../config/conf-d.ts';
import { configSchema } from '../config/schema.ts';
import type { AskedPostfix } from '../postfix/postconf.ts';

const HEAD = `# sealpost.toml: what differs from the defaults. "sealpost config describe" prints every key with its meaning,
# "sealpost config set KEY VALUE" changes one.
`;

/** What is known when the file is written. */
export interface FileWishes {
  readonly stateDir: string;
  /** null: the embedded one. */
  readonly databaseUrl: string | null;
  /** The sealpost.example.toml of the wiring; '' for none. */
  readonly wiring: string;
  /** Wins over the wiring's; null: unknown. */
  readonly nextHop: string | null;
  readonly postfix: AskedPostfix;
}

/** The text of the file. */
export function newConfigFile({ stateDir, databaseUrl, wiring, nextHop, postfix }: FileWishes): string {
  const wanted = mergeDocuments([
    parse(wiring),
    nextHop === null ? {} : { filter: { next_hop: nextHop } },
    databaseUrl === null ? {} : { database: { url: databaseUrl } },
    postfix.kind === 'found' ? { postfix: { ...postfix.settings.operators } } : {},
  ]);
  // Which state_dir is the default depends on who runs a command: it is always said.
  return `${HEAD}${stringify({ state_dir: stateDir, ...withoutDefaults(wanted) })}`;
}

/** A document that means the same without what the defaults say anyway. */
export function withoutDefaults(document: Table): Table {
  const meaning = configSchema.parse(document);
  return leaves(document, []).reduce<Table>((kept, path) => {
    const shorter = without(kept, path);
    return isDeepStrictEqual(configSchema.parse(shorter), meaning) ? shorter : kept;
  }, document);
}

/** The paths of all values; a list is one, and so is an empty table. */
function leaves(table: Table, path: readonly string[]): (readonly string[])[] {
  return Object.entries(table).flatMap(([name, value]) =>
    isTable(value) && Object.keys(value).length > 0 ? leaves(value, [...path, name]) : [[...path, name]],
  );
}

/** A table that is empty without the value goes with it. */
function without(table: Table, [name = '', ...rest]: readonly string[]): Table {
  const { [name]: below, ...others } = table;
  if (rest.length === 0 || !isTable(below)) return others;
  const shorter = without(below, rest);
  return Object.keys(shorter).length === 0 ? others : { ...others, [name]: shorter };
}
