// The way through a backup, for `verify` and `restore` alike: each kind of entry to the one who knows it, each hash and count
// compared with the manifest.
import { createRowReader, type Row, type RowReader } from './copy-text.ts';
import {
  DATABASE_HEAD,
  type DatabaseHead,
  databaseHeadSchema,
  FORMAT,
  HEAD,
  type Head,
  headSchema,
  MANIFEST,
  type Manifest,
  manifestSchema,
  pieceOf,
} from './format.ts';
import { ArchiveDamaged, compareEntries, type Entry, readArchive } from './read-archive.ts';
import { spoolPlaceOf } from './spool.ts';

/** Who is told of what, in the order of the file. Each reads the bytes of an entry that it wants. */
export interface Visitor {
  head(head: Head): Promise<void> | void;
  database(head: DatabaseHead): Promise<void> | void;
  /** Told once for each table before its rows. @returns what is done with its rows, or null */
  table?(table: DatabaseHead['tables'][number]): ((row: Row) => Promise<void> | void) | null;
  /** A piece of a table, before its rows are counted. */
  piece?(table: DatabaseHead['tables'][number], bytes: Buffer): Promise<void>;
  spool?(entry: Entry): Promise<void>;
  /** Files of the configuration, of state_dir, and other secrets. */
  file?(name: string, bytes: Buffer): Promise<void> | void;
}

export interface Walked {
  readonly head: Head;
  readonly database: DatabaseHead;
  readonly manifest: Manifest;
  /** What is wrong with entries and counts, each named. */
  readonly problems: readonly string[];
}

/** More than a person reads. */
const MOST_PROBLEMS = 100;
/** JSON and small files. Bytes. */
const MOST_IN_MEMORY = 256 * 2 ** 20;

interface State {
  readonly visitor: Visitor;
  readonly problems: string[];
  head: Head | null;
  database: DatabaseHead | null;
  manifest: Manifest | null;
  readonly rows: Record<string, number>;
  /** The table whose pieces come. */
  current: { readonly table: DatabaseHead['tables'][number]; readonly reader: RowReader } | null;
}

/**
 * Reads a backup from its first byte to its last.
 * @throws ArchiveDamaged where it cannot be read on; what the visitor throws
 */
export async function walk(source: AsyncIterable<Uint8Array>, visitor: Visitor): Promise<Walked> {
  const state: State = {
    visitor,
    problems: [],
    head: null,
    database: null,
    manifest: null,
    rows: {},
    current: null,
  };
  const { entries, whole } = await readArchive(source, (entry) => visit(state, entry));
  endTable(state);
  const { head, database, manifest, problems } = state;
  if (head === null) throw new ArchiveDamaged('the file is no backup of sealpost: it has no backup.json');
  if (database === null || manifest === null)
    throw new ArchiveDamaged(
      `the backup ends early: it has no ${database === null ? DATABASE_HEAD : MANIFEST}`,
    );
  problems.unshift(...compareEntries(entries, manifest, whole, MANIFEST));
  for (const { name } of database.tables) {
    const [found, told] = [state.rows[name] ?? 0, manifest.rows[name]];
    if (found !== told) problems.push(`table ${name} has ${found} rows, expected ${told ?? 'none'}`);
  }
  return { head, database, manifest, problems };
}

async function visit(state: State, entry: Entry): Promise<void> {
  const { visitor } = state;
  const { name } = entry;
  if (name === HEAD) {
    state.head = readHead(await whole(entry));
    return visitor.head(state.head);
  }
  if (state.head === null)
    throw new ArchiveDamaged(`the file is no backup of sealpost: it begins with ${name}`);
  if (name === DATABASE_HEAD) {
    state.database = parsed(name, databaseHeadSchema, await whole(entry));
    return visitor.database(state.database);
  }
  if (name === MANIFEST) {
    state.manifest = parsed(name, manifestSchema, await whole(entry));
    return;
  }
  const piece = pieceOf(name);
  if (piece !== null) return visitPiece(state, piece.table, entry);
  if (spoolPlaceOf(name) !== null) return visitor.spool?.(entry);
  if (/^(?:configuration|state|secrets)\//.test(name)) await visitor.file?.(name, await whole(entry));
}

async function visitPiece(state: State, name: string, entry: Entry): Promise<void> {
  const { visitor, database } = state;
  if (state.current?.table.name !== name) {
    endTable(state);
    const table = database?.tables.find((each) => each.name === name);
    if (table === undefined)
      throw new ArchiveDamaged(`${entry.name} is of a table that the backup does not name`);
    const complain = (problem: string): void => {
      if (state.problems.length < MOST_PROBLEMS) state.problems.push(`table ${name}, ${problem}`);
    };
    const reader = createRowReader(table.columns, visitor.table?.(table) ?? null, complain);
    state.current = { table, reader };
  }
  const { table, reader } = state.current;
  for await (const bytes of entry.bytes) {
    await visitor.piece?.(table, bytes);
    await reader.push(bytes);
  }
}

function endTable(state: State): void {
  if (state.current === null) return;
  const { table, reader } = state.current;
  state.current = null;
  try {
    state.rows[table.name] = reader.end();
  } catch (error) {
    state.problems.push(`table ${table.name}: ${error instanceof Error ? error.message : error}`);
  }
}

async function whole({ name, size, bytes }: Entry): Promise<Buffer> {
  if (size > MOST_IN_MEMORY) throw new ArchiveDamaged(`${name} is too large: ${size} bytes`);
  const pieces: Buffer[] = [];
  for await (const piece of bytes) pieces.push(piece);
  return Buffer.concat(pieces);
}

function readHead(bytes: Buffer): Head {
  const head = parsed(HEAD, headSchema, bytes);
  if (head.format > FORMAT)
    throw new ArchiveDamaged(
      `the backup is of sealpost ${head.program}, whose backups this program cannot read: use that version or a newer one`,
    );
  return head;
}

function parsed<T>(
  name: string,
  schema: { safeParse(value: unknown): { success: boolean; data?: T } },
  bytes: Buffer,
): T {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new ArchiveDamaged(`${name} is damaged: it is no JSON`);
  }
  const read = schema.safeParse(value);
  if (!read.success || read.data === undefined)
    throw new ArchiveDamaged(`${name} is damaged: it does not say what it should`);
  return read.data;
}
