// The lines of the log as the sources write them.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from './places.ts';

const FOLDERS = ['src', 'filters', 'policy', 'receiver', 'portal'];
/** `logger.warn(`, `context.logger?.info(`, `log[level](`; not Math.log and console.log. */
const CALL = /\b(?:\w*[lL]ogger|log)\??(?:\.(info|warn|error|fatal)|\[[^\]]*\])\(/g;

export interface LogCall {
  readonly place: string;
  /** null: as the case may be. */
  readonly level: string | null;
  /** What stands behind the bracket. */
  readonly words: string;
}

/** Every line at level info and above. */
export function loggedCalls(): readonly LogCall[] {
  return FOLDERS.flatMap((folder) =>
    readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .flatMap((name) => callsIn(join(folder, name))),
  );
}

function callsIn(path: string): readonly LogCall[] {
  const text = readFileSync(join(repository, path), 'utf8');
  return [...text.matchAll(CALL)].map(({ index, 0: name, 1: level = null }) => {
    const line = text.slice(0, index).split('\n').length;
    const words = text.slice(index + name.length, index + name.length + 400);
    return { place: `${path}:${line}`, level, words };
  });
}

/** The code of a call: the first thing in its fields, or the last one behind spread fields. */
export function codeOf({ words }: LogCall): string | undefined {
  return /^\s*\{[^{}]*?\bevent: '(\w+)'/.exec(words)?.[1];
}
