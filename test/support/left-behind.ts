// What a process and its database hold: rows of every table, files, descriptors, sockets that listen, listeners of events.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Database } from '../../src/database/open.ts';

/** Rows of each table that has any. */
export async function rowsOfTables({
  pool,
}: Pick<Database, 'pool'>): Promise<Readonly<Record<string, number>>> {
  const { rows } = await pool.query<{ name: string; count: string }>(`
    SELECT format('%I.%I', table_schema, table_name) AS name,
      (xpath('/row/count/text()', query_to_xml(
        format('SELECT count(*) AS count FROM %I.%I', table_schema, table_name), false, true, '')))[1]::text AS count
      FROM information_schema.tables
      WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
      ORDER BY 1`);
  return Object.fromEntries(
    rows.filter(({ count }) => count !== '0').map(({ name, count }) => [name, Number(count)]),
  );
}

/** Files and folders below a folder, but for those below the given ones. */
export function filesBelow(folder: string, except: readonly string[]): readonly string[] {
  const found: string[] = [];
  const look = (path: string): void => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      const each = join(path, entry.name);
      const name = relative(folder, each);
      found.push(name);
      if (entry.isDirectory() && !except.includes(name)) look(each);
    }
  };
  look(folder);
  return found.sort();
}

export interface Held {
  /** Of this process, by kind: `socket`, `pipe`, `anon_inode:[eventpoll]`; files by their path. */
  readonly descriptors: Readonly<Record<string, number>>;
  /** Local addresses on which it listens. */
  readonly listening: readonly string[];
  /** Of the process object, by event. */
  readonly processListeners: Readonly<Record<string, number>>;
}

export function heldByProcess(): Held {
  const targets = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      // The folder's own, closed by now.
      return [];
    }
  });
  return {
    descriptors: counted(targets.map((target) => target.replace(/^(socket|pipe):\[\d+\]$/, '$1'))),
    listening: listening(new Set(targets)),
    processListeners: Object.fromEntries(
      process.eventNames().map((name) => [String(name), process.listenerCount(name)]),
    ),
  };
}

function counted(names: readonly string[]): Readonly<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const name of names) found[name] = (found[name] ?? 0) + 1;
  return found;
}

/** State LISTEN in proc(5), /proc/net/tcp; the inode is the tenth column. */
const LISTEN = '0A';

function listening(targets: ReadonlySet<string>): readonly string[] {
  return ['tcp', 'tcp6'].flatMap((file) =>
    readFileSync(`/proc/self/net/${file}`, 'latin1')
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state, , , , , , inode]) => state === LISTEN && targets.has(`socket:[${inode}]`))
      .map(([, local = '']) => local),
  );
}
