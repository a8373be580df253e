// A backup as an older version would have made it: the same file, with that version's tables and migrations.
import { writeFileSync } from 'node:fs';
import pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import {
  DATABASE_HEAD,
  type DatabaseHead,
  FORMAT,
  HEAD,
  type Head,
  jsonBytes,
} from '../../src/backup/format.ts';
import { COPIED_TABLES } from '../../src/backup/tables.ts';
import { createArchive } from '../../src/backup/write-archive.ts';

/** @param url of a database that has migrations of that version only */
export async function backUpOlder(url: string, file: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const archive = createArchive(new Date());
  const filled = (async () => {
    const head = await readHead(client);
    const started: Head = {
      format: FORMAT,
      program: '0.1.0',
      started_at: head.taken_at,
      hostname: 'mx.example.org',
      secrets: false,
      spool: false,
      taken_out: [],
    };
    await archive.add(HEAD, jsonBytes(started));
    await archive.add(DATABASE_HEAD, jsonBytes(head));
    for (const { name, columns } of head.tables)
      await archive.addRows(
        name,
        client.query(
          copyTo(
            `COPY (SELECT ${columns.map((column) => pg.escapeIdentifier(column)).join(', ')} FROM ${name} ORDER BY 1) TO STDOUT`,
          ),
        ),
      );
    await archive.finish();
  })();
  const pieces: Uint8Array[] = [];
  for await (const piece of archive.bytes) pieces.push(piece);
  await filled;
  await client.end();
  writeFileSync(file, Buffer.concat(pieces));
}

async function readHead(client: pg.Client): Promise<DatabaseHead> {
  await client.query(`SET TimeZone = 'UTC'`);
  const { rows: tables } = await client.query<{ name: string; columns: string[] }>(
    `SELECT c.relname AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns
       FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
      WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY ($1::text[])
        AND a.attnum > 0 AND NOT a.attisdropped GROUP BY c.relname`,
    [COPIED_TABLES],
  );
  const { rows: sequences } = await client.query<{ table: string; column: string; last: string }>(
    `SELECT c.relname AS "table", a.attname AS "column", s.last_value AS last
       FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
       JOIN pg_sequences s ON format('%I.%I', s.schemaname, s.sequencename) = pg_get_serial_sequence('public.' || c.relname, a.attname)
      WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY ($1::text[])
        AND a.attnum > 0 AND NOT a.attisdropped AND s.last_value IS NOT NULL`,
    [COPIED_TABLES],
  );
  const { rows: migrations } = await client.query<{ made: string }>(
    'SELECT created_at AS made FROM sealpost_migrations ORDER BY created_at',
  );
  return {
    taken_at: new Date().toISOString(),
    server_version: 150000,
    migrations: migrations.map(({ made }) => Number(made)),
    directory_version: 1,
    tables: COPIED_TABLES.flatMap((name) => tables.find((table) => table.name === name) ?? []),
    sequences: sequences.map(({ table, column, last }) => ({ table, column, last: Number(last) })),
    partitions: [],
  };
}
