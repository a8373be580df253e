// When to look into the folder of a spool: an event of inotify says that it is worth a look, and a look rests longer, the
// longer it took. A folder that is not there is looked for every second.
import { type FSWatcher, watch } from 'node:fs';
import type { Logger } from '../../src/observe/log.ts';
import { listNew, pathIn } from './maildir.ts';

export interface Folder {
  readonly spool: string;
  readonly logger: Logger;
  watcher: FSWatcher | undefined;
  /** Something may have changed since the last look. */
  changed: boolean;
  looking: boolean;
  /** Not before this moment. Unix milliseconds. */
  nextLook: number;
  missing: boolean;
}

/** A look takes at most this share of the time. */
const REST_AFTER_LOOK = 10;
const MISSING_MS = 1000;

/** The folder need not be there yet: Postfix makes it with the first message. */
export function createFolder(spool: string, logger: Logger): Folder {
  return { spool, logger, watcher: undefined, changed: true, looking: false, nextLook: 0, missing: false };
}

export function isWorthALook({ changed, looking, nextLook }: Folder, now: number): boolean {
  return changed && !looking && now >= nextLook;
}

/**
 * Looks, and watches from then on. Never rejects.
 * @param seen gets the names, oldest first
 * @param onEvent is called whenever the folder may have changed
 */
export async function look(
  folder: Folder,
  seen: (names: readonly string[]) => void,
  onEvent: () => void,
): Promise<void> {
  folder.looking = true;
  folder.changed = false;
  const started = Date.now();
  try {
    if (folder.watcher === undefined) startWatching(folder, onEvent);
    seen(await listNew(folder.spool));
    folder.missing = false;
  } catch (error) {
    stopWatching(folder);
    if (!folder.missing) {
      folder.missing = true;
      const { spool, logger } = folder;
      logger.warn(
        { event: 'spool_unreadable', spool, err: error },
        'the spool cannot be read; it is tried again every second',
      );
    }
  } finally {
    folder.looking = false;
    folder.nextLook = Date.now() + (folder.missing ? MISSING_MS : (Date.now() - started) * REST_AFTER_LOOK);
    folder.changed ||= folder.missing;
  }
}

function startWatching(folder: Folder, onEvent: () => void): void {
  const { spool, logger } = folder;
  try {
    folder.watcher = watch(pathIn(spool, 'new'), { persistent: false }, (_event, name) => {
      folder.changed = true;
      // The folder itself was moved or removed: the next look finds the one that is there now.
      if (name === null || name === 'new') stopWatching(folder);
      onEvent();
    });
    folder.watcher.on('error', () => stopWatching(folder));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
    logger.warn(
      { event: 'spool_not_watched', spool, err: error },
      'the spool cannot be watched; it is swept only',
    );
  }
}

export function stopWatching(folder: Folder): void {
  folder.watcher?.close();
  folder.watcher = undefined;
}
