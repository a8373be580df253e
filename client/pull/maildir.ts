// The Maildir that `sealpost pull` fills. A message goes tmp/ -> fsync -> journal -> new/ -> fsync, and only then may it be
// acknowledged. Its name is made from its id, so that what a killed process has delivered is recognised.
//
// A mail program may move a file out of new/ at once, and some program may clear tmp/ of files older than 36 hours
// (maildir(5)): neither of them may look like the other. So the journal says when a file was complete, before it is renamed.
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { takeLock } from '../../src/host/process-lock.ts';
import { syncFolder } from '../../src/host/sync-folder.ts';
import { ID_PATTERN, type Waiting } from '../../src/queue-api/shapes.ts';
import { type Entry, openJournal } from './journal.ts';

/** A message whose file is complete in tmp/. */
export interface Staged {
  readonly id: string;
  readonly name: string;
}

export interface Maildir {
  /** What an earlier run delivered and could not acknowledge any more. */
  readonly unacknowledged: readonly string[];
  /** Whether a message is in this Maildir, or has been. */
  has(id: string): boolean;
  /**
   * Opens the file of a message in tmp/. `finish` flushes it to the disk and closes it; `discard` removes it.
   * @throws the file system's error
   */
  stage(message: Waiting): Promise<StagedFile>;
  /** Moves complete files to new/. When it resolves they are delivered for good. */
  deliver(staged: readonly Staged[]): Promise<void>;
  /** The server has forgotten them. */
  acknowledged(ids: readonly string[]): Promise<void>;
  /** The server does not know a message that is unacknowledged. It is remembered for the token that it came with, not for ever. */
  unknown(id: string): Promise<void>;
  close(): Promise<void>;
}

export interface StagedFile {
  write(bytes: Uint8Array): Promise<void>;
  /** Where it lies, for a program that reads it again before it is finished. */
  readonly path: string;
  finish(): Promise<Staged>;
  discard(): Promise<void>;
}

/** The path is no Maildir, or another process fills it. */
export class MaildirRefused extends Error {
  override readonly name = 'MaildirRefused';
}

/** Our own folder in the Maildir. No dot: in Maildir++ a folder with a dot is a mail folder. */
const OWN_FOLDER = 'sealpost-pull';

/** Behind the name a mail program puts flags (":2,S"), sizes (",S=") or other marks. */
const OUR_NAME = /^\d+\.([A-Za-z0-9_-]{1,64})\.sealpost(?:[:;,!].*)?$/;

/** So young a file is in nobody's way: programs clear tmp/ after 36 hours. */
const TMP_LIFETIME_MS = 24 * 3_600_000;

/** Longer than a server remembers what was acknowledged, and than a token is out of use that comes again. */
const UNKNOWN_LIFETIME_MS = 90 * 24 * 3_600_000;

/** The file name of a message: the same whenever it is fetched. */
export function fileName({ id, received }: Pick<Waiting, 'id' | 'received'>): string {
  if (!ID_PATTERN.test(id))
    throw new MaildirRefused('the server gave an id that cannot be part of a file name');
  const seconds = Math.floor(Date.parse(received) / 1000);
  return `${Number.isFinite(seconds) && seconds > 0 ? seconds : 0}.${id}.sealpost`;
}

/** The message id in a file's name; null when the file is not ours. */
export function idOf(name: string): string | null {
  return OUR_NAME.exec(name)?.[1] ?? null;
}

/**
 * What became of a message that was under way when its process ended. Pure.
 *
 * - `delivered`: it is in the Maildir, or the mail program has moved it on;
 * - `finish`: its complete file still lies in tmp/;
 * - `fetch again`: nobody can tell any more, since a program that clears tmp/ may have removed it. Rather twice than never.
 */
export function judgePending(
  entry: Entry,
  found: { readonly inTmp: boolean; readonly inMaildir: boolean },
  now: number,
): 'delivered' | 'finish' | 'fetch again' {
  if (entry.delivered || found.inMaildir) return 'delivered';
  if (found.inTmp) return 'finish';
  return Math.abs(now - entry.at) < TMP_LIFETIME_MS ? 'delivered' : 'fetch again';
}

