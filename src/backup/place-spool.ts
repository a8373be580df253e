// Puts the files of a spool back: first beside the mail, and into new/ once the database has what belongs to them.
import { constants } from 'node:fs';
import { chown, lstat, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { Refused } from '../host/exit-codes.ts';
import { ignoreMissing } from '../host/ignore-missing.ts';
import { syncFolder } from '../host/sync-folder.ts';
import type { Entry } from './read-archive.ts';
import { type SpoolPlace, spoolPlaceOf } from './spool.ts';

export interface SpoolPlacer {
  /** Writes a file to tmp/. @throws Refused where this machine has no such spool */
  stage(entry: Entry): Promise<void>;
  /**
   * Gives every file the name that says it belongs to the rows which are about to be committed. Before that, what an earlier
   * restore left under this name is not touched: its rows may count.
   */
  ready(): Promise<void>;
  /** Gives every file its place; one whose place is taken is there already. @returns how many were placed */
  place(): Promise<number>;
  /** Removes what was written. */
  drop(): Promise<void>;
}

interface Staged {
  /** Its path in tmp/ by now. */
  draft: Buffer;
  /** Its path in tmp/ once it is ready. */
  readonly restored: Buffer;
  readonly tmp: string;
  readonly path: Buffer;
  readonly folder: Buffer;
}

/** @param spools receiver.spool of this machine; asked for when the first file comes */
export function createSpoolPlacer(spools: () => readonly string[]): SpoolPlacer {
  const staged: Staged[] = [];
  return {
    async stage(entry) {
      const place = spoolPlaceOf(entry.name);
      if (place === null) return;
      const spool = spools()[place.spool];
      if (spool === undefined)
        throw new Refused(
          `the backup has mail of spool ${place.spool + 1}, and receiver.spool has none of that number here: name a Maildir for it (sealpost config set receiver.spool)`,
        );
      staged.push(await write(spool, place, entry));
    },
    async ready() {
      for (const each of staged) {
        await rename(each.draft, each.restored);
        each.draft = each.restored;
      }
      for (const tmp of new Set(staged.map(({ tmp }) => tmp))) await syncFolder(tmp);
    },
    async place() {
      let placed = 0;
      const folders = new Map<string, Buffer>();
      for (const { draft, path, folder } of staged) {
        if ((await lstat(path).catch(ignoreMissing)) !== undefined) {
          await rm(draft, { force: true });
          continue;
        }
        await rename(draft, path);
        folders.set(folder.toString('latin1'), folder);
        placed += 1;
      }
      for (const folder of folders.values()) await syncFolder(folder);
      return placed;
    },
    async drop() {
      for (const { draft } of staged) await rm(draft, { force: true }).catch(() => undefined);
    },
  };
}

async function write(spool: string, { folder, name }: SpoolPlace, entry: Entry): Promise<Staged> {
  for (const each of ['', '/tmp', '/new', `/${folder}`])
    await mkdir(`${spool}${each}`, { recursive: true, mode: 0o700 });
  const raw = Buffer.from(name, 'latin1');
  const tmp = `${spool}/tmp`;
  const inTmp = (prefix: string): Buffer => Buffer.concat([Buffer.from(`${tmp}/${prefix}.`), raw]);
  const draft = inTmp('restoring');
  await rm(draft, { force: true });
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
  const file = await open(draft, flags, 0o600);
  try {
    for await (const bytes of entry.bytes) await file.writeFile(bytes);
    // The age of a letter is counted from when it came.
    await file.utimes(entry.mtime, entry.mtime);
    await file.sync();
  } finally {
    await file.close();
  }
  if (process.getuid?.() === 0) {
    const { uid, gid } = await stat(`${spool}/new`);
    await chown(draft, uid, gid);
  }
  const into = Buffer.from(`${spool}/${folder}/`);
  return { draft, restored: inTmp('restored'), tmp, path: Buffer.concat([into, raw]), folder: into };
}
