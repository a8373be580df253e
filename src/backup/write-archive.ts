// Writes the archive: entries in, bytes out, with the hash of each entry on the way. Whoever reads slowly makes whoever writes wait,
// so that no more than some pieces are in memory.
import { createHash } from 'node:crypto';
import type { Writable } from 'node:stream';
import { type Headers, type Pack, pack } from 'tar-stream';
import {
  type EntryRecord,
  jsonBytes,
  MANIFEST,
  PIECE_BYTES,
  pieceName,
  sha256Of,
  TAR_END_BYTES,
} from './format.ts';
import { holdBack } from './hold-back.ts';

export interface ArchiveWriter {
  /** Adds one file. Resolves when its bytes were taken. @throws NobodyReads, as the others do */
  add(name: string, bytes: Buffer): Promise<void>;
  /** Adds a file whose size is known. @throws Error when other than so many bytes come */
  addSized(name: string, size: number, mtime: Date, source: AsyncIterable<Uint8Array>): Promise<void>;
  /** Adds the rows of a table in pieces, and counts them. */
  addRows(table: string, source: AsyncIterable<Uint8Array>): Promise<void>;
  /** Adds the manifest: nothing comes after it. @returns the rows of each table */
  finish(): Promise<Readonly<Record<string, number>>>;
  /** Gives up: whoever reads the bytes gets the error. */
  fail(error: Error): void;
  /** The archive, to be read while entries are added. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** Whoever reads the archive has gone before its end: what they say of it is the reason. */
export class NobodyReads extends Error {
  override readonly message = 'nobody reads the archive any more';
}

interface State {
  readonly archive: Pack;
  /** What was given up for. */
  failed: Error | null;
  readonly mtime: Date;
  readonly entries: EntryRecord[];
  readonly rows: Record<string, number>;
}

/** @param at what the entries say of when they were made */
export function createArchive(at: Date): ArchiveWriter {
  const state: State = { archive: pack(), failed: null, mtime: at, entries: [], rows: {} };
  state.archive.on('error', toldAlready);
  return {
    add: (name, bytes) => add(state, name, bytes),
    addSized: (name, size, mtime, source) => addSized(state, name, size, mtime, source),
    addRows: (table, source) => addRows(state, table, source),
    async finish() {
      const { archive, entries, rows } = state;
      await written(state, { name: MANIFEST }, jsonBytes({ entries, rows }));
      archive.finalize();
      return rows;
    },
    fail(error) {
      state.failed ??= error;
      state.archive.destroy(error);
    },
    bytes: withEnd(state.archive),
  };
}

async function add(state: State, name: string, bytes: Buffer): Promise<void> {
  await written(state, { name }, bytes);
  state.entries.push({ name, bytes: bytes.length, sha256: sha256Of(bytes) });
}

/** Who adds, and who reads, hears of an error by itself; unheard, the event ends the process. */
const toldAlready = (): void => undefined;

/** Resolves when the bytes were taken, which they are as fast as they are read. */
async function written(state: State, header: Headers, bytes: Buffer): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    entryOf(state, { mode: 0o600, mtime: state.mtime, ...header }, bytes, (error) =>
      error === null ? resolve() : reject(error),
    );
  });
}

/**
 * Begins a file.
 * @param bytes all of it; null: they are written to what is given
 * @param done is told when it was taken, or why not: tar-stream itself says that an archive was destroyed, and not what for
 */
function entryOf(
  state: State,
  header: Headers,
  bytes: Buffer | null,
  done: (error: Error | null) => void,
): Writable | null {
  const gone = (): Error => state.failed ?? new NobodyReads();
  const ended = (error?: Error | null): void => done(error ? gone() : null);
  try {
    const entry =
      bytes === null ? state.archive.entry(header, ended) : state.archive.entry(header, bytes, ended);
    entry.on('error', toldAlready);
    return entry;
  } catch {
    done(gone());
    return null;
  }
}

async function addSized(
  state: State,
  name: string,
  size: number,
  mtime: Date,
  source: AsyncIterable<Uint8Array>,
): Promise<void> {
  const hash = createHash('sha256');
  const header = { name, size, mtime, mode: 0o600 };
  await new Promise<void>((resolve, reject) => {
    const entry = entryOf(state, header, null, (error) => (error === null ? resolve() : reject(error)));
    if (entry === null) return;
    const send = async (): Promise<void> => {
      let left = size;
      for await (const bytes of source) {
        left -= bytes.length;
        if (left < 0) break;
        hash.update(bytes);
        if (!entry.write(bytes)) await new Promise<void>((drained) => entry.once('drain', () => drained()));
      }
      if (left !== 0) throw new Error('the file has changed while it was read');
      entry.end();
    };
    send().catch(reject);
  });
  state.entries.push({ name, bytes: size, sha256: hash.digest('hex') });
}

const NEWLINE = 0x0a;

async function addRows(state: State, table: string, source: AsyncIterable<Uint8Array>): Promise<void> {
  let rows = 0;
  let piece = 0;
  for await (const bytes of inPieces(source)) {
    // In COPY's text format a line feed within a value is written as \n: each of these bytes ends a row.
    for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) rows += 1;
    await add(state, pieceName(table, piece), bytes);
    piece += 1;
  }
  state.rows[table] = rows;
}

/** The same bytes in pieces of {@link PIECE_BYTES}, the last one shorter. */
async function* inPieces(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  let piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  let filled = 0;
  for await (const bytes of source) {
    let from = 0;
    while (from < bytes.length) {
      const taken = Math.min(bytes.length - from, PIECE_BYTES - filled);
      piece.set(bytes.subarray(from, from + taken), filled);
      from += taken;
      filled += taken;
      if (filled < PIECE_BYTES) continue;
      yield piece;
      piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
      filled = 0;
    }
  }
  if (filled > 0) yield piece.subarray(0, filled);
}

/** The bytes of the archive, with our end in place of the empty blocks. */
async function* withEnd(archive: Pack): AsyncGenerator<Uint8Array> {
  const held = holdBack(TAR_END_BYTES);
  for await (const bytes of archive as AsyncIterable<Buffer>) {
    const out = held.push(bytes);
    if (out.length > 0) yield out;
  }
  yield await held.end();
}
