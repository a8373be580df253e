// Sieve scripts, where Dovecot has them by default.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { SieveFacts } from '../facts.ts';
import { homesOf, isNotThere, textOf } from './homes.ts';

const MOST_SCRIPT = 65_536;
const MOST_SCRIPTS = 500;

interface SievePlaces {
  readonly passwd: string;
  readonly sieve: readonly string[];
}

/**
 * Reads the scripts of all accounts.
 * @param passwd passwd(5): whose scripts are looked for
 * @param sieve folders of scripts beside those of the accounts
 */
export async function readSieve({ passwd, sieve }: SievePlaces): Promise<SieveFacts> {
  const homes = await homesOf(passwd);
  const own = homes.map(({ home }) => join(home, '.dovecot.sieve'));
  const folders = [...sieve, ...homes.map(({ home }) => join(home, 'sieve'))];
  const inFolders = await Promise.all(folders.map((folder) => scriptsIn(folder)));
  const scripts: { path: string; text: string }[] = [];
  const unread = folders.filter((_, at) => inFolders[at] === null);
  for (const path of new Set([...own, ...inFolders.flatMap((found) => found ?? [])])) {
    const text = await textOf(path);
    if (text === null) unread.push(path);
    else if (text !== '') scripts.push({ path, text: text.slice(0, MOST_SCRIPT) });
    if (scripts.length === MOST_SCRIPTS) return { scripts, unread: [...unread, 'more scripts'] };
  }
  return { scripts, unread };
}

/** @returns their paths; null where the folder may not be read */
async function scriptsIn(folder: string): Promise<readonly string[] | null> {
  try {
    const names = await readdir(folder);
    return names.filter((name) => name.endsWith('.sieve')).map((name) => join(folder, name));
  } catch (error) {
    return isNotThere(error) ? [] : null;
  }
}
