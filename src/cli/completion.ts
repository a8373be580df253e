// `sealpost completion bash|zsh|fish`: what a shell needs so that the Tab key completes commands and options. The script asks
// `sealpost completion complete` at each Tab, which answers from the commands as they are.
import { RootCommand, script, type Command as TabCommand } from '@bomb.sh/tab';
import type { Command, Option } from 'commander';

/** How a script asks us, before the words that were typed. */
const ASK = 'sealpost completion';

/** The answer's last line (ShellCompDirective of the library): file names do not fit, or nothing but file names would. */
const ONLY_THESE = ':4';
const FILES = ':0';

/**
 * Ours and not the library's, which hands what was typed to eval: `sealpost user list > file --<Tab>` would empty the file.
 * Where nothing is known to fit, bash completes file names.
 */
const BASH = `# bash completion for sealpost
_sealpost() {
    local answer
    COMPREPLY=()
    while IFS= read -r answer; do
        [[ $answer == :* ]] || COMPREPLY+=("\${answer%%$'\\t'*}")
    done < <(${ASK} complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _sealpost sealpost
`;

/** @param everyCommand makes the command line with every command loaded */
export function registerCompletion(program: Command, everyCommand: () => Promise<Command>): void {
  const completion = program
    .command('completion')
    .description('print what a shell needs to complete commands and options');
  for (const shell of ['bash', 'zsh', 'fish'])
    completion
      .command(shell)
      .description(`the script for ${shell}`)
      .option('--config <file>', 'taken like everywhere, and not read')
      .addHelpText('after', `\nExample:\n  $ ${EXAMPLES[shell]}`)
      .action(() => {
        process.stdout.write(
          shell === 'bash' ? BASH : `${printedBy(() => script(shell, 'sealpost', ASK)).join('\n')}\n`,
        );
      });
  completion
    .command('complete', { hidden: true })
    .description('what may stand in place of the last word: asked by the scripts')
    .argument('[words...]')
    .action(async (words: readonly string[]) => {
      process.stdout.write(`${answersFor(await everyCommand(), words).join('\n')}\n`);
    });
}

const EXAMPLES: Readonly<Record<string, string>> = {
  bash: 'source <(sealpost completion bash)',
  zsh: 'source <(sealpost completion zsh)',
  fish: 'sealpost completion fish | source',
};

/**
 * What may stand in place of the last of the words, each with its description behind a tab; then the library's directive.
 * @param words as after `sealpost`; the last one is what has been typed of it, perhaps nothing
 */
export function answersFor(program: Command, words: readonly string[]): readonly string[] {
  const root = new RootCommand();
  addOptions(root, program.options);
  addCommands(root, program.commands, '');
  // Whole in one word: the library would take the next one for its value.
  const counting = words.filter((word, at) => at === words.length - 1 || !/^--[^=]+=/.test(word));
  const lines = printedBy(() => root.parse(counting)).filter((line) => !line.startsWith(':'));
  return [...lines, lines.length === 0 ? FILES : ONLY_THESE];
}

function addCommands(root: RootCommand, commands: readonly Command[], before: string): void {
  for (const command of commands) {
    const name = `${before}${command.name()}`;
    if (name === 'completion complete') continue;
    const known = root.command(name, command.description());
    addOptions(known, command.options);
    for (const { variadic, argChoices, name: argument } of command.registeredArguments.map(readArgument))
      known.argument(argument, (offer) => offerAll(argChoices, offer), variadic);
    addCommands(root, command.commands, `${name} `);
  }
}

function readArgument(argument: Command['registeredArguments'][number]) {
  return { name: argument.name(), variadic: argument.variadic, argChoices: argument.argChoices };
}

function addOptions(to: TabCommand, options: readonly Option[]): void {
  for (const { long, description, required, optional, argChoices } of options) {
    if (long === undefined || long === null) continue;
    const name = long.slice(2);
    // The library takes an option with a handler for one with a value.
    if (required || optional) to.option(name, description, (offer) => offerAll(argChoices, offer));
    else to.option(name, description);
  }
}

function offerAll(
  choices: readonly string[] | undefined,
  offer: (value: string, description: string) => void,
): void {
  for (const choice of choices ?? []) offer(choice, '');
}

/** The library prints its answers by console.log. */
function printedBy(work: () => void): readonly string[] {
  const lines: string[] = [];
  const { log } = console;
  console.log = (line: string) => lines.push(line);
  try {
    work();
  } finally {
    console.log = log;
  }
  return lines;
}
