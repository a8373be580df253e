// The commands that README gives to be typed: the lines of the blocks in one of its sections.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from './places.ts';

/**
 * The lines of the indented blocks below the numbered steps of a section, in their order, as they stand. Pure.
 * @param heading of the section, without the signs before it
 */
export function stepsOf(readme: string, heading: string): readonly string[] {
  const [, section = ''] = readme.split(`\n## ${heading}\n`);
  const [own = ''] = section.split('\n## ');
  return own.split('\n').flatMap((line) => /^ {7}(\S.*)$/.exec(line)?.[1] ?? []);
}

/** README.md of the checkout that is tested. */
export function readReadme(): string {
  return readFileSync(join(repository, 'README.md'), 'utf8');
}
