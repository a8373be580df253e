// The blocks of a page of docs/ that a reader copies: indented text behind a comment `<!-- block: NAME -->`.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from './places.ts';

const MARKED = /^<!-- block: (\S+) -->\n\n((?: {4}.*\n|\n(?= {4}))+)/gm;

/** Blocks of a page by name, as they are copied: without the indentation. Pure. @throws an Error for a name that stands twice */
export function blocksOf(page: string): ReadonlyMap<string, string> {
  const blocks = new Map<string, string>();
  for (const [, name = '', block = ''] of page.matchAll(MARKED)) {
    if (blocks.has(name)) throw new Error(`the block ${name} stands twice`);
    blocks.set(name, block.replaceAll(/^ {4}/gm, ''));
  }
  return blocks;
}

/** A page of docs/ of the checkout that is tested. */
export function readPage(name: string): string {
  return readFileSync(join(repository, 'docs', name), 'utf8');
}
