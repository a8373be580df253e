// The calls of sealpost in a text that people copy, and whether the program takes them.
import { type Command, CommanderError } from 'commander';
import { parse } from 'shell-quote';
import { COMMANDS, createProgram } from '../../src/cli/program.ts';

/** The words after `sealpost` of each call in a text, as a shell would split them; variables stay as they are named. */
export function callsIn(text: string): readonly (readonly string[])[] {
  return text
    .replaceAll(/\\\n\s*/g, ' ')
    .split('\n')
    .flatMap((line) => simpleCommands(line).flatMap(callOf));
}

/** The commands of a line, which `&&`, `|`, `;` and their kind part. */
function simpleCommands(line: string): readonly (readonly string[])[] {
  const commands: string[][] = [[]];
  let redirected = false;
  for (const each of parse(line, (name) => `$${name}`)) {
    const words = commands.at(-1) ?? [];
    if (typeof each === 'string' || 'pattern' in each) {
      if (!redirected) words.push(typeof each === 'string' ? each : each.pattern);
    } else if ('comment' in each) break;
    else if (/^[<>]/.test(each.op)) {
      // The number of what is redirected; its file comes behind.
      if (/^\d$/.test(words.at(-1) ?? '')) words.pop();
      redirected = true;
    } else {
      commands.push([]);
      redirected = false;
    }
  }
  return commands;
}

/** What runs a command that stands behind it. */
const RUNNERS = new Set(['exec', 'docker', 'podman', 'setpriv', 'sudo']);

/** `sealpost` or a container of that name, and a command behind it; in quotes, too. */
function callOf(words: readonly string[]): readonly (readonly string[])[] {
  const at = words.findIndex(
    (word, index) =>
      /(?:^|\/)sealpost(?:-mailcow)?$/.test(word) &&
      isCommand(words[index + 1]) &&
      (index === 0 || RUNNERS.has(words[0] ?? '')),
  );
  if (at === -1) return words.filter((word) => /sealpost [a-z]/.test(word)).flatMap((word) => callsIn(word));
  return [words.slice(at + 1)];
}

function isCommand(word: string | undefined): boolean {
  return word !== undefined && COMMANDS.has(word);
}

/**
 * What the program says against a call; nothing is done.
 * @param words as after `sealpost`
 * @returns null: there is such a command, and it takes these arguments and options
 */
export async function refusalOf(words: readonly string[]): Promise<string | null> {
  const program = await createProgram(words[0]);
  let said = '';
  let reached = false;
  const quiet = (command: Command): void => {
    command.exitOverride((error) => {
      throw error;
    });
    command.configureOutput({ writeErr: (text) => (said += text), writeOut: () => undefined });
    if (command.commands.length === 0)
      command.action(() => {
        reached = true;
      });
    for (const each of command.commands) quiet(each);
  };
  quiet(program);
  try {
    await program.parseAsync([...words], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? null : said.trim() || error.message;
  }
  return reached ? null : 'names no command that does anything';
}

/**
 * The calls that a synopsis stands for: `a|b` is either, `[--option VALUE]` may be there, `...` may be repeated.
 * @returns texts with one form of each line in them, and with everything that may be left out
 */
export function formsOf(synopsis: string): readonly string[] {
  return synopsis
    .split('\n')
    .map((line) =>
      line
        .replace(/ # .*$/, '')
        .replaceAll(/[[\]]|\.\.\./g, '')
        .trim(),
    )
    .filter((line) => line !== '')
    .flatMap((line) => alternatives(line.split(/\s+/)));
}

function alternatives(words: readonly string[]): readonly string[] {
  return words
    .reduce<readonly string[][]>(
      (lines, word) => lines.flatMap((line) => word.split('|').map((each) => [...line, each])),
      [[]],
    )
    .map((line) => line.join(' '));
}
