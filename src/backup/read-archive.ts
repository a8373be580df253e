// Reads the archive as a stream: each entry with the hash of its bytes, and at the end whether the file is whole to the last bit.
import { createHash } from 'node:crypto';
import { type Extract, extract, type Headers } from 'tar-stream';
import { END_BYTES, type EntryRecord, type Manifest } from './format.ts';
import { holdBack } from './hold-back.ts';

/** One entry while it is read. Its bytes are read once, and to their end, before the next one comes. */
export interface Entry {
  readonly name: string;
  readonly size: number;
  readonly mtime: Date;
  readonly bytes: AsyncIterable<Buffer>;
}

/** What was found in a file that could be read to its end. */
export interface ReadArchive {
  readonly entries: readonly EntryRecord[];
  /** Whether the last bytes are the ones that belong to all those before them. */
  readonly whole: boolean;
}

/** The file is no archive, or is damaged so that nothing more can be read from it. */
export class ArchiveDamaged extends Error {
  override readonly name = 'ArchiveDamaged';
}

/**
 * Reads every entry.
 * @param visit is called for each in turn; bytes that it leaves are read for it
 * @throws ArchiveDamaged; what the source and `visit` throw
 */
export async function readArchive(
  source: AsyncIterable<Uint8Array>,
  visit: (entry: Entry) => Promise<void>,
): Promise<ReadArchive> {
  const archive = extract();
  const end = { whole: false };
  const feeding = feed(archive, source, end);
  const entries: EntryRecord[] = [];
  try {
    for await (const each of archive) {
      const entry = each as unknown as AsyncIterable<Buffer> & { readonly header: Headers };
      const { name, size = 0, mtime = new Date(0), type } = entry.header;
      if (type !== 'file') throw new ArchiveDamaged(`${name} is no file`);
      const hash = createHash('sha256');
      const bytes = hashed(entry, hash);
      await visit({ name, size, mtime, bytes });
      for await (const left of bytes) void left;
      entries.push({ name, bytes: size, sha256: hash.digest('hex') });
    }
    await feeding;
  } catch (error) {
    // The error of the source comes first: what the archive says of it would hide it.
    const cause = await Promise.race([
      feeding.then(
        () => null,
        (reason: unknown) => reason,
      ),
      null,
    ]);
    archive.destroy();
    throw cause ?? (isOfTar(error) ? damaged(entries.at(-1)?.name, error) : error);
  }
  return { entries, whole: end.whole };
}

async function* hashed(
  source: AsyncIterable<Buffer>,
  hash: { update(bytes: Uint8Array): unknown },
): AsyncGenerator<Buffer> {
  for await (const bytes of source) {
    hash.update(bytes);
    yield bytes;
  }
}

/** Hands the archive everything but its end, which is compared with what it has to be. */
async function feed(
  archive: Extract,
  source: AsyncIterable<Uint8Array>,
  end: { whole: boolean },
): Promise<void> {
  const held = holdBack(END_BYTES);
  try {
    for await (const bytes of source) {
      const out = held.push(bytes);
      if (out.length === 0) continue;
      if (!archive.write(out)) await taken(archive);
      if (archive.destroyed) return;
    }
    end.whole = held.last().equals(await held.end());
    archive.end();
  } catch (error) {
    archive.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  }
}

function taken(archive: Extract): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      archive.off('drain', go);
      archive.off('close', go);
      resolve();
    };
    archive.on('drain', go);
    archive.on('close', go);
  });
}

function isOfTar(error: unknown): error is Error {
  return (
    error instanceof Error &&
    /tar header|Unexpected end of data|Invalid tar|PAX|Writable stream/i.test(error.message)
  );
}

function damaged(after: string | undefined, error: Error): ArchiveDamaged {
  const message = /Unexpected end/.test(error.message)
    ? `the file ends within ${after === undefined ? 'its first entry' : `what comes after ${after}`}`
    : after === undefined
      ? 'the file is no backup: it does not begin as a tar archive does'
      : `what comes after ${after} is damaged`;
  return new ArchiveDamaged(message, { cause: error });
}

/**
 * What is wrong with the entries that were read, each named. Pure.
 * @param entries as they were read
 * @param whole as {@link ReadArchive}
 */
export function compareEntries(
  entries: readonly EntryRecord[],
  manifest: Manifest,
  whole: boolean,
  manifestName: string,
): readonly string[] {
  const problems: string[] = [];
  const read = entries.filter(({ name }) => name !== manifestName);
  for (const [index, wanted] of manifest.entries.entries()) {
    const found = read[index];
    if (found === undefined) problems.push(`${wanted.name} is missing`);
    else if (found.name !== wanted.name)
      problems.push(`${found.name} stands where ${wanted.name} is expected`);
    else if (found.bytes !== wanted.bytes)
      problems.push(`${wanted.name} has ${found.bytes} bytes, expected ${wanted.bytes}`);
    else if (found.sha256 !== wanted.sha256)
      problems.push(`${wanted.name} is not what was written: its SHA-256 is another one`);
  }
  for (const { name } of read.slice(manifest.entries.length)) problems.push(`${name} is not in the manifest`);
  if (!whole && problems.length === 0)
    problems.push(
      `the file is not what was written, though every entry that ${manifestName} names is: a byte of ${manifestName}, of a header, or of the end has changed`,
    );
  return problems;
}
