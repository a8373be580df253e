// How many files and sockets a process may have open at once.
import { readFileSync } from 'node:fs';

/**
 * The soft limit of open files. Node.js raises it to the hard one when it starts.
 * @param path of another process (proc(5)); default: this one
 * @returns null where the system does not tell, or sets none
 */
export function openFilesLimit(path = '/proc/self/limits'): number | null {
  try {
    const found = /^Max open files\s+(\d+)/m.exec(readFileSync(path, 'latin1'))?.[1];
    return found === undefined ? null : Number(found);
  } catch {
    // Not Linux.
    return null;
  }
}
