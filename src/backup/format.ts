// What a backup is: a tar archive with a head, the configuration, perhaps the spool, the rows of the database in pieces, a manifest
// with the hash of every entry, and an end that has the hash of everything before it.
//
//   backup.json             Head
//   configuration/...       sealpost.toml and conf.d/*.toml
//   state/..., secrets/...  only where secrets were asked for
//   spool/N/new/NAME        only where the spool was asked for
//   database.json           DatabaseHead
//   database/TABLE/000000   rows as COPY writes them, in pieces of 4 MiB
//   manifest.json           Manifest
//   end.json                End: the hash of every byte before it, headers and padding included
import { createHash } from 'node:crypto';
import { pack } from 'tar-stream';
import * as z from 'zod';

/** Rises when a program that knows the one before could not read it. */
export const FORMAT = 1;

/** Bytes of one piece of a table: a tar header says the size before the bytes come, so that nobody knows it of a whole table. */
export const PIECE_BYTES = 4 * 2 ** 20;

export const HEAD = 'backup.json';
export const DATABASE_HEAD = 'database.json';
export const MANIFEST = 'manifest.json';
const END = 'end.json';

/** What the file says of itself before anything else. */
export const headSchema = z.object({
  format: z.number().int(),
  /** Version of the program. */
  program: z.string(),
  /** RFC 3339. */
  started_at: z.iso.datetime(),
  hostname: z.string(),
  secrets: z.boolean(),
  spool: z.boolean(),
  /** Keys of the configuration whose secret values were taken out, such as `database.url`. */
  taken_out: z.array(z.string()),
});
export type Head = z.output<typeof headSchema>;

/** What is known of the database in the moment of the snapshot. */
export const databaseHeadSchema = z.object({
  /** RFC 3339: when the snapshot was taken, by the database's clock. */
  taken_at: z.iso.datetime(),
  /** server_version_num. */
  server_version: z.number().int(),
  /** The migrations that it has: Unix milliseconds of their making, oldest first, as sealpost_migrations counts them. */
  migrations: z.array(z.number().int()),
  directory_version: z.number().int(),
  tables: z.array(z.object({ name: z.string(), columns: z.array(z.string()).min(1) })),
  /** Numbers that were given out, also of rows that are gone. */
  sequences: z.array(z.object({ table: z.string(), column: z.string(), last: z.number().int() })),
  /** Of `events`. */
  partitions: z.array(z.string()),
});
export type DatabaseHead = z.output<typeof databaseHeadSchema>;

const entrySchema = z.object({ name: z.string(), bytes: z.number().int(), sha256: z.string() });
/** One file of the archive. */
export type EntryRecord = z.output<typeof entrySchema>;

export const manifestSchema = z.object({
  entries: z.array(entrySchema),
  /** Rows of each table. */
  rows: z.record(z.string(), z.number().int()),
});
export type Manifest = z.output<typeof manifestSchema>;

/** Writes a JSON entry. */
export function jsonBytes(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
}

/** The name of a piece of a table. @param piece from 0 */
export function pieceName(table: string, piece: number): string {
  return `database/${table}/${String(piece).padStart(6, '0')}`;
}

/** The table and the number of a piece; null for another entry. Pure. */
export function pieceOf(name: string): { readonly table: string; readonly piece: number } | null {
  const [, table, piece] = /^database\/([a-z_]+)\/(\d{6,})$/.exec(name) ?? [];
  return table === undefined ? null : { table, piece: Number(piece) };
}

/** Bytes of one block of a tar archive. */
export const BLOCK = 512;
/** What ends a tar archive: two empty blocks. */
export const TAR_END_BYTES = 2 * BLOCK;
/** The end of a backup: a header, one block, and what ends the archive. */
export const END_BYTES = 2 * BLOCK + TAR_END_BYTES;

/**
 * The last bytes of a backup. They depend on the bytes before them and on nothing else, so that whoever reads them can make them
 * anew and compare: no bit of the file is without a check.
 */
export async function endOf(bytes: number, sha256: string): Promise<Buffer> {
  const text = `${JSON.stringify({ bytes, sha256 })}\n`.padEnd(BLOCK - 1).concat('\n');
  const archive = pack();
  archive.entry({ name: END, mode: 0o600, mtime: new Date(0), size: BLOCK }, text);
  archive.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of archive) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

/** SHA-256 in hexadecimal. */
export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A name of a spool file in the archive: any byte may be in it. @param name one character per byte */
export function escapeName(name: string): string {
  return name.replace(
    /[^A-Za-z0-9._:,=-]/g,
    (byte) => `%${byte.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

/** The other way; null for what {@link escapeName} does not write. */
export function unescapeName(escaped: string): string | null {
  const name = escaped.replace(/%([0-9a-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  return escapeName(name) === escaped && !/^\.{0,2}$|[/\0]/.test(name) ? name : null;
}
