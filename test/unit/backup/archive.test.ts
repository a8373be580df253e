// The archive: what is written is read again, whatever its size, and no bit of it can change unseen.
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  DATABASE_HEAD,
  END_BYTES,
  escapeName,
  HEAD,
  jsonBytes,
  PIECE_BYTES,
  pieceOf,
  unescapeName,
} from '../../../src/backup/format.ts';
import { ArchiveDamaged, type Entry, readArchive } from '../../../src/backup/read-archive.ts';
import { spoolPlaceOf } from '../../../src/backup/spool.ts';
import { walk } from '../../../src/backup/walk.ts';
import { createArchive, NobodyReads } from '../../../src/backup/write-archive.ts';

const AT = new Date('2026-01-02T03:04:05Z');

const head = {
  format: 1,
  program: '0.1.0',
  started_at: AT.toISOString(),
  hostname: 'mx.example.org',
  secrets: false,
  spool: true,
  taken_out: [],
};
const database = {
  taken_at: AT.toISOString(),
  server_version: 150000,
  migrations: [1],
  directory_version: 7,
  tables: [
    { name: 'domains', columns: ['id', 'name'] },
    { name: 'users', columns: ['id'] },
  ],
  sequences: [],
  partitions: [],
};

async function* some(...texts: readonly (string | Buffer)[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function smallBackup(): Promise<Buffer> {
  const archive = createArchive(AT);
  const filled = (async () => {
    await archive.add(HEAD, jsonBytes(head));
    await archive.add('configuration/sealpost.toml', Buffer.from('hostname = "x"\n'));
    await archive.addSized('spool/0/new/1%20x', 5, AT, some('Hel', 'lo'));
    await archive.add(DATABASE_HEAD, jsonBytes(database));
    await archive.addRows('domains', some('1\texa', 'mple.org\n2\tb.example\n'));
    await archive.addRows('users', some());
    return archive.finish();
  })();
  const [bytes, rows] = await Promise.all([collect(archive.bytes), filled]);
  expect(rows).toEqual({ domains: 2, users: 0 });
  return bytes;
}

const quiet = { head: () => undefined, database: () => undefined };

/** What is said of the bytes; none: they are whole. */
async function problemsOf(bytes: Buffer): Promise<readonly string[]> {
  try {
    return (await walk(some(bytes), quiet)).problems;
  } catch (error) {
    if (error instanceof ArchiveDamaged) return [error.message];
    throw error;
  }
}

describe('an archive', () => {
  it('is read as it was written, in pieces of any size', async () => {
    const bytes = await smallBackup();
    for (const size of [bytes.length, 1000, 513, 7]) {
      const seen: Record<string, string> = {};
      const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
        bytes.subarray(index * size, (index + 1) * size),
      );
      const walked = await walk(some(...pieces), {
        ...quiet,
        table:
          ({ name }) =>
          (row) => {
            seen[`${name} ${row.get('id')}`] = row.get('name') ?? '';
          },
        file: (name, text) => {
          seen[name] = text.toString();
        },
        spool: async (entry: Entry) => {
          seen[entry.name] = (await collect(entry.bytes)).toString();
        },
      });
      expect(walked.problems).toEqual([]);
      expect(seen).toEqual({
        'configuration/sealpost.toml': 'hostname = "x"\n',
        'spool/0/new/1%20x': 'Hello',
        'domains 1': 'example.org',
        'domains 2': 'b.example',
      });
    }
  });

  it('does not have one byte that may change unseen', async () => {
    const bytes = await smallBackup();
    const unseen: number[] = [];
    for (let at = 0; at < bytes.length; at += 41) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8(changed.readUInt8(at) ^ 0x01, at);
      if ((await problemsOf(changed)).length === 0) unseen.push(at);
    }
    expect(unseen).toEqual([]);
  });

  it('has a name for the entry in which a byte changed', async () => {
    const bytes = await smallBackup();
    for (const [text, name] of [
      ['b.example', 'database/domains/000000'],
      ['Hello', 'spool/0/new/1%20x'],
      ['hostname = ', 'configuration/sealpost.toml'],
    ] as const) {
      const changed = Buffer.from(bytes);
      const at = changed.indexOf(text);
      changed.writeUInt8(changed.readUInt8(at) ^ 0x20, at);
      expect((await problemsOf(changed)).join()).toMatch(new RegExp(`^${name} is not what was written`));
    }
  });

  it.each([0, 100, 600, 3000, -1, -END_BYTES, -END_BYTES - 1])(
    'is damaged when it ends at %i',
    async (at) => {
      const bytes = await smallBackup();
      expect((await problemsOf(bytes.subarray(0, at < 0 ? bytes.length + at : at))).length).toBeGreaterThan(
        0,
      );
    },
  );

  it('is no backup when it is anything else', async () => {
    expect(await problemsOf(Buffer.from('hello'.repeat(1000)))).toEqual([
      'the file is no backup: it does not begin as a tar archive does',
    ]);
    const archive = createArchive(AT);
    const filled = archive.add('other', Buffer.from('x')).then(() => archive.finish());
    const [bytes] = await Promise.all([collect(archive.bytes), filled]);
    expect(await problemsOf(bytes)).toEqual(['the file is no backup of sealpost: it begins with other']);
  });

  it('cuts a large table into pieces, and holds none of it for long', async () => {
    const archive = createArchive(AT);
    const row = `${'x'.repeat(999)}\n`;
    const rows = 9_000;
    async function* many(): AsyncGenerator<Buffer> {
      for (let sent = 0; sent < rows; sent += 100) yield Buffer.from(row.repeat(100));
    }
    const filled = archive.addRows('users', many()).then(() => archive.finish());
    const hash = createHash('sha256');
    const names: string[] = [];
    const { entries, whole } = await readArchive(archive.bytes, async ({ name, size, bytes }) => {
      names.push(name);
      expect(size).toBeLessThanOrEqual(PIECE_BYTES);
      if (pieceOf(name) !== null) for await (const piece of bytes) hash.update(piece);
    });
    expect(await filled).toEqual({ users: rows });
    expect(whole).toBe(true);
    expect(names).toHaveLength(Math.ceil((rows * row.length) / PIECE_BYTES) + 1);
    expect(entries.map(({ name }) => name)).toEqual(names);
    expect(hash.digest('hex')).toBe(createHash('sha256').update(row.repeat(rows)).digest('hex'));
  });

  it('tells whoever adds that nobody reads any more', async () => {
    const archive = createArchive(AT);
    const filled = archive.add(HEAD, Buffer.alloc(PIECE_BYTES)).then(() => archive.finish());
    const iterator = archive.bytes[Symbol.asyncIterator]();
    const ended = expect(filled).rejects.toThrow();
    await iterator.next();
    archive.fail(new Error('the disk is full'));
    await ended;
  });

  it('says to whoever adds why it ended before its time, or that nobody reads it', async () => {
    const failed = createArchive(AT);
    failed.fail(new Error('the disk is full'));
    await expect(failed.add(HEAD, jsonBytes(head))).rejects.toThrow('the disk is full');
    await expect(failed.addSized('spool/0/new/1', 4, AT, some('Hell'))).rejects.toThrow('the disk is full');
    const left = createArchive(AT);
    const adding = left.add(HEAD, Buffer.alloc(PIECE_BYTES)).then(() => left.add('x', Buffer.alloc(1)));
    const refused = expect(adding).rejects.toBeInstanceOf(NobodyReads);
    for await (const _ of left.bytes) break;
    await refused;
  });

  it('refuses a spool file that is another length than it was', async () => {
    const archive = createArchive(AT);
    const read = collect(archive.bytes).catch(() => undefined);
    await expect(archive.addSized('spool/0/new/1', 5, AT, some('Hell'))).rejects.toThrow(/has changed/);
    archive.fail(new Error('given up'));
    await read;
  });
});

describe('the name of a spool file', () => {
  it.each([
    ['1700000000.M1P2.host:2,S', '1700000000.M1P2.host:2,S'],
    ['a b', 'a%20b'],
    ['%41', '%2541'],
    ['\xff\n', '%ff%0a'],
  ])('%j is written as %s, and read again', (name, escaped) => {
    expect(escapeName(name)).toBe(escaped);
    expect(unescapeName(escaped)).toBe(name);
  });

  it.each(['..', '.', '', '%2e%2e', 'a%2fb', 'a%00b', '%4', '%zz', 'ä'])('%j is none', (escaped) => {
    expect(unescapeName(escaped)).toBeNull();
  });

  it('leads nowhere but below a spool', () => {
    expect(spoolPlaceOf('spool/0/new/1')).toEqual({ spool: 0, folder: 'new', name: '1' });
    for (const entry of [
      'spool/0/tmp/1',
      'spool/0/new/../1',
      'spool/0/new/..',
      'spool/-1/new/1',
      'spool/0/new/',
    ])
      expect(spoolPlaceOf(entry)).toBeNull();
  });
});
