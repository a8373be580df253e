// Which files of a project somebody has just changed.
import { EventEmitter, once } from 'node:events';
import { watch } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** What programs and servers read. Not the files that an editor keeps beside them. */
const OURS = /(?:^|\/)[^./][^/]*\.(?:ts|mjs|sql|json|toml|cf)$/;

/** Editors and git write several files, and one file more than once. Milliseconds. */
const QUIET = 200;

/**
 * Watches folders with all that is in them, until the signal.
 * @param root what the folders and the names that are given are relative to
 * @returns each time somebody has changed something: the names, once it has been quiet for a moment
 */
export async function* changesIn(
  root: string,
  folders: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<readonly string[]> {
  const changed = new Set<string>();
  const events = new EventEmitter();
  for (const folder of folders)
    watch(join(root, folder), { recursive: true, signal }, (_event, name) => {
      if (name === null || !OURS.test(name)) return;
      changed.add(join(folder, name));
      events.emit('change');
    });
  while (!signal.aborted) {
    if (changed.size === 0) await once(events, 'change', { signal }).catch(() => undefined);
    for (let seen = -1; seen < changed.size && !signal.aborted; ) {
      seen = changed.size;
      await sleep(QUIET, undefined, { signal }).catch(() => undefined);
    }
    const names = [...changed].sort();
    changed.clear();
    if (names.length > 0 && !signal.aborted) yield names;
  }
}
