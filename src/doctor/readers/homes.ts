// The homes of this machine's accounts, and small files in them.
import { readFile } from 'node:fs/promises';

const MOST_HOMES = 5000;

export interface Home {
  readonly account: string;
  readonly home: string;
}

export async function homesOf(passwd: string): Promise<readonly Home[]> {
  const text = await readFile(passwd, 'utf8').catch(() => '');
  const rows = text.split('\n').map((line) => line.split(':'));
  return rows
    .flatMap(([account = '', , , , , home = '']) =>
      account === '' || !home.startsWith('/') ? [] : [{ account, home }],
    )
    .slice(0, MOST_HOMES);
}

/** @returns '' where there is no such file; null where it may not be read */
export async function textOf(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    return isNotThere(error) ? '' : null;
  }
}

export function isNotThere(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EISDIR'].includes(String((error as { code?: unknown }).code));
}