/**
 * Opens a Maildir, made where there is none, and puts in order what an earlier process left.
 * @throws MaildirRefused, or the file system's error
 */
export async function openMaildir(path: string, now: () => number = Date.now): Promise<Maildir> {
  await makeMaildir(path);
  const [tmp, fresh, own] = [join(path, 'tmp'), join(path, 'new'), join(path, OWN_FOLDER)];
  const lockFolder = join(own, 'lock');
  await mkdir(lockFolder, { recursive: true, mode: 0o700 });
  const release = await takeLock(lockFolder, 0).catch((error: Error) => {
    throw new MaildirRefused(
      `${path} is being filled by another "sealpost pull": ${error.message}; let it end first`,
    );
  });
  try {
    const journal = await openJournal(own);
    const known = new Set<string>();
    for (const folder of ['new', 'cur']) {
      for (const name of await readdir(join(path, folder))) {
        const id = idOf(name);
        if (id !== null) known.add(id);
      }
    }
    const left = new Set(await readdir(tmp));
    for (const entry of journal.pending()) {
      const found = { inTmp: left.has(entry.name), inMaildir: known.has(entry.id) };
      const fate = judgePending(entry, found, now());
      if (fate === 'finish') await rename(join(tmp, entry.name), join(fresh, entry.name));
      if (fate === 'fetch again') await journal.acknowledged([entry.id]);
      else {
        known.add(entry.id);
        await journal.delivered([entry.id]);
      }
    }
    await syncFolder(fresh);
    for (const name of left) if (idOf(name) !== null) await rm(join(tmp, name), { force: true });

    return {
      unacknowledged: journal
        .pending()
        .map(({ id }) => id)
        .filter((id) => known.has(id)),
      has: (id) => known.has(id),
      stage: (message) => stage(join(tmp, fileName(message)), message),
      async deliver(staged) {
        // The names in tmp/ must outlive a power failure that the journal outlives, or it would look like "delivered".
        await syncFolder(tmp);
        await journal.complete(staged.map(({ id, name }) => ({ id, name, at: now() })));
        for (const { id, name } of staged) {
          await rename(join(tmp, name), join(fresh, name));
          known.add(id);
        }
        await syncFolder(fresh);
        await journal.delivered(staged.map(({ id }) => id));
      },
      acknowledged: (ids) => journal.acknowledged(ids),
      async unknown(id) {
        const at = journal.pending().find((entry) => entry.id === id)?.at ?? 0;
        if (now() - at > UNKNOWN_LIFETIME_MS) await journal.acknowledged([id]);
      },
      async close() {
        await journal.close();
        release();
      },
    };
  } catch (error) {
    release();
    throw error;
  }
}

async function stage(path: string, message: Waiting): Promise<StagedFile> {
  await rm(path, { force: true });
  const file = await open(path, 'wx', 0o600);
  return {
    path,
    write: async (bytes) => {
      await file.writeFile(bytes);
    },
    async finish() {
      await file.sync();
      await file.close();
      return { id: message.id, name: fileName(message) };
    },
    async discard() {
      await file.close();
      await rm(path, { force: true });
    },
  };
}

/** Makes the three folders of a Maildir; refuses a folder that holds something else. */
async function makeMaildir(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const there = await readdir(path);
  const missing = ['tmp', 'new', 'cur'].filter((name) => !there.includes(name));
  if (missing.length === 3 && there.some((name) => name !== OWN_FOLDER)) {
    throw new MaildirRefused(
      `${path} is no Maildir: it has none of tmp, new and cur, and holds other files; expected a Maildir or an empty folder`,
    );
  }
  for (const name of missing) await mkdir(join(path, name), { mode: 0o700 });
  for (const name of ['tmp', 'new', 'cur']) {
    if (!(await stat(join(path, name))).isDirectory())
      throw new MaildirRefused(`${join(path, name)} is no folder; expected a Maildir at ${path}`);
  }
  if (missing.length > 0) await syncFolder(path);
}
