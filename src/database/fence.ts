// Which database server was used before: its system identifier, and the highest timeline that was seen. An old primary that comes
// back, and another server at the same address, answer as if nothing were amiss, and would say "no key" of who has one. They are
// refused until somebody says that they are right (`sealpost database accept`).
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { chown, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import * as z from 'zod';
import { readDatabaseUrl } from '../config/database-url.ts';
import type { Config } from '../config/schema.ts';
import { replaceFile } from '../host/replace-file.ts';
import { DatabaseUnavailable } from './embedded/unavailable.ts';
import { redactUrl } from './errors.ts';

/** What PostgreSQL says of itself. */
export interface ServerIdentity {
  /** Given by initdb, and shared with every standby; in digits. */
  readonly system: string;
  /** Raised by each promotion; 0: not known, as on a standby. */
  readonly timeline: number;
}

/** The server is not the one that was used before. */
export class OtherServer extends DatabaseUnavailable {}

/** @returns why a server is refused; null: it is the one that is known, or newer than that. Pure */
export function whyRefused(known: ServerIdentity | null, found: ServerIdentity): string | null {
  if (known === null) return null;
  if (found.system !== known.system)
    return `it is another server than before: its system identifier is ${found.system}, not ${known.system}`;
  if (found.timeline !== 0 && found.timeline < known.timeline)
    return `it is an old primary: its timeline is ${found.timeline}, and ${known.timeline} was seen`;
  return null;
}

/** Whether what was found is to be kept from now on. What a standby says never is. Pure. */
export function isNews(known: ServerIdentity | null, found: ServerIdentity): boolean {
  return found.timeline > (known?.timeline ?? 0);
}

/** The server that a connection leads to. @throws Error where it does not tell */
export async function askIdentity(client: Pick<pg.ClientBase, 'query'>): Promise<ServerIdentity> {
  const { rows } = await client.query<ServerIdentity>(`SELECT ${IDENTITY_SQL}`);
  if (rows[0] === undefined) throw new Error('the database gave no row');
  return rows[0];
}

/** As a statement's columns `system` and `timeline`. Everybody may ask for both. */
export const IDENTITY_SQL = `(SELECT system_identifier::text FROM pg_control_system()) AS system,
  CASE WHEN pg_is_in_recovery() THEN 0
       ELSE ('x' || lpad(substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8), 8, '0'))::bit(32)::int END AS timeline`;

export interface Fence {
  /** @throws OtherServer */
  check(found: ServerIdentity): void;
  /** Takes a server for the right one, whatever was known. @returns what was known before */
  accept(found: ServerIdentity): Promise<ServerIdentity | null>;
}

const FILE = 'database-servers.json';

const identity = z.object({
  url: z.string(),
  system: z.string(),
  timeline: z.number(),
  /** Unix milliseconds: when somebody said that it is the right one; 0: nobody had to. */
  accepted: z.number(),
});
const fileSchema = z.record(z.string(), identity);

/**
 * The fence of `database.url`. What is known stands in state_dir, by the URL: whoever names another server in the configuration
 * has said so. The embedded server lies in state_dir itself, and needs none; nor is a folder believed that everybody may write.
 * @param keeps whether what is found is written down; a command that looks only leaves that to serve
 */
export function createFence({ state_dir, database: { url } }: Config, keeps: boolean): Fence | null {
  if (url.startsWith('embedded:') || !isOurs(state_dir)) return null;
  const key = keyOf(url);
  const written = (): Entry | null => read(state_dir)[key] ?? null;
  const state: { known: Entry | null } = { known: written() };
  const keep = (entry: Entry): Promise<void> => write(state_dir, { ...read(state_dir), [key]: entry });
  const entryOf = ({ system, timeline }: ServerIdentity, accepted: number): Entry => ({
    url: redactUrl(url),
    system,
    timeline,
    accepted,
  });
  return {
    check(found) {
      if (whyRefused(state.known, found) !== null) {
        // Accepted since this process began?
        const now = written();
        if (now !== null && now.accepted > (state.known?.accepted ?? 0)) state.known = now;
      }
      const because = whyRefused(state.known, found);
      if (because !== null) throw new OtherServer(because);
      if (!isNews(state.known, found)) return;
      state.known = entryOf(found, state.known?.accepted ?? 0);
      // state_dir is looked at elsewhere; this process knows for as long as it lives.
      if (keeps) keep(state.known).catch(() => undefined);
    },
    async accept(found) {
      const before = written();
      await keep(entryOf(found, Date.now()));
      return before;
    },
  };
}

type Entry = z.output<typeof identity>;

/** The servers and the database: who changes a password has not changed them. */
function keyOf(url: string): string {
  const read = readDatabaseUrl(url);
  const named = 'expected' in read ? url : JSON.stringify([read.hosts, read.database]);
  return createHash('sha256').update(named).digest('hex').slice(0, 16);
}

function isOurs(folder: string): boolean {
  const found = statSync(folder, { throwIfNoEntry: false });
  return found !== undefined && (found.mode & 0o002) === 0;
}

function read(folder: string): Readonly<Record<string, Entry>> {
  try {
    return fileSchema.parse(JSON.parse(readFileSync(join(folder, FILE), 'utf8')));
  } catch {
    // Not there yet, or damaged by hand: nothing is known.
    return {};
  }
}

async function write(folder: string, entries: Readonly<Record<string, Entry>>): Promise<void> {
  const path = join(folder, FILE);
  await replaceFile(path, Buffer.from(`${JSON.stringify(entries, null, 2)}\n`));
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(folder);
  await chown(path, uid, gid);
}
