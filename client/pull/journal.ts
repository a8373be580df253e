// The journal of `sealpost pull`: which messages are on their way into the Maildir and have not been acknowledged yet. With it a
// process that was killed at any point knows, when it runs again, what it has delivered, wherever the mail program has moved it.
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { syncFolder } from '../../src/host/sync-folder.ts';

/** A message between its complete file in tmp/ and the server's answer to the acknowledgement. */
export interface Entry {
  readonly id: string;
  /** The file's name, the same in tmp/ and new/. */
  readonly name: string;
  /** Unix milliseconds at which the file was complete. */
  readonly at: number;
  /** The file is in new/, or was. */
  readonly delivered: boolean;
}

const recordSchema = z.union([
  z.object({ id: z.string(), is: z.literal('complete'), name: z.string(), at: z.number() }),
  z.object({ id: z.string(), is: z.enum(['delivered', 'acknowledged']) }),
]);
type Record = z.output<typeof recordSchema>;

export interface Journal {
  /** What was under way when the journal was opened, oldest first. */
  pending(): readonly Entry[];
  /** The files are complete in tmp/ and about to be renamed. On disk when it resolves. */
  complete(entries: readonly Pick<Entry, 'id' | 'name' | 'at'>[]): Promise<void>;
  /** The files are in new/. Survives a kill, and need not survive a power failure. */
  delivered(ids: readonly string[]): Promise<void>;
  /** The server has forgotten the messages, and so can we. */
  acknowledged(ids: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** Records after which the file is written anew with what is still pending. */
const MOST_RECORDS = 5000;

/** Reads a journal's text. A last line that a kill has cut short counts as not written; so does one that makes no sense. Pure. */
export function parseJournal(text: string): ReadonlyMap<string, Entry> {
  const entries = new Map<string, Entry>();
  for (const line of text.split('\n').slice(0, -1)) {
    const record = parseRecord(line);
    if (record !== null) apply(entries, record);
  }
  return entries;
}

function parseRecord(line: string): Record | null {
  try {
    return recordSchema.parse(JSON.parse(line));
  } catch {
    return null;
  }
}

function apply(entries: Map<string, Entry>, record: Record): void {
  const { id } = record;
  if (record.is === 'complete') {
    entries.set(id, { id, name: record.name, at: record.at, delivered: false });
  } else if (record.is === 'acknowledged') {
    entries.delete(id);
  } else {
    const entry = entries.get(id);
    if (entry !== undefined) entries.set(id, { ...entry, delivered: true });
  }
}

function recordsOf(entry: Entry): Record[] {
  const complete: Record = { id: entry.id, is: 'complete', name: entry.name, at: entry.at };
  return entry.delivered ? [complete, { id: entry.id, is: 'delivered' }] : [complete];
}

function textOf(records: readonly Record[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('');
}

/**
 * Opens the journal in a folder, which nobody else may use meanwhile. What is no longer pending is dropped.
 * @throws the file system's error
 */
export async function openJournal(folder: string): Promise<Journal> {
  const path = join(folder, 'journal');
  const entries = new Map(parseJournal(await readIfThere(path)));
  const inherited = [...entries.values()];
  let file = await rewrite();
  let records = entries.size;

  /** Writes what is pending into a new file under the old name. */
  async function rewrite() {
    const draft = `${path}.new`;
    const written = await open(draft, 'w', 0o600);
    await written.writeFile(textOf([...entries.values()].flatMap(recordsOf)));
    await written.sync();
    await rename(draft, path);
    await syncFolder(folder);
    return written;
  }

  async function append(added: readonly Record[], sync: boolean): Promise<void> {
    if (added.length === 0) return;
    // One write for all of them: a kill leaves whole lines, and at most one that is cut short at the end.
    await file.writeFile(textOf(added));
    if (sync) await file.datasync();
    for (const record of added) apply(entries, record);
    records += added.length;
    if (records <= MOST_RECORDS) return;
    const old = file;
    file = await rewrite();
    records = entries.size;
    await old.close();
  }

  return {
    pending: () => inherited,
    complete: (added) =>
      append(
        added.map(({ id, name, at }) => ({ id, is: 'complete', name, at })),
        true,
      ),
    delivered: (ids) =>
      append(
        ids.map((id) => ({ id, is: 'delivered' })),
        false,
      ),
    acknowledged: (ids) =>
      append(
        ids.map((id) => ({ id, is: 'acknowledged' })),
        false,
      ),
    close: () => file.close(),
  };
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}
