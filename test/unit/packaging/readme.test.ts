// What the README shows is what the programs make, and what it gives to be typed they take.
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { README, readmeWithSection } from '../../../docs/sealed-mail.ts';
import { createProgram } from '../../../src/cli/program.ts';
import { readReadme, stepsOf } from '../../support/readme-steps.ts';

describe('the README', () => {
  it('shows sealed mail as it is made (else run: npx tsx docs/sealed-mail.ts)', async () => {
    const readme = readFileSync(README, 'utf8');
    expect(readme).toBe(await readmeWithSection(readme));
  });

  it('gives steps of commands and options that there are (all of them are run by test:long, lanes debian-12 and debian-13)', async () => {
    const steps = stepsOf(readReadme(), 'Wire it into your Postfix');
    const own = steps.filter((line) => line.startsWith('sealpost '));
    expect(own.length).toBeGreaterThanOrEqual(6);
    for (const line of own) expect(await unknownIn(line), line).toEqual([]);
    expect(await unknownIn('sealpost user addd --quotas')).toEqual(['addd', '--quotas']);
    // The first of them loads the whole command line.
  }, 120_000);
});

describe('the steps of a section', () => {
  it('are the lines of the blocks below its numbers, and no others', () => {
    const text =
      '# a\n## b\n       no\n## c\n1. `x`\n\n       one two\n       three\n\n   text\n## d\n       no\n';
    expect(stepsOf(text, 'c')).toEqual(['one two', 'three']);
    expect(stepsOf(text, 'e')).toEqual([]);
  });
});

/** What a line of a shell names, and the command line of sealpost does not know. */
async function unknownIn(line: string): Promise<readonly string[]> {
  const [, ...words] = line.split(' ');
  let command: Command = await createProgram(words[0]);
  const unknown: string[] = [];
  for (const word of words) {
    const below = command.commands.find((each) => each.name() === word);
    if (below !== undefined) command = below;
    else if (command.commands.length > 0 && !word.startsWith('-')) unknown.push(word);
  }
  const flags = new Set(command.options.flatMap(({ long }) => long ?? []));
  return [...unknown, ...words.filter((word) => word.startsWith('-') && !flags.has(word))];
}
